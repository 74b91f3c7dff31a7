//! EDGE: what is done again and again: settling stock that is held without an order, and placing accepted orders.

use crate::orders::customer_keys;
use crate::orders::error::Error;
use crate::orders::placing::accepted;
use crate::orders::state::Orders;
use crate::orders::store::{self, accepted as waiting};
use service_kit::workers::Workers;
use shared_types::reservations::Reservation;
use shared_types::{OrderStatus, Reference};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use time::OffsetDateTime;
use uuid::Uuid;

/// How often it is counted what waits to be placed.
const COUNT_EVERY: Duration = Duration::from_secs(5);

/// How often orders of an earlier build are looked for that lack the key of their customer.
const COMPLETE_EVERY: Duration = Duration::from_secs(60);

/// Starts the jobs.
pub fn jobs(workers: &Workers, orders: &Arc<Orders>) {
    let pause = Duration::from_secs(orders.config.settle_interval_seconds.into());
    let settling = orders.clone();
    workers.every("settle reservations", pause, move || settle_reservations(settling.clone()));
    let counting = orders.clone();
    workers.every("count accepted orders", COUNT_EVERY, move || count_waiting(counting.clone()));
    let completing = orders.clone();
    workers.every("complete customers of orders", COMPLETE_EVERY, move || {
        let orders = completing.clone();
        async move { customer_keys::complete(&orders.db).await }
    });
    workers.spawn(accepted::run(orders.clone(), workers.token()));
}

/// Commits what is held for an order that is placed, and gives back what is held for none. Stock of an order that is
/// only accepted goes back as well: it is held anew when the order is placed.
///
/// A reservation that has expired can get no order any more: placement refuses to write one well before. Those
/// that are being written at this moment are waited for, so a slow placement and this job cannot both win.
async fn settle_reservations(orders: Arc<Orders>) -> Result<(), Error> {
    let window = time::Duration::seconds(orders.config.reservation_window_seconds.into());
    let now = OffsetDateTime::now_utc();
    let held = orders.inventory.held_before(now - window).await?;
    let expired: Vec<Reservation> = held.into_iter().filter(|reservation| reservation.expires_at <= now).collect();
    if expired.is_empty() {
        return Ok(());
    }
    let statuses = final_statuses(&orders, &expired).await?;
    let mut failure = Ok(());
    for reservation in &expired {
        let wanted = matches!(statuses.get(&reservation.id), Some(status) if *status != OrderStatus::Cancelled);
        // One that cannot be settled must not keep those behind it from it.
        failure = failure.and(settle(&orders, reservation.id, wanted).await);
    }
    failure
}

async fn settle(orders: &Orders, reference: Reference, wanted: bool) -> Result<(), Error> {
    let (settled, outcome) = if wanted {
        (orders.inventory.commit(reference).await?, "committed")
    } else {
        (orders.inventory.release(reference).await?, "released")
    };
    if settled {
        tracing::info!(reservation = %reference, outcome, "settled a reservation that had expired");
        metrics::counter!("reservations_settled_total", "outcome" => outcome).increment(1);
    }
    Ok(())
}

async fn final_statuses(
    orders: &Orders,
    reservations: &[Reservation],
) -> Result<HashMap<Reference, OrderStatus>, Error> {
    let references: Vec<Uuid> = reservations.iter().map(|reservation| reservation.id.0).collect();
    let mut transaction = orders.db.begin().await?;
    store::wait_for_writers(&mut transaction).await?;
    let statuses = store::statuses(&mut transaction, &references).await?;
    orders.db.commit(transaction).await?;
    Ok(statuses)
}

async fn count_waiting(orders: Arc<Orders>) -> Result<(), Error> {
    let waiting = waiting::count(&mut *orders.db.pool().acquire().await?).await?;
    metrics::gauge!("async_placements_waiting").set(waiting as f64);
    Ok(())
}
