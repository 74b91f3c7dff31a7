//! EDGE: the batch behind `POST /api/orders`: one call to inventory-service and one transaction for many orders.

use crate::commands::orders::place;
use crate::commands::orders::write::Wanted;
use crate::error::Error;
use crate::failure_point;
use crate::inventory_client::InventoryClient;
use crate::placement_requests::{Outcomes, Placement, Queue, Turn, Twins};
use service_kit::batcher::{Batcher, Limits};
use service_kit::db::Database;
use shared_types::reservations::ReservationRequest;
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
    let requests = placements
        .iter()
        .map(|placement| ReservationRequest { id: placement.reference, items: placement.order.lines.clone() })
        .collect();
    failure_point::reached("before-reserve").await;
    let reservations = inventory.reserve(requests, first.traceparent.as_deref()).await?;
    failure_point::reached("after-reserve").await;
    let mut outcomes = HashMap::new();
    let mut reserved: Vec<Wanted<'_>> = Vec::new();
    for (placement, reservation) in placements.iter().zip(reservations) {
        match reservation {
            Ok(reservation) => reserved.push(placement.wanted(Some(reservation))),
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
    outcomes.extend(answers.into_iter().map(|(reference, answer)| (reference, Ok(answer))));
    Ok(outcomes)
}
