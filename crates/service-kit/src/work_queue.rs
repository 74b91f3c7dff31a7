//! Work that waits in a table: what is due is claimed under a lease, attempted, and recorded or put off.
//!
//! A claim moves the row's next attempt on, in a transaction of its own. If a worker dies, its lease ends and another one
//! takes the row. So work can be attempted twice, and whoever attempts it must bear that. Any number of instances share
//! a table.

mod table;

use crate::circuit::CircuitBreaker;
use crate::db::{Database, PATIENCE};
use sqlx::FromRow;
use sqlx::postgres::PgRow;
use std::collections::VecDeque;
use std::fmt::Display;
use std::sync::Arc;
use std::time::Duration;
pub use table::{Backoff, Claimed, Table};
use tokio::sync::Notify;
use tokio::task::{JoinError, JoinSet};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// How much longer than its attempts a lease must last: time to record the outcome of the last.
pub const TIME_TO_RECORD: Duration = Duration::from_secs(3);

/// How a table is worked on.
#[derive(Clone, Debug)]
pub struct WorkQueue {
    /// Its name in the log.
    pub name: &'static str,
    /// Where the work waits.
    pub table: Table,
    /// The database of the table.
    pub database: Database,
    /// Rows of one attempt.
    pub batch: usize,
    /// Attempts under way at the same time.
    pub at_once: usize,
    /// Rows claimed at once. More than can be begun at once make claims cheaper; they wait in this process.
    pub claimed: usize,
    /// The longest that an attempt takes.
    pub patience: Duration,
    /// How long a claim lasts: the time in which claimed rows wait, the patience and [`TIME_TO_RECORD`].
    pub lease: Duration,
    /// How often to look for what is due again, or was queued by another instance.
    pub poll: Duration,
    /// Told when something was queued here.
    pub woken: Arc<Notify>,
    /// While it is open nothing is claimed, and what is claimed and not begun is given back.
    pub circuit: Option<CircuitBreaker>,
}

impl WorkQueue {
    /// Works until `shutdown`. Attempts that are under way then come to their end; what is only claimed is given back.
    ///
    /// `attempt` gets at most `batch` rows, works on them, and records each outcome or puts the row off. It fails where
    /// it could do neither: then its rows are due again when their lease ends, and nothing is claimed for a moment.
    pub async fn run<Work, Attempt, Fut, E>(self, attempt: Attempt, shutdown: CancellationToken)
    where
        Work: for<'r> FromRow<'r, PgRow> + Send + Sync + 'static,
        Attempt: Fn(Vec<Claimed<Work>>) -> Fut + Send,
        Fut: Future<Output = Result<(), E>> + Send + 'static,
        E: Display + Send + 'static,
    {
        let (waiting, at_work) = (VecDeque::new(), JoinSet::new());
        Worker { queue: self, attempt, waiting, at_work, claims_fail: false, attempts_fail: false }.run(shutdown).await;
    }

    fn permits(&self) -> usize {
        self.circuit.as_ref().map_or(self.at_once, |circuit| circuit.permits(self.at_once))
    }

    fn shut_for(&self) -> Duration {
        self.circuit.as_ref().map(CircuitBreaker::remaining).unwrap_or_default()
    }
}

/// A queue at work.
struct Worker<Work, Attempt, E> {
    queue: WorkQueue,
    attempt: Attempt,
    /// Claimed, not begun.
    waiting: VecDeque<Claimed<Work>>,
    /// None comes of an attempt that did not end in time.
    at_work: JoinSet<Option<Result<(), E>>>,
    // The log tells of failures when they begin and when they are over.
    claims_fail: bool,
    attempts_fail: bool,
}

