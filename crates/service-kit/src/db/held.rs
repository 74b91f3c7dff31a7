//! A connection for background work, which may be broken off at any moment.

use super::Database;
use sqlx::pool::PoolConnection;
use sqlx::{PgConnection, Postgres};
use std::ops::{Deref, DerefMut};
use std::time::{Duration, Instant};

/// How long PostgreSQL may take for a transaction in the background before its connection is closed. Each statement has 10 s.
/// A server whose host vanished says nothing for a quarter of an hour, or for ever.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// How long a connection that is given back may take to answer before it is closed.
const SIGN_OF_LIFE: Duration = Duration::from_secs(5);

/// A connection that is closed when it is dropped, unless [`Self::give_back`] was called: it may be in the middle of anything.
#[derive(Debug)]
pub(crate) struct Held {
    conn: PoolConnection<Postgres>,
    is_done: bool,
}

impl Database {
    /// A connection of the pool.
    pub(crate) async fn hold(&self) -> Result<Held, sqlx::Error> {
        let since = Instant::now();
        let conn = self.pool.acquire().await;
        super::acquired(since);
        Ok(Held { conn: conn?, is_done: false })
    }
}

impl Held {
    /// Gives it back to the pool: PostgreSQL has answered everything.
    pub(crate) fn give_back(mut self) {
        self.is_done = true;
        // The pool asks for a sign of life first, and would wait for it without end.
        tokio::spawn(tokio::time::timeout(SIGN_OF_LIFE, self.conn.return_to_pool()));
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        if !self.is_done {
            // The pool would wait for its answer, and lack a connection meanwhile.
            self.conn.close_on_drop();
        }
    }
}

impl Deref for Held {
    type Target = PgConnection;

    fn deref(&self) -> &PgConnection {
        &self.conn
    }
}

impl DerefMut for Held {
    fn deref_mut(&mut self) -> &mut PgConnection {
        &mut self.conn
    }
}
