//! The connection of a read.

use sqlx::pool::PoolConnection;
use sqlx::{PgConnection, Postgres};
use std::ops::{Deref, DerefMut};
use std::sync::Arc;
use tokio::sync::{Mutex, OwnedMutexGuard};

/// A connection to read on, to the replica or to the primary. A read owns it: a future that borrowed it could not be sent to
/// another thread.
#[derive(Debug)]
pub struct ReadConnection(OwnedMutexGuard<PoolConnection<Postgres>>);

/// A connection that is lent to a read, and is there again once the read is over.
#[derive(Debug)]
pub(super) struct Lent(Arc<Mutex<PoolConnection<Postgres>>>);

impl Lent {
    pub fn new(conn: PoolConnection<Postgres>) -> Self {
        Self(Arc::new(Mutex::new(conn)))
    }

    /// The connection for the read. Asked for once.
    pub async fn lend(&self) -> ReadConnection {
        ReadConnection(self.0.clone().lock_owned().await)
    }

    /// The connection, where the read has dropped it.
    pub fn back(self) -> Option<PoolConnection<Postgres>> {
        Arc::into_inner(self.0).map(Mutex::into_inner)
    }
}

impl Deref for ReadConnection {
    type Target = PgConnection;

    fn deref(&self) -> &PgConnection {
        &self.0
    }
}

impl DerefMut for ReadConnection {
    fn deref_mut(&mut self) -> &mut PgConnection {
        &mut self.0
    }
}
