//! The connection of a read.

use sqlx::pool::PoolConnection;
use sqlx::{PgConnection, Postgres};
use std::ops::{Deref, DerefMut};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// A connection to read on, to the replica or to the primary. A read owns it: a future that borrowed it could not be sent to
/// another thread.
#[derive(Debug)]
pub struct ReadConnection {
    conn: PoolConnection<Postgres>,
    given_up: Arc<AtomicBool>,
}

impl ReadConnection {
    /// Where `given_up` is set, the connection stands in the middle of a statement when it is dropped, and is closed.
    pub(super) fn new(conn: PoolConnection<Postgres>, given_up: Arc<AtomicBool>) -> Self {
        Self { conn, given_up }
    }
}

impl Deref for ReadConnection {
    type Target = PgConnection;

    fn deref(&self) -> &PgConnection {
        &self.conn
    }
}

impl DerefMut for ReadConnection {
    fn deref_mut(&mut self) -> &mut PgConnection {
        &mut self.conn
    }
}

impl Drop for ReadConnection {
    fn drop(&mut self) {
        if self.given_up.load(Ordering::Relaxed) {
            self.conn.close_on_drop();
        }
    }
}
