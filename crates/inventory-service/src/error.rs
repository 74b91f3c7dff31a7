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
    UnknownProduct(ProductId),
    /// No such reservation.
    #[error("reservation {0} does not exist")]
    UnknownReservation(Reference),
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
    /// Too much is waiting, or the batch ended without saying how.
    #[error("{0}")]
    Overloaded(&'static str),
    /// A message cannot be understood.
    #[error(transparent)]
    Unreadable(#[from] UnreadableEvent),
    /// A message is of a type that nobody here asked for.
    #[error("events of type {0} are not handled here")]
    UnexpectedEvent(String),
    /// The database failed.
    #[error("database: {0}")]
    Database(sqlx::Error),
    /// Something of ours has no JSON form.
    #[error("JSON: {0}")]
    Json(#[from] serde_json::Error),
    /// The batch the request was in failed as a whole.
    #[error(transparent)]
    Batch(Arc<Error>),
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
            Self::UnknownProduct(id) => Problem::not_found(format!("product {id}")),
            Self::UnknownReservation(id) => Problem::not_found(format!("reservation {id}")),
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
            Self::TwinReservation | Self::Overloaded(_) => Problem::unavailable(self),
            Self::Database(error) => Problem::database(error),
            Self::Unreadable(_) | Self::UnexpectedEvent(_) | Self::Json(_) => Problem::unexpected(self),
            Self::Batch(error) => error.problem(),
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
            Self::TwinReservation | Self::Overloaded(_) => Decision::Retry,
            // A late message: the reservation went another way, or there never was one.
            Self::UnknownReservation(_) | Self::InvalidTransition(_) => Decision::Ack,
            Self::Invalid(_)
            | Self::UnknownProduct(_)
            | Self::VersionMismatch
            | Self::DuplicateSku
            | Self::Insufficient(_)
            | Self::StockLimit
            | Self::Refused(_)
            | Self::KeyReused
            | Self::Unreadable(_)
            | Self::UnexpectedEvent(_)
            | Self::Json(_) => Decision::DeadLetter,
            Self::Batch(error) => error.decision(),
        }
    }

    fn is_unavailable(&self) -> bool {
        match self {
            Self::Database(error) => db::is_unavailable(error),
            Self::Batch(error) => error.is_unavailable(),
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
            BatchError::Full => Self::Overloaded("too many reservations are waiting"),
            BatchError::Lost => {
                Self::Overloaded("the outcome of the reservation is not known; ask again with the same id")
            }
            BatchError::Failed(error) => Self::Batch(error),
        }
    }
}
