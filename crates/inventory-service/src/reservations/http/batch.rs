//! EDGE: many reservations in one call: each gets the status and the body that it would have got alone.

use crate::reservations::commands::HoldOutcome;
use crate::reservations::domain::batches::BatchBody;
use crate::reservations::domain::requests::ReservationBody;
use crate::reservations::error::Error;
use crate::reservations::state::Reservations;
use axum::extract::State;
use axum::http::StatusCode;
use futures_util::future::join_all;
use serde::Serialize;
use service_kit::documented::{InvalidBody, Unavailable};
use service_kit::extract::Json;
use service_kit::problem::Problem;
use service_kit::telemetry::current_traceparent;
use shared_types::reservations::Reservation;
use std::sync::Arc;
use utoipa::ToSchema;

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

/// Holds stock for many orders, each on its own.
///
/// One outcome for each, in order: the status and the body that the single call would have given.
#[utoipa::path(post, path = "/api/inventory/reservations/batch", tag = "reservations",
    request_body = BatchBody,
    extensions(("x-passes-over-unknown" = json!(true))),
    responses(
        (status = 200, description = "One outcome for each request, in order", body = [BatchOutcome]),
        InvalidBody, Unavailable))]
pub async fn create_reservations(
    State(reservations): State<Arc<Reservations>>,
    Json(body): Json<BatchBody>,
) -> Result<axum::Json<Vec<BatchOutcome>>, Error> {
    // All are queued before the first is waited for, so they share batches with each other and with their neighbours.
    let requests = body.parse()?;
    let outcomes = requests.iter().map(|request| async {
        let wanted = ReservationBody::read(request)?.caused_by(current_traceparent());
        Ok(reservations.holding.submit(wanted).await?)
    });
    Ok(axum::Json(join_all(outcomes).await.into_iter().map(BatchOutcome::of).collect()))
}

impl BatchOutcome {
    fn of(outcome: Result<HoldOutcome, Error>) -> Self {
        let reservation = |status: StatusCode, reservation| Self {
            status: status.as_u16(),
            body: OutcomeBody::Reservation(reservation),
        };
        match outcome {
            Ok(HoldOutcome::Held(held)) => reservation(StatusCode::CREATED, held),
            Ok(HoldOutcome::Repeated(held)) => reservation(StatusCode::OK, held),
            Ok(HoldOutcome::Refused(refusal)) => Self::refused(&refusal.into()),
            Err(error) => Self::refused(&error),
        }
    }

    fn refused(error: &Error) -> Self {
        let problem = Problem { instance: "/api/inventory/reservations".to_owned(), ..error.problem() };
        Self { status: problem.status, body: OutcomeBody::Problem(Box::new(problem)) }
    }
}
