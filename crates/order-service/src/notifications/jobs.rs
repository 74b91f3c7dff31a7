//! EDGE: what is done again and again: sending what is queued, counting what waits, and forgetting who was erased long ago.

use super::dispatch;
use super::domain::Channel;
use super::state::Notifications;
use super::store::{erasures, queue};
use crate::notifications::error::Error;
use crate::schema::SCHEMA;
use service_kit::dead_letters::DeadLetters;
use service_kit::jobs;
use service_kit::portions::in_portions;
use service_kit::workers::Workers;
use std::sync::Arc;
use std::time::Duration;

/// How often it is counted what waits to be sent.
const COUNT_EVERY: Duration = Duration::from_secs(5);

/// How often it is looked for erasures of long ago.
const FORGET_EVERY: Duration = Duration::from_secs(3600);

/// Starts a dispatcher for each channel that is set up, and what is done beside them.
pub fn jobs(workers: &Workers, notifications: &Arc<Notifications>) {
    let counting = notifications.clone();
    workers.every("count queued messages", COUNT_EVERY, move || count_queued(counting.clone()));
    let forgetting = notifications.clone();
    let forget = move || forget_erasures(forgetting.clone());
    workers.spawn(jobs::every("forget erasures", Duration::ZERO, FORGET_EVERY, workers.token(), forget));
    for route in &notifications.outbound.routes {
        workers.spawn(dispatch::run(notifications.clone(), route.clone(), workers.token()));
    }
}

/// A dead letter may be sent again whenever somebody likes.
async fn forget_erasures(app: Arc<Notifications>) -> Result<(), Error> {
    let pool = app.db.pool();
    let oldest = DeadLetters(SCHEMA).oldest_event(pool).await?;
    Ok(in_portions(|| erasures::forget(pool, oldest)).await.map(|_| ())?)
}

/// Also of channels that are not set up any more: what they were to send still waits.
async fn count_queued(app: Arc<Notifications>) -> Result<(), Error> {
    let mut conn = app.db.pool().acquire().await?;
    for channel in Channel::ALL {
        let waiting = queue::count_queued(&mut conn, *channel).await?;
        metrics::gauge!("notifications_queued", "channel" => channel.as_str()).set(waiting.count as f64);
        metrics::gauge!("notifications_oldest_queued_seconds", "channel" => channel.as_str())
            .set(waiting.oldest_seconds as f64);
    }
    Ok(())
}
