//! EDGE: the batch behind `POST /api/orders`: one call to inventory-service and one transaction for many orders.

use crate::failure_point;
use crate::orders::commands::place;
use crate::orders::commands::write::Placement;
use crate::orders::error::Error;
use crate::orders::inventory::client::InventoryClient;
use crate::orders::placing::requests::{Answers, Duplicates, PlacementQueue, PlacementRequest, Reply};
use service_kit::batcher::{Batcher, Limits};
use service_kit::db::Database;
use shared_types::Reference;
use shared_types::reservations::{Reservation, ReservationRequest};
use std::collections::HashMap;
use std::sync::Arc;
use time::OffsetDateTime;

/// Starts the batcher.
pub fn start(limits: Limits, db: Database, inventory: InventoryClient) -> PlacementQueue {
    let work = move |batch: Arc<[PlacementRequest]>| {
        let (db, inventory) = (db.clone(), inventory.clone());
        async move { place_batch(&db, &inventory, &batch).await }
    };
    Batcher::start("placements", limits, work, Error::blame)
}

/// Places a batch; gives each request its own answer, in order.
async fn place_batch(
    db: &Database,
    inventory: &InventoryClient,
    batch: &[PlacementRequest],
) -> Result<Vec<Result<Reply, Error>>, Error> {
    let duplicates = Duplicates::of(db, batch).await?;
    let outcomes = reserve_and_write(db, inventory, &duplicates.first).await?;
    duplicates.answers(db, outcomes).await
}

/// Holds the stock for all, then writes those that got theirs. Left out is what could not be written.
async fn reserve_and_write(
    db: &Database,
    inventory: &InventoryClient,
    requests: &[&PlacementRequest],
) -> Result<Answers, Error> {
    let Some(first) = requests.first() else { return Ok(HashMap::new()) };
    let stock = requests.iter().map(|request| reservation_request(request, request.reference)).collect();
    failure_point::reached("before-reserve").await;
    let mut reservations = inventory.reserve(stock, first.traceparent.as_deref()).await?;
    failure_point::reached("after-reserve").await;
    find_neighbours(inventory, requests, &mut reservations).await;
    let mut outcomes = HashMap::new();
    let (mut reserved, mut written_as): (Vec<Placement<'_>>, HashMap<_, _>) = Default::default();
    for (request, reservation) in requests.iter().zip(reservations) {
        match reservation {
            Ok(reservation) => {
                written_as.insert(reservation.id, request.reference);
                reserved.push(request.placement(Some(reservation)));
            }
            Err(error) => {
                outcomes.insert(request.reference, Err(Arc::new(error)));
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
    match inventory.reserve(again, None).await {
        Ok(outcomes) => refused.into_iter().zip(outcomes).for_each(|(outcome, found)| *outcome = found),
        Err(error) => {
            let error = Arc::new(error);
            refused.into_iter().for_each(|outcome| *outcome = Err(Error::Batch(error.clone())));
        }
    }
}
