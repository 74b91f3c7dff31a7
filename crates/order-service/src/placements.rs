//! EDGE: the batch behind `POST /api/orders`: one call to inventory-service and one transaction for many orders.

use crate::IDEMPOTENCY;
use crate::commands::orders::place::{self, ROUTE, Reserved};
use crate::domain::orders::NewOrder;
use crate::error::Error;
use crate::failure_point;
use crate::inventory_client::InventoryClient;
use crate::store::orders;
use service_kit::answer::Answer;
use service_kit::batcher::{Batcher, Limits};
use service_kit::db::Database;
use service_kit::idempotency::{Fingerprint, IdempotencyKey, Kept};
use service_kit::telemetry;
use shared_types::Reference;
use shared_types::reservations::{Reservation, ReservationRequest};
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use time::OffsetDateTime;
use uuid::Uuid;

/// A request to place an order, as it waits in the queue.
#[derive(Clone, Debug)]
pub struct Placement {
    reference: Reference,
    order: NewOrder,
    key: Option<String>,
    fingerprint: Fingerprint,
    traceparent: Option<String>,
}

impl Placement {
    /// Requests with the same key get the same reference, so that they meet in one reservation and one order.
    pub fn new(order: NewOrder, key: IdempotencyKey, fingerprint: Fingerprint) -> Self {
        let reference = match &key.key {
            Some(key) => Reference::from_idempotency_key(ROUTE, key),
            None => Reference::random(),
        };
        Self { reference, order, key: key.key, fingerprint, traceparent: telemetry::current_traceparent() }
    }
}

/// Starts the batcher.
pub fn start(
    limits: Limits,
    db: Database,
    inventory: InventoryClient,
) -> Batcher<Placement, Result<Answer, Error>, Error> {
    let work = move |batch: Arc<[Placement]>| {
        let (db, inventory) = (db.clone(), inventory.clone());
        async move { place_batch(&db, &inventory, &batch).await }
    };
    Batcher::start(limits, work, Error::blame)
}

/// What became of the first request with a reference: its fingerprint and its outcome.
type Outcomes<'a> = HashMap<Reference, (&'a Fingerprint, Result<Answer, Arc<Error>>)>;

/// Places a batch; gives each request its own answer, in order. Twins in one batch share the first one's work.
async fn place_batch(
    db: &Database,
    inventory: &InventoryClient,
    batch: &[Placement],
) -> Result<Vec<Result<Answer, Error>>, Error> {
    metrics::histogram!("placement_batch_size").record(batch.len() as f64);
    let mut kept = answers_kept(db, batch).await?;
    let mut seen: HashSet<Reference> = kept.keys().copied().collect();
    let first: Vec<&Placement> = batch.iter().filter(|placement| seen.insert(placement.reference)).collect();
    let mut outcomes = reserve_and_write(db, inventory, &first).await?;
    if first.iter().any(|placement| !outcomes.contains_key(&placement.reference)) {
        // Who was not written has a twin that was quicker, or came too late.
        kept.extend(answers_kept(db, batch).await?);
        refuse_forgotten(db, &first, &kept, &mut outcomes).await?;
    }
    Ok(batch.iter().map(|placement| answer(placement, &kept, &outcomes)).collect())
}

fn answer(placement: &Placement, kept: &HashMap<Reference, Kept>, outcomes: &Outcomes<'_>) -> Result<Answer, Error> {
    if let Some(kept) = kept.get(&placement.reference) {
        return Ok(kept.replay(&placement.fingerprint)?);
    }
    match outcomes.get(&placement.reference) {
        Some((fingerprint, _)) if **fingerprint != placement.fingerprint => Err(Error::KeyReused),
        Some((_, outcome)) => outcome.clone().map_err(Error::Batch),
        None => Err(Error::PlacedTooLate),
    }
}

/// The answers that requests with these keys got before.
async fn answers_kept(db: &Database, batch: &[Placement]) -> Result<HashMap<Reference, Kept>, Error> {
    let keys: Vec<String> = batch.iter().filter_map(|placement| placement.key.clone()).collect();
    if keys.is_empty() {
        return Ok(HashMap::new());
    }
    let kept = IDEMPOTENCY.find(&mut *db.pool().acquire().await?, ROUTE, &keys).await?;
    Ok(kept.into_iter().map(|(key, kept)| (Reference::from_idempotency_key(ROUTE, &key), kept)).collect())
}

/// Holds the stock for all, then writes those that got theirs. Left out is what could not be written.
async fn reserve_and_write<'a>(
    db: &Database,
    inventory: &InventoryClient,
    placements: &[&'a Placement],
) -> Result<Outcomes<'a>, Error> {
    let Some(first) = placements.first() else { return Ok(HashMap::new()) };
    let requests = placements
        .iter()
        .map(|placement| ReservationRequest { id: placement.reference, items: placement.order.lines.clone() })
        .collect();
    failure_point::reached("before-reserve").await;
    let reservations = inventory.reserve(requests, first.traceparent.as_deref()).await?;
    failure_point::reached("after-reserve").await;
    let mut outcomes = HashMap::new();
    let mut reserved = Vec::new();
    for (placement, reservation) in placements.iter().copied().zip(reservations) {
        match reservation {
            Ok(reservation) => reserved.push(with_stock(placement, reservation)),
            Err(error) => {
                outcomes.insert(placement.reference, (&placement.fingerprint, Err(Arc::new(error))));
            }
        }
    }
    if reserved.is_empty() {
        return Ok(outcomes);
    }
    let mut transaction = db.begin().await?;
    let mut answers = place::place(&mut transaction, OffsetDateTime::now_utc(), &reserved).await?;
    failure_point::reached("before-commit").await;
    db.commit(transaction).await?;
    failure_point::reached("after-commit").await;
    for placement in placements {
        if let Some(answer) = answers.remove(&placement.reference) {
            outcomes.insert(placement.reference, (&placement.fingerprint, Ok(answer)));
        }
    }
    Ok(outcomes)
}

fn with_stock(placement: &Placement, reservation: Reservation) -> Reserved<'_> {
    Reserved {
        order: &placement.order,
        reservation,
        key: placement.key.as_deref().map(|key| (key, &placement.fingerprint)),
        traceparent: placement.traceparent.clone(),
    }
}

/// A key is remembered for a day, its order for good: a key that comes back later belongs to another request.
async fn refuse_forgotten<'a>(
    db: &Database,
    placements: &[&'a Placement],
    kept: &HashMap<Reference, Kept>,
    outcomes: &mut Outcomes<'a>,
) -> Result<(), Error> {
    let unknown = |p: &&&'a Placement| !kept.contains_key(&p.reference) && !outcomes.contains_key(&p.reference);
    let unknown: Vec<&Placement> = placements.iter().filter(unknown).copied().collect();
    let references: Vec<Uuid> = unknown.iter().map(|placement| placement.reference.0).collect();
    let existing = orders::statuses(&mut *db.pool().acquire().await?, &references).await?;
    for placement in unknown.into_iter().filter(|placement| existing.contains_key(&placement.reference)) {
        outcomes.insert(placement.reference, (&placement.fingerprint, Err(Arc::new(Error::KeyReused))));
    }
    Ok(())
}
