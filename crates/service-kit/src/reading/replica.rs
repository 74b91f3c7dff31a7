//! The replica: its connections, how far it is behind the primary, and whether a read may go to it.
//!
//! Behind its address may be several servers, so each read asks on its own connection how far that one is. The look four
//! times a second is for the metrics, and keeps reads away from a replica that would only cost them time.

use super::connection::Lent;
use super::history::History;
use super::primary::{self, Positions};
use super::writers::{Writer, Writers};
use super::{Limits, PassedOver, Position, READ_AFTER, ReadConnection, Reader};
use crate::access::Principal;
use crate::db::{is_conflict, is_timed_out, is_unavailable};
use crate::jobs;
use axum::http::HeaderValue;
use axum::response::Response;
use sqlx::pool::PoolConnection;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{Connection, PgConnection, PgPool, Postgres};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;

/// Pause between two looks at primary and replica.
const LOOK: Duration = Duration::from_millis(250);

/// How long the replica may take to give a connection, and to say how far it is, before the primary is asked.
const ANSWERS: Duration = Duration::from_millis(200);

/// How long a read may take there before it is made at the primary.
const LONGEST: Duration = Duration::from_secs(1);

/// Pause between two questions whether a write has arrived.
const POLL: Duration = Duration::from_millis(5);

/// How long the log tells of no other read that failed.
const SAID: Duration = Duration::from_mins(1);

/// A read-only copy of the database, somewhat behind it.
#[derive(Debug)]
pub(crate) struct Replica {
    pool: PgPool,
    positions: Positions,
    writers: Writers,
    limits: Limits,
    known: Mutex<Known>,
    /// The connection of the looks.
    kept: tokio::sync::Mutex<Option<PgConnection>>,
}

/// What the last look has found.
#[derive(Debug)]
struct Known {
    history: History,
    replayed: Option<Position>,
    /// Whether it is read, and why not.
    standing: Result<(), PassedOver>,
    /// When the log last told of a read that failed.
    said: Option<Instant>,
}

