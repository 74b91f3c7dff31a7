//! EDGE: many reservations in one call: each gets the status and the body that it would have got alone.

use crate::error::Error;
use crate::reservations::commands::ReserveOutcome;
use crate::reservations::domain::requests::{ReservationBody, Wanted};
use crate::reservations::state::Reservations;
use axum::extract::State;
use axum::http::StatusCode;
use futures_util::future::join_all;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use service_kit::documented::{InvalidBody, Keyed, Unavailable};
use service_kit::extract::Json;
use service_kit::idempotency::IdempotencyKey;
use service_kit::problem::Problem;
use service_kit::telemetry::current_traceparent;
use service_kit::validation::FieldErrors;
use shared_types::reservations::{MAX_BATCH, Reservation};
use std::sync::Arc;
use utoipa::ToSchema;

/// Many requests to hold stock.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[schema(example = json!({"reservations": [
    {"id": "01936f5e-7c3a-7b1e-8a4e-3f1d2c5b6a71", "items": [{"productId": 1, "quantity": 1}]},
    {"id": "01936f5e-7c3a-7b1e-8a4e-3f1d2c5b6a72", "items": [{"productId": 2, "quantity": 2}]}
]}))]
pub struct BatchBody {
    /// The requests, each read on its own, so that a bad one harms no other.
    #[schema(value_type = Vec<ReservationBody>, required, min_items = 1, max_items = 256)]
    pub reservations: Option<Vec<Box<RawValue>>>,
}

/// What became of one request of a batch.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct BatchOutcome {
    /// The status it would have got alone.
    #[schema(example = 201)]
    pub status: u16,
    /// The body it would have got alone.
    pub body: OutcomeBody,
}

/// A reservation, or why there is none.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(untagged)]
pub enum OutcomeBody {
    /// With status 200 or 201.
    Reservation(Reservation),
    /// With any other status.
    Problem(Box<Problem>),
}

/// Holds stock for many orders, each on its own
///
/// One outcome for each, in order: the status and the body that the single call would have given.
#[utoipa::path(post, path = "/api/inventory/reservations/batch", tag = "reservations", params(Keyed),
    request_body = BatchBody,
    responses(
        (status = 200, description = "one outcome for each request, in order", body = [BatchOutcome]),
        InvalidBody, Unavailable
    ))]
pub async fn create_reservations(
    State(reservations): State<Arc<Reservations>>,
    _key: IdempotencyKey,
    Json(body): Json<BatchBody>,
) -> Result<axum::Json<Vec<BatchOutcome>>, Error> {
    // All are queued before the first is waited for, so they share batches with each other and with their neighbours.
    let requests = body.parse()?;
    let outcomes = requests.iter().map(|request| async {
        let wanted = read(request)?.caused_by(current_traceparent());
        Ok(reservations.holding.submit(wanted).await?)
    });
    Ok(axum::Json(join_all(outcomes).await.into_iter().map(BatchOutcome::of).collect()))
}

impl BatchBody {
    fn parse(self) -> Result<Vec<Box<RawValue>>, FieldErrors> {
        match self.reservations {
            None => Err(FieldErrors::one("reservations", "is required")),
            Some(requests) if requests.is_empty() => {
                Err(FieldErrors::one("reservations", "must have at least 1 reservation"))
            }
            Some(requests) if requests.len() > MAX_BATCH => {
                Err(FieldErrors::one("reservations", format!("must have at most {MAX_BATCH} reservations")))
            }
            Some(requests) => Ok(requests),
        }
    }
}

fn read(request: &RawValue) -> Result<Wanted, Error> {
    let json = &mut serde_json::Deserializer::from_str(request.get());
    let body: ReservationBody = serde_path_to_error::deserialize(json).map_err(|error| {
        let field = error.path().to_string();
        FieldErrors::one(field, error.into_inner())
    })?;
    Ok(body.parse()?)
}

impl BatchOutcome {
    fn of(outcome: Result<ReserveOutcome, Error>) -> Self {
        let reservation = |status: StatusCode, reservation| Self {
            status: status.as_u16(),
            body: OutcomeBody::Reservation(reservation),
        };
        match outcome {
            Ok(ReserveOutcome::Held(held)) => reservation(StatusCode::CREATED, held),
            Ok(ReserveOutcome::Repeated(held)) => reservation(StatusCode::OK, held),
            Ok(ReserveOutcome::Refused(refusal)) => Self::refused(&refusal.into()),
            Err(error) => Self::refused(&error),
        }
    }

    fn refused(error: &Error) -> Self {
        let problem = Problem { instance: "/api/inventory/reservations".to_owned(), ..error.problem() };
        Self { status: problem.status, body: OutcomeBody::Problem(Box::new(problem)) }
    }
}

#[cfg(test)]
mod tests {
    use super::{BatchBody, read};
    use crate::error::Error;
    use serde_json::value::{RawValue, to_raw_value};
    use serde_json::{Value, json};

    fn raw(json: &Value) -> Box<RawValue> {
        to_raw_value(json).unwrap()
    }

    #[test]
    fn a_request_that_cannot_be_read_is_its_own_fault() {
        let request = raw(&json!({"id": "01936f5e-7c3a-7b1e-8a4e-3f1d2c5b6a70", "items": [{"productId": "x"}]}));
        let Err(Error::Invalid(errors)) = read(&request) else { panic!("was read") };
        assert_eq!(errors.0.keys().collect::<Vec<_>>(), ["items[0].productId"]);
    }

    #[test]
    fn a_batch_has_1_to_256_reservations() {
        for (count, fits) in [(0, false), (1, true), (256, true), (257, false)] {
            assert_eq!(BatchBody { reservations: Some(vec![raw(&json!({})); count]) }.parse().is_ok(), fits, "{count}");
        }
    }
}
