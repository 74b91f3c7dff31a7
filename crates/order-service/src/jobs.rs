//! EDGE: what is done again and again: settling stock that is held without an order, and placing accepted orders.

use crate::SCHEMA;
use crate::app::App;
use crate::async_placements;
use crate::config::Config;
use crate::domain::notifications::Channel;
use crate::error::Error;
use crate::notification_dispatch;
use crate::store::notifications::queue;
use crate::store::orders::{self, pending};
use service_kit::jobs;
use service_kit::shutdown::Shutdown;
use shared_types::reservations::Reservation;
use shared_types::{OrderStatus, Reference};
use std::collections::HashMap;
use std::time::Duration;
use time::OffsetDateTime;
use uuid::Uuid;

/// How often it is counted what waits to be placed.
const COUNT_EVERY: Duration = Duration::from_secs(5);

/// Starts the jobs.
pub fn start(app: &App, config: &Config, shutdown: &Shutdown) {
    let pause = Duration::from_secs(config.settle_interval_seconds.into());
    let window = time::Duration::seconds(config.reservation_window_seconds.into());
    every("settle reservations", pause, app, shutdown, move |app| settle_reservations(app, window));
    every("count accepted orders", COUNT_EVERY, app, shutdown, count_waiting);
    every("count queued messages", COUNT_EVERY, app, shutdown, count_queued);
    shutdown.spawn(jobs::forget_old_rows(app.db.clone(), SCHEMA, shutdown.token()));
    for route in &app.outbound.routes {
        let delays = config.broker.retry_delays_ms.clone();
        shutdown.spawn(notification_dispatch::run(app.clone(), route.clone(), delays, shutdown.clone()));
    }
    shutdown.spawn(async_placements::run(app.clone(), config.inventory_timeout(), shutdown.clone()));
}

fn every<Work>(
    name: &'static str,
    pause: Duration,
    app: &App,
    shutdown: &Shutdown,
    job: impl Fn(App) -> Work + Send + 'static,
) where
    Work: Future<Output = Result<(), Error>> + Send + 'static,
{
    let app = app.clone();
    shutdown.spawn(jobs::every(name, pause, pause, shutdown.token(), move || job(app.clone())));
}

/// Commits what is held for an order that is placed, and gives back what is held for none. Stock of an order that is
/// only accepted goes back as well: it is held anew when the order is placed.
///
/// A reservation that has expired can get no order any more: placement refuses to write one well before. Those
/// that are being written at this moment are waited for, so a slow placement and this job cannot both win.
async fn settle_reservations(app: App, window: time::Duration) -> Result<(), Error> {
    let now = OffsetDateTime::now_utc();
    let held = app.inventory.held_before(now - window).await?;
    let expired: Vec<Reservation> = held.into_iter().filter(|reservation| reservation.expires_at <= now).collect();
    if expired.is_empty() {
        return Ok(());
    }
    let statuses = final_statuses(&app, &expired).await?;
    let mut failure = Ok(());
    for reservation in &expired {
        let wanted = matches!(statuses.get(&reservation.id), Some(status) if *status != OrderStatus::Cancelled);
        // One that cannot be settled must not keep those behind it from it.
        failure = failure.and(settle(&app, reservation.id, wanted).await);
    }
    failure
}

async fn settle(app: &App, reference: Reference, wanted: bool) -> Result<(), Error> {
    let (settled, outcome) = if wanted {
        (app.inventory.commit(reference).await?, "committed")
    } else {
        (app.inventory.release(reference).await?, "released")
    };
    if settled {
        tracing::info!(reservation = %reference, outcome, "settled a reservation that had expired");
        metrics::counter!("reservations_settled_total", "outcome" => outcome).increment(1);
    }
    Ok(())
}

async fn final_statuses(app: &App, reservations: &[Reservation]) -> Result<HashMap<Reference, OrderStatus>, Error> {
    let references: Vec<Uuid> = reservations.iter().map(|reservation| reservation.id.0).collect();
    let mut transaction = app.db.begin().await?;
    orders::wait_for_writers(&mut transaction).await?;
    let statuses = orders::statuses(&mut transaction, &references).await?;
    app.db.commit(transaction).await?;
    Ok(statuses)
}

async fn count_waiting(app: App) -> Result<(), Error> {
    let waiting = pending::count(&mut *app.db.pool().acquire().await?).await?;
    metrics::gauge!("async_placements_waiting").set(waiting as f64);
    Ok(())
}

/// Also of channels that are not set up any more: what they were to send still waits.
async fn count_queued(app: App) -> Result<(), Error> {
    let mut conn = app.db.pool().acquire().await?;
    for channel in Channel::ALL {
        let waiting = queue::count_queued(&mut conn, *channel).await?;
        metrics::gauge!("notifications_queued", "channel" => channel.as_str()).set(waiting.count as f64);
        metrics::gauge!("notifications_oldest_queued_seconds", "channel" => channel.as_str())
            .set(waiting.oldest_seconds as f64);
    }
    Ok(())
}
