//! EDGE: what is done again and again: sending what is queued, and counting what waits.

use super::dispatch;
use super::domain::Channel;
use super::state::Notifications;
use super::store::queue;
use crate::notifications::error::Error;
use service_kit::workers::Workers;
use std::sync::Arc;
use std::time::Duration;

/// How often it is counted what waits to be sent.
const COUNT_EVERY: Duration = Duration::from_secs(5);

/// Starts a dispatcher for each channel that is set up.
pub fn jobs(workers: &Workers, notifications: &Arc<Notifications>) {
    let counting = notifications.clone();
    workers.every("count queued messages", COUNT_EVERY, move || count_queued(counting.clone()));
    for route in &notifications.outbound.routes {
        workers.spawn(dispatch::run(notifications.clone(), route.clone(), workers.token()));
    }
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
