//! The connections that lists read on at the primary: half of the pool at the most, so slow lists leave orders the other half.
//!
//! A connection goes from one read to the next. Given back to the pool, it would first be asked for a sign of life, which
//! takes a tenth of the time of a short read.

use crate::db;
use sqlx::pool::PoolConnection;
use sqlx::{PgPool, Postgres};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::{Semaphore, SemaphorePermit};

/// Connections that are kept while nobody reads: others may need them.
const KEPT: usize = 2;

/// How long a connection goes from one read to the next before the pool sees it again, which renews old ones.
const RETURNS: Duration = Duration::from_mins(1);

/// Who reads, and the connections between two reads.
#[derive(Debug)]
pub(crate) struct Readers {
    turns: Semaphore,
    most_kept: usize,
    kept: Mutex<Vec<Kept>>,
}

/// A connection between two reads.
#[derive(Debug)]
struct Kept {
    conn: PoolConnection<Postgres>,
    /// Since when it has been away from the pool.
    since: Instant,
    /// When the last read on it was over.
    idle_since: Instant,
}

/// A connection to read on, and the right to.
#[derive(Debug)]
pub(super) struct Reading<'r> {
    pub conn: PoolConnection<Postgres>,
    pub since: Instant,
    /// Given back when this is dropped.
    pub _turn: SemaphorePermit<'r>,
}

impl Readers {
    /// Those of a pool of so many connections.
    pub fn of(pool: u32) -> Self {
        let pool = usize::try_from(pool).unwrap_or(usize::MAX).min(Semaphore::MAX_PERMITS);
        Self { turns: Semaphore::new((pool / 2).max(1)), most_kept: KEPT.min(pool / 4), kept: Mutex::default() }
    }

    /// How many connections wait for the next read.
    pub fn kept(&self) -> usize {
        self.shelf().len()
    }

    fn shelf(&self) -> MutexGuard<'_, Vec<Kept>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for a turn, and gives a connection. Fails with `PoolTimedOut` where the turn takes as long as a connection may.
    pub(super) async fn begin(&self, pool: &PgPool) -> Result<Reading<'_>, sqlx::Error> {
        let turn = tokio::time::timeout(pool.options().get_acquire_timeout(), self.turns.acquire()).await;
        let _turn = turn.ok().and_then(Result::ok).ok_or(sqlx::Error::PoolTimedOut)?;
        loop {
            let kept = self.shelf().pop();
            let Some(Kept { mut conn, since, idle_since }) = kept else { break };
            if matches!(db::is_usable(&mut conn, idle_since.elapsed()).await, Ok(true)) {
                return Ok(Reading { conn, since, _turn });
            }
            conn.close_on_drop();
        }
        Ok(Reading { conn: pool.acquire().await?, since: Instant::now(), _turn })
    }

    /// Keeps a connection on which a read has ended well. One too many goes back to the pool.
    pub(super) fn keep(&self, conn: PoolConnection<Postgres>, since: Instant) {
        let mut shelf = self.shelf();
        if since.elapsed() < RETURNS && shelf.len() < self.most_kept {
            shelf.push(Kept { conn, since, idle_since: Instant::now() });
        }
    }
}
