//! The pool of connections, and the transaction at the edge.

mod held;

pub(crate) use self::held::PATIENCE;

use crate::batcher::Blame;
use crate::config::{ConfigError, DatabaseConfig};
use crate::reading::{self, Readers, Replica};
use crate::turns;
use metrics::Histogram;
use sqlx::postgres::PgPoolOptions;
use sqlx::{Connection, PgConnection, PgPool, Postgres, Transaction};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};
use tokio::sync::Notify;
use tracing::Instrument;

/// How long a connection may be idle and still be taken without asking PostgreSQL for a sign of life.
const TRUSTED: Duration = Duration::from_millis(500);

/// SQLSTATE of a write on a server that takes none: a primary that became a standby, or was made read-only.
const READ_ONLY: &str = "25006";

/// How long after such an error each connection is asked, before it is used, whether it can write.
const SUSPICION: Duration = Duration::from_secs(30);

/// SQLSTATE of a statement that took too long, or that somebody cancelled.
const TIMED_OUT: &str = "57014";

/// When the process started, from which times are counted.
static START: LazyLock<Instant> = LazyLock::new(Instant::now);

/// Milliseconds since [`START`] until which connections are suspected to lead to a server that takes no writes.
static SUSPECTED_UNTIL: AtomicU64 = AtomicU64::new(0);

fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// From now on the connections in the pool are asked whether they can write; those that cannot are closed.
fn suspect_connections() {
    SUSPECTED_UNTIL.store(milliseconds(START.elapsed() + SUSPICION), Ordering::Relaxed);
}

fn connections_are_suspected() -> bool {
    let until = SUSPECTED_UNTIL.load(Ordering::Relaxed);
    until > 0 && milliseconds(START.elapsed()) < until
}

/// Notes how long it took to get a connection.
fn acquired(since: Instant) {
    // Looked up once: that takes as long as to record.
    static ACQUIRING: LazyLock<Histogram> = LazyLock::new(|| metrics::histogram!("database_acquire_seconds"));
    ACQUIRING.record(since.elapsed());
}

/// Whether the server takes writes on this connection.
pub(crate) async fn takes_writes(conn: &mut PgConnection) -> Result<bool, sqlx::Error> {
    let setting: String = sqlx::query_scalar("SHOW transaction_read_only").fetch_one(conn).await?;
    Ok(setting == "off")
}

/// Whether a connection that has been idle for so long is used without asking for a sign of life, or for more.
pub(crate) fn is_trusted(idle_for: Duration) -> bool {
    idle_for <= TRUSTED && !connections_are_suspected()
}

/// The service's database.
#[derive(Clone, Debug)]
pub struct Database {
    pool: PgPool,
    lists: Arc<Readers>,
    batches: Arc<Readers>,
    committed: Arc<Notify>,
    replica: Option<Arc<Replica>>,
}

impl Database {
    /// A pool that connects when it is first needed: a service starts, and stays up, without PostgreSQL.
    pub fn connect_lazy(config: &DatabaseConfig) -> Result<Self, ConfigError> {
        // Until it is asked for the first time.
        metrics::gauge!("database_up").set(0.0);
        let pool = PgPoolOptions::new()
            .max_connections(config.database_max_connections)
            .acquire_timeout(config.acquire_timeout())
            .test_before_acquire(false)
            .before_acquire(|conn, meta| {
                Box::pin(async move {
                    if is_trusted(meta.idle_for) {
                        return Ok(true);
                    }
                    if connections_are_suspected() {
                        // What gives false is closed: after a fail-over, the next connection leads to the new primary.
                        return takes_writes(conn).await;
                    }
                    conn.ping().await?;
                    Ok(true)
                })
            })
            .connect_lazy_with(config.connect_options()?);
        let readers = || Arc::new(Readers::half_of(config.database_max_connections));
        let (lists, batches, replica) = (readers(), readers(), reading::replica_of(config)?);
        Ok(Self { pool, lists, batches, committed: Arc::new(Notify::new()), replica })
    }

    /// For reads at the primary that need no transaction. Lists read by [`Self::read`], batches by [`Self::read_batch`].
    pub fn pool(&self) -> &PgPool {
        &self.pool
    }

    /// Who reads lists at the primary.
    pub(crate) fn lists(&self) -> &Readers {
        &self.lists
    }

    /// Who reads batches of single objects.
    pub(crate) fn batches(&self) -> &Readers {
        &self.batches
    }

    /// How many connections wait in the pool, or for the next read.
    pub(crate) fn idle(&self) -> usize {
        self.pool.num_idle() + self.lists.kept() + self.batches.kept()
    }

    /// The replica, where there is one.
    pub(crate) fn replica(&self) -> Option<&Arc<Replica>> {
        self.replica.as_ref()
    }

