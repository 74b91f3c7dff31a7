//! Everything that can go wrong, and the two exhaustive answers to it: to the client, and to the message queue.

use crate::reservations::{InvalidTransition, Refusal};
use crate::stock::{MAX_STOCK, Shortage};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use service_kit::batcher::{BatchError, Blame};
use service_kit::consumer::{Decision, HandlerError, decide_database_error};
use service_kit::db;
use service_kit::idempotency::IdempotencyError;
use service_kit::outbox::OutboxError;
use service_kit::problem::Problem;
use service_kit::validation::FieldErrors;
use shared_types::events::UnreadableEvent;
use shared_types::reservations::ShortStock;
use shared_types::{ProductId, Reference};
use std::sync::Arc;

/// What can go wrong in inventory-service.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Fields at fault.
    #[error("invalid input: {0:?}")]
    Invalid(FieldErrors),
    /// No such product, or it is deleted.
    #[error("product {0} does not exist")]
    ProductNotFound(ProductId),
    /// No such reservation.
    #[error("reservation {0} does not exist")]
    ReservationNotFound(Reference),
    /// The client's `If-Match` names another version.
    #[error("the product has changed")]
    VersionMismatch,
    /// The SKU belongs to another product.
    #[error("another product has this sku")]
    DuplicateSku,
    /// More is taken out than there is.
    #[error("{0}")]
    Insufficient(Shortage),
    /// More is put in than can be kept.
    #[error("a product has at most {MAX_STOCK} pieces in stock")]
    StockLimit,
    /// Stock cannot be held.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The reservation's life does not allow it.
    #[error(transparent)]
    InvalidTransition(#[from] InvalidTransition),
    /// Another request has just made a reservation of this reference: looked at again, it is there.
    #[error("the reservation has just been made by another request")]
    TwinReservation,
    /// The `Idempotency-Key` belongs to another request.
    #[error("the Idempotency-Key was used before, with another request")]
    KeyReused,
    /// More reservations are waiting than the queue can hold.
    #[error("too many reservations are waiting")]
    Busy,
    /// A batch ended without saying how.
    #[error("the outcome of the reservation is not known; ask again with the same id")]
    OutcomeUnknown,
    /// A message that cannot be understood.
    #[error(transparent)]
    UnreadableEvent(#[from] UnreadableEvent),
    /// A type of event that nobody here knows what to do with.
    #[error("nothing is known of events of the type {0}")]
    UnknownEvent(String),
    /// The database failed.
    #[error("database: {0}")]
    Database(sqlx::Error),
    /// Something of ours has no JSON form.
    #[error("JSON: {0}")]
    Json(#[from] serde_json::Error),
    /// One failure of a whole batch.
    #[error(transparent)]
    Shared(Arc<Error>),
}

impl Error {
    /// Whose doing it is when a batch fails with this.
    pub fn blame(&self) -> Blame {
        match self {
            Self::TwinReservation => Blame::Nobody,
            Self::Database(error) => db::blame(error),
            _ => Blame::Somebody,
        }
    }

    /// What the client is told.
    pub fn problem(&self) -> Problem {
        let conflict = |slug, title| Problem::new(StatusCode::CONFLICT, slug, title, self);
        let unprocessable = |slug, title| Problem::new(StatusCode::UNPROCESSABLE_ENTITY, slug, title, self);
        match self {
            Self::Invalid(errors) => Problem::validation(errors.clone()),
            Self::ProductNotFound(id) => Problem::not_found(format!("product {id}")),
            Self::ReservationNotFound(id) => Problem::not_found(format!("reservation {id}")),
            Self::VersionMismatch => Problem::precondition_failed(),
            Self::DuplicateSku => conflict("duplicate-sku", "Duplicate SKU"),
            Self::Insufficient(shortage) => {
                let items = vec![shortage.line];
                conflict("insufficient-stock", "Insufficient stock").with(&ShortStock { items })
            }
            Self::StockLimit => unprocessable("stock-limit", "Stock limit"),
            Self::Refused(Refusal::Insufficient(short)) => {
                let items = short.iter().map(|shortage| shortage.line).collect();
                conflict("insufficient-stock", "Insufficient stock").with(&ShortStock { items })
            }
            Self::Refused(Refusal::UnknownProducts(_)) => unprocessable("unknown-product", "Unknown product"),
            Self::Refused(Refusal::Mismatch(_)) => unprocessable("reservation-mismatch", "Reservation mismatch"),
            Self::InvalidTransition(_) => conflict("invalid-transition", "Invalid transition"),
            Self::KeyReused => Problem::key_reused(),
            Self::TwinReservation | Self::Busy | Self::OutcomeUnknown => Problem::unavailable(self),
            Self::Database(error) => Problem::database(error),
            Self::UnreadableEvent(_) | Self::UnknownEvent(_) | Self::Json(_) => Problem::unexpected(self),
            Self::Shared(error) => error.problem(),
        }
    }
}

impl IntoResponse for Error {
    fn into_response(self) -> Response {
        self.problem().into_response()
    }
}

impl HandlerError for Error {
    fn decision(&self) -> Decision {
        match self {
            Self::Database(error) => decide_database_error(error),
            Self::TwinReservation | Self::Busy | Self::OutcomeUnknown => Decision::Retry,
            // A late message: the reservation went another way, or there never was one.
            Self::ReservationNotFound(_) | Self::InvalidTransition(_) => Decision::Ack,
            Self::Invalid(_)
            | Self::ProductNotFound(_)
            | Self::VersionMismatch
            | Self::DuplicateSku
            | Self::Insufficient(_)
            | Self::StockLimit
            | Self::Refused(_)
            | Self::KeyReused
            | Self::UnreadableEvent(_)
            | Self::UnknownEvent(_)
            | Self::Json(_) => Decision::DeadLetter,
            Self::Shared(error) => error.decision(),
        }
    }

    fn is_unavailable(&self) -> bool {
        match self {
            Self::Database(error) => db::is_unavailable(error),
            Self::Shared(error) => error.is_unavailable(),
            _ => false,
        }
    }
}

impl From<sqlx::Error> for Error {
    /// Turns the constraints that a client can run into, into what they mean.
    fn from(error: sqlx::Error) -> Self {
        match error.as_database_error().and_then(|error| error.constraint()) {
            Some("products_sku_unique") => Self::DuplicateSku,
            Some("reservations_pkey") => Self::TwinReservation,
            _ => Self::Database(error),
        }
    }
}

impl From<FieldErrors> for Error {
    fn from(errors: FieldErrors) -> Self {
        Self::Invalid(errors)
    }
}

impl From<IdempotencyError> for Error {
    fn from(error: IdempotencyError) -> Self {
        match error {
            IdempotencyError::Reused => Self::KeyReused,
            IdempotencyError::Database(error) => error.into(),
        }
    }
}

impl From<OutboxError> for Error {
    fn from(error: OutboxError) -> Self {
        match error {
            OutboxError::Json(error) => error.into(),
            OutboxError::Database(error) => error.into(),
        }
    }
}

impl From<BatchError<Error>> for Error {
    fn from(error: BatchError<Error>) -> Self {
        match error {
            BatchError::Full => Self::Busy,
            BatchError::Lost => Self::OutcomeUnknown,
            BatchError::Failed(error) => Self::Shared(error),
        }
    }
}
