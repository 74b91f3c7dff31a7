//! EDGE: the batch behind `POST /api/orders`: one call to inventory-service and one transaction for many orders.

use crate::failure_point;
use crate::orders::commands::place;
use crate::orders::commands::write::Placement;
use crate::orders::domain::total;
use crate::orders::error::Error;
use crate::orders::inventory::client::InventoryClient;
use crate::orders::placing::requests::{Answers, Duplicates, PlacementQueue, PlacementRequest, Reply};
use crate::payments::{self, Payments};
use service_kit::answer::Answer;
use service_kit::batcher::{Batcher, Limits};
use service_kit::db::Database;
use shared_types::Reference;
use shared_types::reservations::{Reservation, ReservationRequest};
use std::collections::HashMap;
use std::sync::Arc;
use time::OffsetDateTime;
use tokio::task::JoinSet;

/// Starts the batcher.
pub fn start(limits: Limits, db: Database, inventory: InventoryClient, payments: Arc<Payments>) -> PlacementQueue {
    let work = move |batch: Arc<[PlacementRequest]>| {
        let (db, inventory, payments) = (db.clone(), inventory.clone(), payments.clone());
        async move { place_batch(&db, &inventory, &payments, &batch).await }
    };
    Batcher::start("placements", limits, work, Error::blame)
}

/// Places a batch; gives each request its own answer, in order.
async fn place_batch(
    db: &Database,
    inventory: &InventoryClient,
    payments: &Payments,
    batch: &[PlacementRequest],
) -> Result<Vec<Result<Reply, Error>>, Error> {
    let duplicates = Duplicates::of(db, batch).await?;
    let outcomes = reserve_and_write(db, inventory, payments, &duplicates.first).await?;
    duplicates.answers(db, outcomes).await
}

/// Holds the stock for all, then writes those that got theirs. Left out is what could not be written.
async fn reserve_and_write(
    db: &Database,
    inventory: &InventoryClient,
    payments: &Payments,
    requests: &[&PlacementRequest],
) -> Result<Answers, Error> {
    if requests.is_empty() {
        return Ok(HashMap::new());
    }
    let stock = requests.iter().map(|request| reservation_request(request, request.reference)).collect();
    failure_point::reached("before-reserve").await;
    let mut reservations = inventory.reserve(stock, causes(requests)).await?;
    failure_point::reached("after-reserve").await;
    find_neighbours(inventory, requests, &mut reservations).await;
    let mut outcomes = HashMap::new();
    let (mut reserved, mut written_as): (Vec<Placement<'_>>, HashMap<_, _>) = Default::default();
    let mut unwanted = Vec::new();
    for (request, reservation) in requests.iter().zip(reservations) {
        let at_expected_prices = |reservation| at_expected_prices(request, payments, reservation, &mut unwanted);
        match reservation.and_then(at_expected_prices) {
            Ok(reservation) => {
                written_as.insert(reservation.id, request.reference);
                reserved.push(request.placement(Some(reservation), Some(payments)));
            }
            Err(error) => {
                outcomes.insert(request.reference, Err(Arc::new(error)));
            }
        }
    }
    let (written, ()) = tokio::join!(write(db, &reserved), give_back(inventory, unwanted));
    outcomes.extend(written?.into_iter().filter_map(|(id, answer)| Some((*written_as.get(&id)?, Ok(answer)))));
    Ok(outcomes)
}

async fn write(db: &Database, reserved: &[Placement<'_>]) -> Result<HashMap<Reference, Answer>, Error> {
    if reserved.is_empty() {
        return Ok(HashMap::new());
    }
    let mut transaction = db.begin().await?;
    let answers = place::place(&mut transaction, OffsetDateTime::now_utc(), reserved).await?;
    failure_point::reached("before-commit").await;
    db.commit(transaction).await?;
    failure_point::reached("after-commit").await;
    Ok(answers)
}

/// The reservation, if its prices are those that the customer was shown, and can be paid as is asked for; else its stock is
/// unwanted.
fn at_expected_prices(
    request: &PlacementRequest,
    payments: &Payments,
    reservation: Reservation,
    unwanted: &mut Vec<Reference>,
) -> Result<Reservation, Error> {
    if let Some(requested) = request.order.payment {
        let asked = payments.asked(requested, "payment.")?;
        if let Err(most) = asked.takes(total(&reservation)) {
            unwanted.push(reservation.id);
            return Err(payments::Error::TooLarge { provider: asked.provider, most }.into());
        }
    }
    match request.order.guard.as_ref().map(|guard| guard.check(&reservation)) {
        Some(Err(changed)) => {
            unwanted.push(reservation.id);
            Err(Error::TotalChanged(changed))
        }
        Some(Ok(())) | None => Ok(reservation),
    }
}

/// Gives stock back that no order is written for; settling does so where this fails. Before the client is answered: what it
/// sends next may hold stock under the same reference.
async fn give_back(inventory: &InventoryClient, unwanted: Vec<Reference>) {
    let mut releases = JoinSet::new();
    for reference in unwanted {
        let inventory = inventory.clone();
        releases.spawn(async move { (reference, inventory.release(reference).await) });
    }
    while let Some(release) = releases.join_next().await {
        if let Ok((reservation, Err(error))) = release {
            tracing::warn!(%reservation, %error, "unwanted stock is not given back yet");
        }
    }
}

/// The trace contexts of the requests.
fn causes<'a>(requests: &'a [&PlacementRequest]) -> impl Iterator<Item = Option<&'a str>> + Clone {
    requests.iter().map(|request| request.traceparent.as_deref())
}

fn reservation_request(request: &PlacementRequest, reference: Reference) -> ReservationRequest {
    ReservationRequest { id: reference, items: request.order.lines.clone() }
}

/// Asks again, under the reference of the nearest other hour, for those that were refused: a duplicate that came in that hour
/// may be at work, or have been broken off, with the last pieces in hand.
async fn find_neighbours(
    inventory: &InventoryClient,
    requests: &[&PlacementRequest],
    reservations: &mut [Result<Reservation, Error>],
) {
    let of = |request: &&PlacementRequest| Some(reservation_request(request, request.neighbour?));
    let (mut refused, mut again) = (Vec::new(), Vec::new());
    for (request, outcome) in requests.iter().zip(reservations) {
        if let (Err(Error::InsufficientStock { .. } | Error::UnknownProduct(_)), Some(wanted)) =
            (&*outcome, of(request))
        {
            refused.push(outcome);
            again.push(wanted);
        }
    }
    if again.is_empty() {
        return;
    }
    match inventory.reserve(again, causes(requests)).await {
        Ok(outcomes) => refused.into_iter().zip(outcomes).for_each(|(outcome, found)| *outcome = found),
        Err(error) => {
            let error = Arc::new(error);
            refused.into_iter().for_each(|outcome| *outcome = Err(Error::Batch(error.clone())));
        }
    }
}