    /// Begins a transaction; only an edge (handler, consumer, job) does this.
    ///
    /// Whoever waits here may stop waiting, as the handler of a client that hangs up does. sqlx would then give the
    /// connection back inside the transaction, and what the next one writes there without a transaction of its own would be
    /// rolled back later. So the transaction is always begun to the end, and rolled back if nobody wants it any more.
    pub async fn begin(&self) -> Result<Transaction<'static, Postgres>, sqlx::Error> {
        turns::wait().await?;
        let (pool, since) = (self.pool.clone(), Instant::now());
        let begun = tokio::spawn(async move { pool.begin().await }.in_current_span());
        let transaction = begun.await.map_err(|_| sqlx::Error::WorkerCrashed)?;
        acquired(since);
        transaction
    }

    /// Commits, and wakes the relay for what the transaction may have put into the outbox.
    pub async fn commit(&self, transaction: Transaction<'_, Postgres>) -> Result<(), sqlx::Error> {
        transaction.commit().await?;
        self.committed.notify_one();
        Ok(())
    }

    /// Waits until something was committed here, at the most for `fallback`: another instance may have committed.
    pub(crate) async fn committed_or(&self, fallback: Duration) {
        // Running into the time-out is the normal case of an idle service.
        let _ = tokio::time::timeout(fallback, self.committed.notified()).await;
    }

    /// Asks the database, within a second, whether it takes writes. Says what is wrong in words of our own: those of
    /// PostgreSQL name users and hosts.
    pub async fn ping(&self) -> Result<(), String> {
        self.lists.give_back_idle();
        self.batches.give_back_idle();
        let asking = async { takes_writes(&mut *self.pool.acquire().await?).await };
        match tokio::time::timeout(Duration::from_secs(1), asking).await {
            Ok(Ok(true)) => Ok(()),
            Ok(Ok(false)) => {
                suspect_connections();
                Err("takes no writes".to_owned())
            }
            Ok(Err(sqlx::Error::Database(_))) => Err("refuses the connection".to_owned()),
            Ok(Err(_)) => Err("no connection".to_owned()),
            Err(_) => Err("no answer within 1 s".to_owned()),
        }
    }
}

/// Does a step of the start, and again each second while the database is away.
pub async fn patiently<T, Work>(work: impl Fn() -> Work) -> Result<T, sqlx::Error>
where
    Work: Future<Output = Result<T, sqlx::Error>>,
{
    loop {
        match work().await {
            Err(error) if is_unavailable(&error) || is_timed_out(&error) => {
                tracing::warn!(%error, "the start waits for PostgreSQL");
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
            outcome => return outcome,
        }
    }
}

/// Whether the database could not be reached, broke off or takes no writes at present: trying again later can help, and
/// nobody's input is at fault.
///
/// After an error of a server that takes no writes, the pool looks at each connection before it gives it out: that server
/// has been replaced, and the connections to it have to be closed.
pub fn is_unavailable(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Io(_)
        | sqlx::Error::Tls(_)
        | sqlx::Error::Protocol(_)
        | sqlx::Error::PoolTimedOut
        | sqlx::Error::PoolClosed
        | sqlx::Error::WorkerCrashed => true,
        // Class 08: connection, 53: out of resources, 57: shut down, 25P03: idle in transaction.
        sqlx::Error::Database(error) if error.code().as_deref() == Some(READ_ONLY) => {
            suspect_connections();
            true
        }
        sqlx::Error::Database(error) => error.code().is_some_and(|code| {
            let is_class = ["08", "53", "57"].iter().any(|class| code.starts_with(class));
            (is_class && code != TIMED_OUT) || code == "25P03"
        }),
        _ => false,
    }
}

/// Whether the database gave way to another transaction (deadlock, serialization): the same work can succeed now.
pub fn is_conflict(error: &sqlx::Error) -> bool {
    matches!(error, sqlx::Error::Database(error) if matches!(error.code().as_deref(), Some("40001" | "40P01" | "55P03")))
}

/// Whether a statement took too long. The database is there: as a rule somebody holds a lock that this work needs, and other
/// work gets on.
pub fn is_timed_out(error: &sqlx::Error) -> bool {
    matches!(error, sqlx::Error::Database(error) if error.code().as_deref() == Some(TIMED_OUT))
}

/// Whether the database may take later what it did not take now.
pub fn is_passing(error: &sqlx::Error) -> bool {
    is_unavailable(error) || is_timed_out(error) || is_conflict(error)
}

/// Whose doing the failure of a batch's transaction is.
///
/// Where a statement took too long it is one request's as a rule, and still the answer of all: tried one by one, each that
/// needs the same lock would take as long again, and whoever asked has gone by then.
pub fn blame(error: &sqlx::Error) -> Blame {
    if is_unavailable(error) || is_timed_out(error) {
        Blame::Everybody
    } else if is_conflict(error) {
        Blame::Nobody
    } else {
        Blame::Somebody
    }
}
