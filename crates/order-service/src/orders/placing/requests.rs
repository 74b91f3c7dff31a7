//! Requests to place an order as they wait in a queue, and what those with one key are answered.

use crate::orders::commands::write::Placement;
use crate::orders::domain::NewOrder;
use crate::orders::error::Error;
use crate::payments::Payments;
use crate::schema::IDEMPOTENCY;
use service_kit::access::Scope;
use service_kit::answer::Answer;
use service_kit::batcher::Batcher;
use service_kit::db::Database;
use service_kit::fault::Fault;
use service_kit::idempotency::{Fingerprint, IdempotencyKey, Kept};
use service_kit::telemetry;
use shared_types::Reference;
use shared_types::reservations::Reservation;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use time::{Duration, OffsetDateTime};
use uuid::Uuid;

/// A request to place an order.
#[derive(Clone, Debug)]
pub struct PlacementRequest {
    pub(crate) reference: Reference,
    /// What duplicates carry that came in the hour that is nearest, the one before or the one after.
    pub(crate) neighbour: Option<Reference>,
    /// Whose the order is to be, if it is somebody's.
    customer_id: Option<Uuid>,
    pub(crate) order: NewOrder,
    key: IdempotencyKey,
    fingerprint: Fingerprint,
    pub(crate) traceparent: Option<String>,
}

impl PlacementRequest {
    /// The order is the customer's who sees no more than their own: never that of anybody whom the body names.
    ///
    /// Requests with the same key get the same reference for an hour, so that they meet in one reservation and one order.
    ///
    /// Those that expect other prices, or are paid otherwise, get another reference: what is held for one at the wrong price, or
    /// that cannot be paid so, is given back, and must not be what another one is placed with. The row of the key still lets only
    /// one of them be written.
    pub fn new(
        order: NewOrder,
        scope: Scope,
        key: IdempotencyKey,
        fingerprint: Fingerprint,
        now: OffsetDateTime,
    ) -> Self {
        let other_hour = if now.minute() < 30 { now - Duration::HOUR } else { now + Duration::HOUR };
        let of = |at| {
            let (route, key) = (&key.route, key.key.as_ref()?);
            let guard = order.guard.as_ref().map(|guard| format!("\n{guard}"));
            let payment = order.payment.map(|payment| format!("\n{}", payment.method));
            let key = [Some(key.clone()), guard, payment].into_iter().flatten().collect::<String>();
            Some(Reference::from_idempotency_key(route, &key, at))
        };
        Self {
            reference: of(now).unwrap_or_else(Reference::random),
            neighbour: of(other_hour),
            customer_id: scope.owner(),
            order,
            key,
            fingerprint,
            traceparent: telemetry::current_traceparent(),
        }
    }

    /// What is to be written for it; under the reference of its stock, where that is held already.
    pub(crate) fn placement<'a>(
        &'a self,
        reservation: Option<Reservation>,
        payments: Option<&'a Payments>,
    ) -> Placement<'a> {
        Placement {
            reference: reservation.as_ref().map_or(self.reference, |reservation| reservation.id),
            customer_id: self.customer_id,
            order: &self.order,
            reservation,
            payments,
            key: self.named().map(|key| (key, &self.fingerprint)),
            traceparent: self.traceparent.clone(),
        }
    }

    fn identity(&self) -> Identity<'_> {
        self.named().map_or(Identity::Alone(self.reference), Identity::Key)
    }

    /// The key, if it has one.
    fn named(&self) -> Option<&IdempotencyKey> {
        Some(&self.key).filter(|key| key.key.is_some())
    }

    fn kept<'k>(&self, kept: &'k HashMap<IdempotencyKey, Kept>) -> Option<&'k Kept> {
        kept.get(self.named()?)
    }
}

/// What a request in a batch comes to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Reply {
    /// This is its answer.
    Answered(Answer),
    /// Another request with its key was first, and failed: it is to be queued again, on its own account.
    Requeue,
}

/// A queue of requests.
pub type PlacementQueue = Batcher<PlacementRequest, Result<Reply, Error>, Error>;

/// Queues a request until it has its answer.
pub async fn submit(queue: &PlacementQueue, request: PlacementRequest) -> Result<Answer, Error> {
    loop {
        match queue.submit(request.clone()).await?? {
            Reply::Answered(answer) => return Ok(answer),
            Reply::Requeue => {}
        }
    }
}

/// What became of the requests that were worked on, by reference.
pub(crate) type Answers = HashMap<Reference, Result<Answer, Arc<Error>>>;

/// What duplicates have in common.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Identity<'a> {
    /// The same key of the same caller.
    Key(&'a IdempotencyKey),
    /// Without a key, a request has no duplicate.
    Alone(Reference),
}

/// A batch whose duplicates have found each other: of those with one key only the first is worked on.
pub(crate) struct Duplicates<'a> {
    batch: &'a [PlacementRequest],
    kept: HashMap<IdempotencyKey, Kept>,
    /// Those to work on: one for each key that has no answer yet, and those without a key.
    pub first: Vec<&'a PlacementRequest>,
}

