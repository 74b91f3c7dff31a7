//! Requests to place an order as they wait in a queue, and what those with one key are answered.

use crate::IDEMPOTENCY;
use crate::commands::orders::write::{ROUTE, Wanted};
use crate::domain::orders::NewOrder;
use crate::error::Error;
use crate::store::orders;
use service_kit::answer::Answer;
use service_kit::batcher::Batcher;
use service_kit::db::Database;
use service_kit::idempotency::{Fingerprint, IdempotencyKey, Kept};
use service_kit::telemetry;
use shared_types::Reference;
use shared_types::reservations::Reservation;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use uuid::Uuid;

/// A request to place an order.
#[derive(Clone, Debug)]
pub struct Placement {
    pub(crate) reference: Reference,
    pub(crate) order: NewOrder,
    key: Option<String>,
    fingerprint: Fingerprint,
    pub(crate) traceparent: Option<String>,
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

    /// What is to be written for it.
    pub(crate) fn wanted(&self, reservation: Option<Reservation>) -> Wanted<'_> {
        Wanted {
            reference: self.reference,
            order: &self.order,
            reservation,
            key: self.key.as_deref().map(|key| (key, &self.fingerprint)),
            traceparent: self.traceparent.clone(),
        }
    }
}

/// What a request in a batch comes to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Turn {
    /// This is its answer.
    Answered(Answer),
    /// Another request with its key was first, and failed: it is to be queued again, on its own account.
    Again,
}

/// A queue of requests.
pub type Queue = Batcher<Placement, Result<Turn, Error>, Error>;

/// Queues a request until it has its answer.
pub async fn submit(queue: &Queue, placement: Placement) -> Result<Answer, Error> {
    loop {
        match queue.submit(placement.clone()).await?? {
            Turn::Answered(answer) => return Ok(answer),
            Turn::Again => {}
        }
    }
}

/// What became of the requests that were worked on, by reference.
pub(crate) type Outcomes = HashMap<Reference, Result<Answer, Arc<Error>>>;

/// A batch whose twins have found each other: of those with one reference only the first is worked on.
pub(crate) struct Twins<'a> {
    batch: &'a [Placement],
    kept: HashMap<Reference, Kept>,
    /// Those to work on: one for each reference that has no answer yet.
    pub first: Vec<&'a Placement>,
}

impl<'a> Twins<'a> {
    /// Looks for the answers that were given before.
    pub async fn of(db: &Database, batch: &'a [Placement]) -> Result<Self, Error> {
        let kept = answers_kept(db, batch).await?;
        let mut seen: HashSet<Reference> = kept.keys().copied().collect();
        let first = batch.iter().filter(|placement| seen.insert(placement.reference)).collect();
        Ok(Self { batch, kept, first })
    }

    /// Gives each request of the batch its own answer, in order.
    pub async fn answers(mut self, db: &Database, mut outcomes: Outcomes) -> Result<Vec<Result<Turn, Error>>, Error> {
        if self.first.iter().any(|placement| !outcomes.contains_key(&placement.reference)) {
            // Who was not written has a twin that was quicker, or came too late.
            self.kept.extend(answers_kept(db, self.batch).await?);
            self.refuse_forgotten(db, &mut outcomes).await?;
        }
        let first = self.first.iter().map(|placement| (placement.reference, &placement.fingerprint)).collect();
        Ok(self.batch.iter().map(|placement| answer(placement, &self.kept, &first, &outcomes)).collect())
    }

    /// A key is remembered for a day, its order for good: a key that comes back later belongs to another request.
    async fn refuse_forgotten(&self, db: &Database, outcomes: &mut Outcomes) -> Result<(), Error> {
        let references = self.first.iter().map(|placement| placement.reference);
        let unknown = references.filter(|it| !self.kept.contains_key(it) && !outcomes.contains_key(it));
        let unknown: Vec<Uuid> = unknown.map(|reference| reference.0).collect();
        let existing = orders::existing(&mut *db.pool().acquire().await?, &unknown).await?;
        outcomes.extend(existing.into_iter().map(|reference| (reference, Err(Arc::new(Error::KeyReused)))));
        Ok(())
    }
}

fn answer(
    placement: &Placement,
    kept: &HashMap<Reference, Kept>,
    first: &HashMap<Reference, &Fingerprint>,
    outcomes: &Outcomes,
) -> Result<Turn, Error> {
    if let Some(kept) = kept.get(&placement.reference) {
        return Ok(Turn::Answered(kept.replay(&placement.fingerprint)?));
    }
    let same = first.get(&placement.reference).is_some_and(|first| **first == placement.fingerprint);
    match outcomes.get(&placement.reference) {
        Some(outcome) if same => outcome.clone().map(Turn::Answered).map_err(Error::Batch),
        Some(Ok(_)) => Err(Error::KeyReused),
        // A failed attempt does not use the key up.
        Some(Err(_)) => Ok(Turn::Again),
        None if same => Err(Error::PlacedTooLate),
        None => Ok(Turn::Again),
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
