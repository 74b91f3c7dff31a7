//! The connections that reads at the primary go on: half of the pool at the most, so slow lists leave orders the other half.
//!
//! A connection goes from one read to the next. Given back to the pool, it would first be asked for a sign of life, which
//! takes a tenth of the time of a short read.

use super::ReadConnection;
use super::connection::Lent;
use crate::db;
use sqlx::pool::PoolConnection;
use sqlx::{PgPool, Postgres};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::Semaphore;

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

impl Readers {
    /// Half of those that a pool of so many connections serves.
    pub(crate) fn half_of(pool: u32) -> Self {
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

    /// Does the work on a connection, when it is its turn. Fails with `PoolTimedOut` where turn and connection together take longer
    /// than a connection may.
    pub(super) async fn read<T, Work>(
        &self,
        pool: &PgPool,
        work: impl FnOnce(ReadConnection) -> Work,
    ) -> Result<T, sqlx::Error>
    where
        Work: Future<Output = Result<T, sqlx::Error>>,
    {
        let beginning = async {
            let turn = self.turns.acquire().await.map_err(|_| sqlx::Error::PoolClosed)?;
            Ok::<_, sqlx::Error>((turn, self.connection(pool).await?))
        };
        let begun = tokio::time::timeout(pool.options().get_acquire_timeout(), beginning).await;
        let (_turn, (conn, since)) = begun.map_err(|_| sqlx::Error::PoolTimedOut)??;
        let lent = Lent::new(conn);
        let found = work(lent.lend().await).await?;
        if let Some(conn) = lent.back() {
            self.keep(conn, since);
        }
        Ok(found)
    }

    /// A connection, and since when it has been away from the pool.
    async fn connection(&self, pool: &PgPool) -> Result<(PoolConnection<Postgres>, Instant), sqlx::Error> {
        self.give_back_idle();
        let kept = self.shelf().pop();
        match kept {
            Some(kept) => Ok((kept.conn, kept.since)),
            None => Ok((pool.acquire().await?, Instant::now())),
        }
    }

    /// Gives connections back to the pool that nobody reads on, or that may lead to a server that was replaced: the pool looks at
    /// each before it gives it out again, and closes what is of no use.
    pub(crate) fn give_back_idle(&self) {
        self.shelf().retain(|kept| db::is_trusted(kept.idle_since.elapsed()));
    }

    /// Keeps a connection on which a read has ended well. One too many goes back to the pool.
    fn keep(&self, conn: PoolConnection<Postgres>, since: Instant) {
        let mut shelf = self.shelf();
        if since.elapsed() < RETURNS && shelf.len() < self.most_kept {
            shelf.push(Kept { conn, since, idle_since: Instant::now() });
        }
    }
}
