//! Work that is done again and again in the background.

use crate::access::tokens::expire_revocations;
use crate::db::Database;
use crate::idempotency::IdempotencyKeys;
use crate::inbox::Inbox;
use crate::outbox::Outbox;
use crate::panics::caught;
use crate::portions::in_portions;
use crate::schema::Schema;
use std::fmt::Display;
use std::future::Future;
use std::time::Duration;
use time::OffsetDateTime;
use tokio_util::sync::CancellationToken;

/// Runs `job` after `first` and then every `pause`, until `shutdown`. A failure is logged when it begins and when it is
/// over.
pub async fn every<Job, Fut, E>(
    name: &'static str,
    first: Duration,
    pause: Duration,
    shutdown: CancellationToken,
    job: Job,
) where
    Job: Fn() -> Fut + Send,
    Fut: Future<Output = Result<(), E>> + Send,
    E: Display,
{
    let (mut failing, mut wait) = (false, first);
    while shutdown.run_until_cancelled(tokio::time::sleep(wait)).await.is_some() {
        wait = pause;
        match caught(job()).await.and_then(|outcome| outcome.map_err(|error| error.to_string())) {
            Ok(()) if failing => {
                tracing::info!(job = name, "works again");
                failing = false;
            }
            Err(error) if !failing => {
                tracing::warn!(job = name, %error, "failed, will be tried again");
                failing = true;
            }
            Ok(()) | Err(_) => {}
        }
    }
}

/// How often the database, the outbox and the pool are measured.
const MEASURE_EVERY: Duration = Duration::from_secs(5);

/// Shows in the metrics whether the database is there, what waits in the outbox and how the connections are used, until
/// `shutdown`.
pub async fn measure(database: Database, outbox: Outbox, shutdown: CancellationToken) {
    let job = || async {
        let answers = database.ping().await.is_ok();
        metrics::gauge!("database_up").set(f64::from(u8::from(answers)));
        let idle = u32::try_from(database.idle()).unwrap_or(u32::MAX);
        let used = database.pool().size().saturating_sub(idle);
        metrics::gauge!("database_connections", "state" => "used").set(f64::from(used));
        metrics::gauge!("database_connections", "state" => "idle").set(f64::from(idle));
        metrics::gauge!("outbox_waiting").set(outbox.waiting(database.pool()).await? as f64);
        let oldest = outbox.oldest(database.pool()).await?;
        let age = oldest.map_or(0.0, |written| (OffsetDateTime::now_utc() - written).as_seconds_f64().max(0.0));
        metrics::gauge!("outbox_oldest_seconds").set(age);
        Ok::<_, sqlx::Error>(())
    };
    every("measure the outbox", Duration::ZERO, MEASURE_EVERY, shutdown, job).await;
}

/// How often old rows are looked for.
const FORGET_EVERY: Duration = Duration::from_secs(3600);

/// Forgets answers that were kept for a day, events that were dealt with a week ago, and revocations of which no token is
/// left, at once and every hour until `shutdown`. Each by itself: a table that cannot be worked on keeps the others from nothing.
pub async fn forget_old_rows(database: Database, schema: Schema, shutdown: CancellationToken) {
    let pool = database.pool();
    let keys = || in_portions(move || IdempotencyKeys(schema).expire(pool));
    let events = || in_portions(move || Inbox(schema).expire(pool));
    // There are few of them.
    let revocations = || async move { expire_revocations(&mut *pool.acquire().await?, schema).await };
    tokio::join!(
        forget("forget old keys", &shutdown, keys),
        forget("forget old events", &shutdown, events),
        forget("forget old revocations", &shutdown, revocations),
    );
}

async fn forget<Job, Fut>(name: &'static str, shutdown: &CancellationToken, job: Job)
where
    Job: Fn() -> Fut + Send + Sync,
    Fut: Future<Output = Result<u64, sqlx::Error>> + Send,
{
    let job = || async {
        // A backlog takes its time, for which the end of the service does not wait.
        let Some(rows) = shutdown.run_until_cancelled(job()).await else { return Ok(()) };
        tracing::debug!(job = name, rows = rows?, "forgot old rows");
        Ok::<_, sqlx::Error>(())
    };
    every(name, Duration::ZERO, FORGET_EVERY, shutdown.clone(), job).await;
}
