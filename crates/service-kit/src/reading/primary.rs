//! Asks the primary how far its log has come. Those who ask at once share a statement, on a connection that is not the
//! pool's: a full pool must not make the replica look late.

use super::Position;
use crate::batcher::{Batcher, Blame, Limits};
use sqlx::postgres::PgConnectOptions;
use sqlx::{Connection, PgConnection};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Mutex;

/// Those who ask wait here.
pub(super) type Positions = Batcher<(), Position, sqlx::Error>;

/// How long the primary may take to answer.
const PATIENCE: Duration = Duration::from_secs(1);

const LIMITS: Limits = Limits { batch: 1024, waiting: 4096, concurrency: 1, linger: Duration::ZERO };

/// Starts the queue.
pub(super) fn start(options: PgConnectOptions) -> Positions {
    let shared = Arc::new((options, Mutex::new(None)));
    let work = move |batch: Arc<[()]>| {
        let shared = shared.clone();
        async move {
            let (options, kept) = &*shared;
            let asking = tokio::time::timeout(PATIENCE, ask(options, kept));
            let position = asking.await.map_err(|_| sqlx::Error::PoolTimedOut)??;
            Ok(vec![position; batch.len()])
        }
    };
    Batcher::start("positions", LIMITS, work, |_| Blame::Everybody)
}

/// On the kept connection, or on a new one where that has broken.
async fn ask(options: &PgConnectOptions, kept: &Mutex<Option<PgConnection>>) -> Result<Position, sqlx::Error> {
    let mut kept = kept.lock().await;
    // Out of its place while it is used: who is broken off here leaves none behind.
    if let Some(mut conn) = kept.take()
        && let Ok(position) = position(&mut conn).await
    {
        *kept = Some(conn);
        return Ok(position);
    }
    let mut conn = PgConnection::connect_with(options).await?;
    let position = position(&mut conn).await?;
    *kept = Some(conn);
    Ok(position)
}

/// Fails on a server that is no primary.
async fn position(conn: &mut PgConnection) -> Result<Position, sqlx::Error> {
    let sql = "SELECT (pg_current_wal_insert_lsn() - '0/0')::bigint";
    sqlx::query_scalar(sql).fetch_one(conn).await.map(Position::at)
}
