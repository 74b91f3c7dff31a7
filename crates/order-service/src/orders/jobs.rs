//! EDGE: what is done again and again: settling stock that is held without an order, and placing accepted orders.

use crate::orders::customer_keys;
use crate::orders::error::Error;
use crate::orders::inventory::client::HeldPage;
use crate::orders::measuring;
use crate::orders::paying;
use crate::orders::placing::accepted;
use crate::orders::reconciling;
use crate::orders::state::Orders;
use crate::orders::store::{self, accepted as waiting};
use crate::payments;
use service_kit::jobs;
use service_kit::portions::in_portions;
use service_kit::workers::Workers;
use shared_types::reservations::{MAX_BATCH, Reservation, Settlement};
use shared_types::{OrderStatus, Reference};
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;
use time::OffsetDateTime;
use uuid::Uuid;

/// Reservations for whose orders is looked at once: each look keeps the writers of orders waiting for a moment.
const LOOK: usize = 2000;

/// How often it is counted what waits to be placed, and what payments wait for.
const COUNT_EVERY: Duration = Duration::from_secs(5);

/// How often orders of an earlier build are looked for that lack the key of their customer.
const COMPLETE_EVERY: Duration = Duration::from_secs(60);

/// How often it is looked for what payment providers told long ago.
const FORGET_EVERY: Duration = Duration::from_secs(3600);

/// How often it is looked whether the books of a day are to be held against the payment providers'.
const RECONCILE_EVERY: Duration = Duration::from_secs(10);

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
    let forgetting = orders.clone();
    let forget = move || forget_events(forgetting.clone());
    let name = "forget what payment providers told";
    workers.spawn(jobs::every(name, Duration::ZERO, FORGET_EVERY, workers.token(), forget));
    let (measured, started) = (orders.clone(), OffsetDateTime::now_utc());
    workers.spawn(jobs::every("measure payments", Duration::ZERO, COUNT_EVERY, workers.token(), move || {
        measuring::measure(measured.clone(), started)
    }));
    let reconciled = orders.clone();
    workers.every("reconcile payments", RECONCILE_EVERY, move || reconciling::reconcile_days(reconciled.clone()));
    workers.spawn(accepted::run(orders.clone(), workers.token()));
    workers.spawn(paying::run(orders.clone(), workers.token()));
}

/// Commits what is held for an order that is placed, and gives back what is held for none. Stock of an order that is
/// only accepted goes back as well: it is held anew when the order is placed.
///
/// A reservation that has expired can get no order any more: placement refuses to write one well before. Those
/// that are being written at this moment are waited for, so a slow placement and this job cannot both win.
///
/// So does what somebody committed by hand and no order has claimed. Goes on until there are no more, the oldest first,
/// whatever their number.
async fn settle_reservations(orders: Arc<Orders>) -> Result<(), Error> {
    let window = time::Duration::seconds(orders.config.reservation_window_seconds.into());
    let now = OffsetDateTime::now_utc();
    let held = orders.inventory.held_before(now - window).await?;
    let failure = settle_pages(&orders, now, held).await;
    let unclaimed = orders.inventory.unclaimed_before(now - window).await?;
    failure.and(settle_pages(&orders, now, unclaimed).await)
}

/// Settles those whose term is over on this page and all that follow.
async fn settle_pages(orders: &Orders, now: OffsetDateTime, mut page: HeldPage) -> Result<(), Error> {
    let mut failure = Ok(());
    loop {
        let mut expired: Vec<Reservation> = Vec::new();
        let next = loop {
            expired.extend(page.reservations.into_iter().filter(|reservation| reservation.expires_at <= now));
            match page.next {
                Some(next) if expired.len() < LOOK => page = orders.inventory.next_held(&next).await?,
                next => break next,
            }
        };
        if !expired.is_empty() {
            let statuses = final_statuses(orders, &expired).await?;
            for batch in expired.chunks(MAX_BATCH) {
                // One that cannot be settled must not keep those behind it from it.
                failure = failure.and(settle_batch(orders, batch, &statuses).await);
            }
        }
        match next {
            Some(next) => page = orders.inventory.next_held(&next).await?,
            None => return failure,
        }
    }
}

/// Settles the reservations in one call. Where that fails, or inventory-service does not know it yet, one by one.
async fn settle_batch(
    orders: &Orders,
    batch: &[Reservation],
    statuses: &HashMap<Reference, OrderStatus>,
) -> Result<(), Error> {
    let is_wanted = |id: &Reference| matches!(statuses.get(id), Some(status) if *status != OrderStatus::Cancelled);
    let (commit, release): (Vec<Reference>, Vec<Reference>) = batch.iter().map(|held| held.id).partition(is_wanted);
    let settlement = Settlement { commit, release };
    match orders.inventory.settle_all(&settlement).await {
        Ok(Some(settled)) => {
            let settled: HashSet<Reference> = settled.settled.into_iter().collect();
            for (references, outcome) in [(&settlement.commit, "committed"), (&settlement.release, "released")] {
                references.iter().filter(|id| settled.contains(id)).for_each(|id| count_settled(*id, outcome));
            }
            return Ok(());
        }
        Ok(None) => {}
        Err(error) => tracing::debug!(%error, "these are settled one by one"),
    }
    let mut failure = Ok(());
    for (references, wanted) in [(&settlement.commit, true), (&settlement.release, false)] {
        for reference in references {
            failure = failure.and(settle(orders, *reference, wanted).await);
        }
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
        count_settled(reference, outcome);
    }
    Ok(())
}

fn count_settled(reference: Reference, outcome: &'static str) {
    tracing::info!(reservation = %reference, outcome, "settled a reservation that had expired");
    metrics::counter!("reservations_settled_total", "outcome" => outcome).increment(1);
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

async fn forget_events(orders: Arc<Orders>) -> Result<(), Error> {
    Ok(in_portions(|| payments::forget_events(orders.db.pool())).await.map(|_| ())?)
}

async fn count_waiting(orders: Arc<Orders>) -> Result<(), Error> {
    let waiting = waiting::count(&mut *orders.db.pool().acquire().await?).await?;
    metrics::gauge!("async_placements_waiting").set(waiting as f64);
    Ok(())
}
