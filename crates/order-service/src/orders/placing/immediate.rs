//! EDGE: the batch behind `POST /api/orders`: one call to inventory-service and one transaction for many orders.

use crate::failure_point;
use crate::orders::commands::place;
use crate::orders::commands::write::Wanted;
use crate::orders::error::Error;
use crate::orders::inventory::client::InventoryClient;
use crate::orders::placing::requests::{Outcomes, Placement, Queue, Turn, Twins};
use service_kit::batcher::{Batcher, Limits};
use service_kit::db::Database;
use shared_types::Reference;
use shared_types::reservations::{Reservation, ReservationRequest};
use std::collections::HashMap;
use std::sync::Arc;
use time::OffsetDateTime;

/// Starts the batcher.
pub fn start(limits: Limits, db: Database, inventory: InventoryClient) -> Queue {
    let work = move |batch: Arc<[Placement]>| {
        let (db, inventory) = (db.clone(), inventory.clone());
        async move { place_batch(&db, &inventory, &batch).await }
    };
    Batcher::start("placements", limits, work, Error::blame)
}

/// Places a batch; gives each request its own answer, in order.
async fn place_batch(
    db: &Database,
    inventory: &InventoryClient,
    batch: &[Placement],
) -> Result<Vec<Result<Turn, Error>>, Error> {
    let twins = Twins::of(db, batch).await?;
    let outcomes = reserve_and_write(db, inventory, &twins.first).await?;
    twins.answers(db, outcomes).await
}

/// Holds the stock for all, then writes those that got theirs. Left out is what could not be written.
async fn reserve_and_write(
    db: &Database,
    inventory: &InventoryClient,
    placements: &[&Placement],
) -> Result<Outcomes, Error> {
    let Some(first) = placements.first() else { return Ok(HashMap::new()) };
    let requests = placements.iter().map(|placement| request(placement, placement.reference)).collect();
    failure_point::reached("before-reserve").await;
    let mut reservations = inventory.reserve(requests, first.traceparent.as_deref()).await?;
    failure_point::reached("after-reserve").await;
    find_neighbours(inventory, placements, &mut reservations).await;
    let mut outcomes = HashMap::new();
    let (mut reserved, mut written_as): (Vec<Wanted<'_>>, HashMap<_, _>) = Default::default();
    for (placement, reservation) in placements.iter().zip(reservations) {
        match reservation {
            Ok(reservation) => {
                written_as.insert(reservation.id, placement.reference);
                reserved.push(placement.wanted(Some(reservation)));
            }
            Err(error) => {
                outcomes.insert(placement.reference, Err(Arc::new(error)));
            }
        }
    }
    if reserved.is_empty() {
        return Ok(outcomes);
    }
    let mut transaction = db.begin().await?;
    let answers = place::place(&mut transaction, OffsetDateTime::now_utc(), &reserved).await?;
    failure_point::reached("before-commit").await;
    db.commit(transaction).await?;
    failure_point::reached("after-commit").await;
    outcomes.extend(answers.into_iter().filter_map(|(id, answer)| Some((*written_as.get(&id)?, Ok(answer)))));
    Ok(outcomes)
}

fn request(placement: &Placement, reference: Reference) -> ReservationRequest {
    ReservationRequest { id: reference, items: placement.order.lines.clone() }
}

/// Asks again, under the reference of the nearest other hour, for those that were refused: a twin that came in that hour
/// may be at work, or have been broken off, with the last pieces in hand.
async fn find_neighbours(
    inventory: &InventoryClient,
    placements: &[&Placement],
    reservations: &mut [Result<Reservation, Error>],
) {
    let of = |placement: &&Placement| Some(request(placement, placement.neighbour?));
    let (mut refused, mut requests) = (Vec::new(), Vec::new());
    for (placement, outcome) in placements.iter().zip(reservations) {
        if let (Err(Error::InsufficientStock { .. } | Error::UnknownProduct(_)), Some(request)) =
            (&*outcome, of(placement))
        {
            refused.push(outcome);
            requests.push(request);
        }
    }
    if requests.is_empty() {
        return;
    }
    match inventory.reserve(requests, None).await {
        Ok(outcomes) => refused.into_iter().zip(outcomes).for_each(|(outcome, found)| *outcome = found),
        Err(error) => {
            let error = Arc::new(error);
            refused.into_iter().for_each(|outcome| *outcome = Err(Error::Batch(error.clone())));
        }
    }
}