impl Replica {
    /// Connects when it is first needed.
    pub(super) fn new(options: PgConnectOptions, primary: PgConnectOptions, most: u32, limits: Limits) -> Self {
        let pool = PgPoolOptions::new().max_connections(most).acquire_timeout(ANSWERS).test_before_acquire(false);
        Self {
            pool: pool.connect_lazy_with(options),
            positions: primary::start(primary),
            writers: Writers::default(),
            limits,
            known: Mutex::new(Known {
                history: History::default(),
                replayed: None,
                standing: Err(PassedOver::Away),
                said: None,
            }),
            kept: tokio::sync::Mutex::default(),
        }
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes a write of this caller, and puts on the answer what they have to see from now on.
    pub(crate) async fn written(&self, principal: Option<&Principal>, response: &mut Response) {
        if let Some(writer) = principal.and_then(Writer::of) {
            self.writers.wrote(writer, Instant::now());
        }
        if response.status().is_success() {
            // Where the primary does not say how far it is, nobody else can know enough.
            let position = self.positions.submit(()).await.unwrap_or(Position::END);
            if let Ok(value) = HeaderValue::try_from(position.to_string()) {
                response.headers_mut().insert(READ_AFTER, value);
            }
        }
    }

    /// Does the work here, unless the primary has to do it.
    pub(super) async fn read<T, Work>(
        &self,
        reader: &Reader,
        work: &impl Fn(ReadConnection) -> Work,
    ) -> Result<T, PassedOver>
    where
        Work: Future<Output = Result<T, sqlx::Error>>,
    {
        let now = Instant::now();
        let wrote_lately = || reader.writer.as_ref().is_some_and(|writer| self.writers.wrote_lately(writer, now));
        if reader.after.map_or_else(wrote_lately, |after| after == Position::END) {
            return Err(PassedOver::OwnWrite);
        }
        let floor = {
            let known = self.known();
            known.standing?;
            known.history.floor(now, self.limits.most_lag).ok_or(PassedOver::Behind)?
        };
        let conn = self.connection(floor, reader.after).await?;
        let lent = Lent::new(conn);
        match tokio::time::timeout(LONGEST, work(lent.lend().await)).await {
            Ok(found) => found.map_err(|error| self.failure(&error)),
            Err(_) => {
                if let Some(conn) = lent.back() {
                    close(conn);
                }
                Err(PassedOver::Away)
            }
        }
    }

    /// A connection to a replica that has replayed up to `floor`, and up to `after` within the time it is waited for.
    async fn connection(
        &self,
        floor: Position,
        after: Option<Position>,
    ) -> Result<PoolConnection<Postgres>, PassedOver> {
        let most = self.pool.options().get_max_connections();
        // All that the pool has may be left of a server that was restarted.
        for _ in 0..=most {
            let mut conn = match self.pool.acquire().await {
                Ok(conn) => conn,
                Err(sqlx::Error::PoolTimedOut) if self.pool.size() >= most => return Err(PassedOver::Away),
                Err(error) => return Err(self.failure(&error)),
            };
            match tokio::time::timeout(self.limits.wait + ANSWERS, self.check(&mut conn, floor, after)).await {
                Ok(Ok(Ok(()))) => return Ok(conn),
                Ok(Ok(Err(PassedOver::Promoted))) => {
                    close(conn);
                    return Err(self.leave(PassedOver::Promoted));
                }
                Ok(Ok(Err(why))) => return Err(why),
                Ok(Err(_)) => close(conn),
                Err(_) => {
                    close(conn);
                    return Err(PassedOver::Away);
                }
            }
        }
        Err(self.leave(PassedOver::Away))
    }

    /// Whether what this connection leads to is a replica that knows enough.
    async fn check(
        &self,
        conn: &mut PgConnection,
        floor: Position,
        after: Option<Position>,
    ) -> Result<Result<(), PassedOver>, sqlx::Error> {
        let until = Instant::now() + self.limits.wait;
        loop {
            let Some(replayed) = replayed(conn).await? else { return Ok(Err(PassedOver::Promoted)) };
            if replayed < floor {
                return Ok(Err(PassedOver::Behind));
            }
            if after.is_none_or(|after| replayed >= after) {
                return Ok(Ok(()));
            }
            if Instant::now() >= until {
                return Ok(Err(PassedOver::OwnWrite));
            }
            tokio::time::sleep(POLL).await;
        }
    }

    /// What follows from an error. Where the replica has gone, reads are sent away until the next look.
    fn failure(&self, error: &sqlx::Error) -> PassedOver {
        if is_conflict(error) {
            PassedOver::Conflict
        } else if is_unavailable(error) || is_timed_out(error) {
            self.leave(PassedOver::Away)
        } else {
            let (mut known, now) = (self.known(), Instant::now());
            if known.said.is_none_or(|said| now.saturating_duration_since(said) > SAID) {
                known.said = Some(now);
                tracing::warn!(%error, "a read failed at the replica, and is made at the primary");
            }
            PassedOver::Failed
        }
    }

    fn leave(&self, why: PassedOver) -> PassedOver {
        self.known().standing = Err(why);
        why
    }

    /// Looks how far both are. The error says why no read goes to the replica.
    async fn look(&self) -> Result<(), String> {
        let asked = Instant::now();
        let primary = self.positions.submit(()).await;
        let replica = match tokio::time::timeout(2 * ANSWERS, self.ask()).await {
            Ok(Ok(Some(replayed))) => Ok(replayed),
            Ok(Ok(None)) => Err((PassedOver::Promoted, "it is no replica any more".to_owned())),
            Ok(Err(error)) => Err((PassedOver::Away, error.to_string())),
            Err(_) => Err((PassedOver::Away, "it does not answer".to_owned())),
        };
        let mut known = self.known();
        if let Ok(position) = primary {
            known.history.note(asked, position);
        }
        if let Ok(replayed) = replica {
            known.replayed = Some(replayed);
        }
        let lag = known.history.lag(Instant::now(), known.replayed);
        let bytes = known.history.newest().map(|newest| known.replayed.unwrap_or(Position::at(0)).bytes_until(newest));
        metrics::gauge!("database_replica_lag_seconds").set(lag.as_secs_f64());
        metrics::gauge!("database_replica_lag_bytes").set(bytes.unwrap_or_default() as f64);
        let standing = match replica {
            Ok(_) if lag <= self.limits.most_lag => Ok(()),
            Ok(_) => Err((PassedOver::Behind, format!("it is {:.1} s behind", lag.as_secs_f64()))),
            Err(away) => Err(away),
        };
        known.standing = standing.as_ref().map_err(|(why, _)| *why).copied();
        standing.map_err(|(_, text)| format!("the replica is not read: {text}"))
    }

    /// How far the replica is, on a connection of the looks' own.
    async fn ask(&self) -> Result<Option<Position>, sqlx::Error> {
        let mut kept = self.kept.lock().await;
        let mut conn = match kept.take() {
            Some(conn) => conn,
            None => PgConnection::connect_with(&self.pool.connect_options()).await?,
        };
        let replayed = replayed(&mut conn).await?;
        if replayed.is_some() {
            *kept = Some(conn);
        }
        Ok(replayed)
    }
}

/// How far the replica has replayed; none where it is none.
async fn replayed(conn: &mut PgConnection) -> Result<Option<Position>, sqlx::Error> {
    let sql = "SELECT CASE WHEN pg_is_in_recovery()
                      THEN COALESCE((pg_last_wal_replay_lsn() - '0/0')::bigint, 0) END";
    let bytes: Option<i64> = sqlx::query_scalar(sql).fetch_one(conn).await?;
    Ok(bytes.map(Position::at))
}

/// Closes a connection that may stand in the middle of a statement, or leads to the wrong server.
fn close(mut conn: PoolConnection<Postgres>) {
    conn.close_on_drop();
}

/// Looks how far primary and replica are until `shutdown`. The log tells when the replica is no longer read, and when it is
/// again.
pub(crate) async fn watch(replica: Arc<Replica>, shutdown: CancellationToken) {
    jobs::every("watch the replica", Duration::ZERO, LOOK, shutdown, || replica.look()).await;
}