impl<'a> Duplicates<'a> {
    /// Looks for the answers that were given before.
    pub async fn of(db: &Database, batch: &'a [PlacementRequest]) -> Result<Self, Error> {
        let kept = answers_kept(db, batch).await?;
        let mut seen = HashSet::new();
        let unanswered = batch.iter().filter(|request| request.kept(&kept).is_none());
        let first = unanswered.filter(|request| seen.insert(request.identity())).collect();
        Ok(Self { batch, kept, first })
    }

    /// Gives each request of the batch its own answer, in order.
    pub async fn answers(mut self, db: &Database, outcomes: Answers) -> Result<Vec<Result<Reply, Error>>, Error> {
        if self.first.iter().any(|request| !outcomes.contains_key(&request.reference)) {
            // Who was not written has a duplicate that was quicker, or came too late.
            self.kept.extend(answers_kept(db, self.batch).await?);
        }
        let first: HashMap<_, _> = self.first.iter().map(|request| (request.identity(), *request)).collect();
        let answer = |request: &PlacementRequest| match request.kept(&self.kept) {
            Some(kept) => Ok(Reply::Answered(kept.replay(&request.fingerprint)?)),
            None => answer(request, first.get(&request.identity()).copied(), &outcomes),
        };
        Ok(self.batch.iter().map(answer).collect())
    }
}

/// The answer of a request whose key has none yet; `first` is the one of its duplicates that was worked on.
fn answer(request: &PlacementRequest, first: Option<&PlacementRequest>, outcomes: &Answers) -> Result<Reply, Error> {
    let same = first.is_some_and(|first| first.fingerprint == request.fingerprint);
    match first.and_then(|first| outcomes.get(&first.reference)) {
        Some(outcome) if same => outcome.clone().map(Reply::Answered).map_err(Error::Batch),
        Some(Ok(_)) => Err(Fault::KeyReused.into()),
        // A failed attempt does not use the key up.
        Some(Err(_)) => Ok(Reply::Requeue),
        None if same => Err(Error::PlacedTooLate),
        None => Ok(Reply::Requeue),
    }
}

/// The answer that a request got before, if its key has one.
pub async fn answered_before(
    db: &Database,
    key: &IdempotencyKey,
    fingerprint: &Fingerprint,
) -> Result<Option<Answer>, Error> {
    if key.key.is_none() {
        return Ok(None);
    }
    let kept = IDEMPOTENCY.find(&mut *db.pool().acquire().await?, &[key]).await?;
    Ok(kept.get(key).map(|kept| kept.replay(fingerprint)).transpose()?)
}

/// The answers that requests with these keys got before, by key.
async fn answers_kept(db: &Database, batch: &[PlacementRequest]) -> Result<HashMap<IdempotencyKey, Kept>, Error> {
    let keys: Vec<&IdempotencyKey> = batch.iter().filter_map(PlacementRequest::named).collect();
    if keys.is_empty() {
        return Ok(HashMap::new());
    }
    Ok(IDEMPOTENCY.find(&mut *db.pool().acquire().await?, &keys).await?)
}

#[cfg(test)]
mod tests {
    use super::{IdempotencyKey, PlacementRequest};
    use crate::orders::domain::PlaceOrder;
    use service_kit::access::{Access, Principal};
    use service_kit::idempotency::Fingerprint;
    use shared_types::Reference;
    use time::macros::datetime;

    const NOW: time::OffsetDateTime = datetime!(2026-11-25 10:15 UTC);

    fn request(route: &str, key: Option<&str>) -> PlacementRequest {
        request_paid_by(route, key, None)
    }

    fn request_paid_by(route: &str, key: Option<&str>, method: Option<&str>) -> PlacementRequest {
        let mut body = serde_json::json!({
            "customerName": "Ada", "customerEmail": "ada@example.com", "shippingAddress": "1 Main St",
            "items": [{"productId": 1, "quantity": 1}]
        });
        if let Some(method) = method {
            body["payment"] = serde_json::json!({"method": method});
        }
        let body: PlaceOrder = serde_json::from_value(body).unwrap();
        let fingerprint = Fingerprint::of(&body).unwrap();
        let key = IdempotencyKey { route: route.to_owned(), key: key.map(str::to_owned) };
        let scope = Access::PUBLIC.decide(&Principal::Nobody, false).unwrap();
        PlacementRequest::new(body.parse().unwrap().0, scope, key, fingerprint, NOW)
    }

    #[test]
    fn one_key_of_two_callers_is_two_orders() {
        let of = |caller| request(&format!("user:{caller} POST /api/orders"), Some("a"));
        let (ada, again, grace) = (of("ada"), of("ada"), of("grace"));
        assert!(ada.identity() == again.identity() && ada.reference == again.reference);
        assert!(ada.identity() != grace.identity() && ada.reference != grace.reference);
        assert_ne!(ada.neighbour, grace.neighbour);
        assert!(request("", None).identity() != request("", None).identity());
    }

    #[test]
    fn one_key_with_another_payment_is_other_stock() {
        let of = |method| request_paid_by("", Some("a"), method).reference;
        assert_eq!(of(Some("CARD")), of(Some("CARD")));
        assert!(of(None) != of(Some("CARD")) && of(Some("UPI")) != of(Some("CARD")));
    }

    #[test]
    fn without_a_token_the_reference_is_that_of_earlier_builds() {
        let expected = Reference::from_idempotency_key("POST /api/orders", "a", NOW);
        assert_eq!(request("POST /api/orders", Some("a")).reference, expected);
    }
}