impl<Work, Attempt, Fut, E> Worker<Work, Attempt, E>
where
    Work: for<'r> FromRow<'r, PgRow> + Send + Sync + 'static,
    Attempt: Fn(Vec<Claimed<Work>>) -> Fut + Send,
    Fut: Future<Output = Result<(), E>> + Send + 'static,
    E: Display + Send + 'static,
{
    async fn run(mut self, shutdown: CancellationToken) {
        let (poll, woken) = (self.queue.poll, self.queue.woken.clone());
        let (mut look, mut next_look) = (true, Instant::now());
        while !shutdown.is_cancelled() {
            let permits = self.queue.permits();
            if permits == 0 {
                self.give_back().await;
            }
            if look && self.waiting.is_empty() && self.at_work.len() < permits {
                look = self.claim(permits).await;
                next_look = Instant::now() + poll;
            }
            self.begin(permits);
            let idle = self.waiting.is_empty() && permits > 0;
            tokio::select! {
                () = woken.notified(), if idle => look = true,
                Some(ended) = self.at_work.join_next() => {
                    look = self.ended(ended);
                    if !look {
                        next_look = Instant::now() + poll;
                    }
                }
                () = tokio::time::sleep_until(next_look), if idle => {
                    look = true;
                    next_look = Instant::now() + poll;
                }
                () = tokio::time::sleep(self.queue.shut_for()), if permits == 0 => look = true,
                () = shutdown.cancelled() => {}
            }
        }
        self.give_back().await;
        while let Some(ended) = self.at_work.join_next().await {
            self.ended(ended);
        }
    }

    /// Claims what is due; gives whether more may be.
    async fn claim(&mut self, permits: usize) -> bool {
        let WorkQueue { table, database, batch, at_once, claimed, lease, .. } = &self.queue;
        // One attempt is enough while the other side may still be away.
        let wanted = if permits < *at_once { *batch } else { *claimed };
        let rows = answered(async {
            // The lease begins once there is a connection: waiting for one must not use it up.
            let mut conn = database.hold().await?;
            let rows = table.claim(&mut conn, wanted, *lease).await;
            conn.give_back();
            rows
        });
        let rows = rows.await;
        tell(self.queue.name, "claims", &mut self.claims_fail, rows.as_ref().err());
        self.waiting.extend(rows.unwrap_or_default());
        self.waiting.len() == wanted
    }

    /// Begins as many attempts as may be under way. None whose lease could end before its outcome is recorded: those rows
    /// are due again by themselves.
    fn begin(&mut self, permits: usize) {
        let latest = Instant::now() + self.queue.patience + TIME_TO_RECORD / 2;
        while self.at_work.len() < permits && !self.waiting.is_empty() {
            let batch = self.queue.batch.min(self.waiting.len());
            let rows: Vec<_> = self.waiting.drain(..batch).filter(|row| row.ends >= latest).collect();
            if rows.len() < batch {
                let late = batch - rows.len();
                tracing::warn!(
                    queue = self.queue.name,
                    late,
                    "claimed too slowly; they are due again when the lease ends"
                );
            }
            if !rows.is_empty() {
                // One that hangs would hold its place for ever; its rows are due again by then.
                let attempt = tokio::time::timeout(self.queue.patience + PATIENCE, (self.attempt)(rows));
                self.at_work.spawn(async move { attempt.await.ok() });
            }
        }
    }

    /// Gives whether to look for more at once: what had to wait for these rows may be due now.
    fn ended(&mut self, ended: Result<Option<Result<(), E>>, JoinError>) -> bool {
        match ended {
            Ok(None) => {
                tracing::error!(queue = self.queue.name, "an attempt did not end in time; its work is due again");
                false
            }
            Ok(Some(outcome)) => {
                tell(self.queue.name, "attempts", &mut self.attempts_fail, outcome.as_ref().err());
                outcome.is_ok()
            }
            Err(panic) => {
                let error = panic.to_string();
                tracing::error!(queue = self.queue.name, error, "an attempt was lost; its work is due again later");
                false
            }
        }
    }

    /// Makes what is claimed and not begun due again, for any instance that can work on it.
    async fn give_back(&mut self) {
        let WorkQueue { table, database, name, .. } = &self.queue;
        let rows: Vec<_> = self.waiting.drain(..).collect();
        if rows.is_empty() {
            return;
        }
        let giving_back = answered(async {
            let mut conn = database.hold().await?;
            let outcome = table.give_back(&mut *conn, &rows).await;
            conn.give_back();
            outcome
        });
        if let Err(error) = giving_back.await {
            tracing::warn!(queue = name, %error, "claimed work cannot be given back; it is due again later");
        }
    }
}

/// What the database answers, if it does in time.
async fn answered<T>(asking: impl Future<Output = Result<T, sqlx::Error>>) -> Result<T, sqlx::Error> {
    tokio::time::timeout(PATIENCE, asking).await.unwrap_or(Err(sqlx::Error::PoolTimedOut))
}

fn tell(queue: &str, what: &str, failing: &mut bool, error: Option<&impl Display>) {
    match (std::mem::replace(failing, error.is_some()), error) {
        (false, Some(error)) => tracing::warn!(queue, %error, "{what} fail, and are tried again"),
        (true, None) => tracing::info!(queue, "{what} work again"),
        _ => {}
    }
}
