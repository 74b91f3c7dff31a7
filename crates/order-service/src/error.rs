//! Everything that can go wrong, and the two places that say what becomes of it: for a client, and for a message.

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
use shared_types::reservations::ShortLine;
use shared_types::{InvalidTransition, OrderId};
use std::sync::Arc;

/// An error of order-service.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The input is at fault.
    #[error("invalid input")]
    Invalid(FieldErrors),
    /// A precondition or a parameter was refused at the edge.
    #[error("{}", .0.detail)]
    Refused(Box<Problem>),
    /// There is no such order.
    #[error("order {0} does not exist")]
    UnknownOrder(OrderId),
    /// There is no such message.
    #[error("notification {0} does not exist")]
    UnknownNotification(i64),
    /// A message that cannot be sent again.
    #[error("it cannot be sent again: {0}")]
    CannotResend(String),
    /// A report of a provider came without the secret.
    #[error("{0}")]
    Unauthorized(&'static str),
    /// The life of an order does not allow it.
    #[error(transparent)]
    Transition(#[from] InvalidTransition),
    /// The order is accepted, and its stock not held yet.
    #[error("order {0} is not placed yet; until then it can only be cancelled")]
    NotPlacedYet(OrderId),
    /// Inventory-service has less than was asked for.
    #[error("{detail}")]
    InsufficientStock {
        /// In words.
        detail: String,
        /// The lines that lack stock.
        items: Vec<ShortLine>,
    },
    /// A product does not exist or is not sold.
    #[error("{0}")]
    UnknownProduct(String),
    /// The `Idempotency-Key` came with another request before.
    #[error("the Idempotency-Key was used before, with another request")]
    KeyReused,
    /// A twin that came in another hour was written first.
    #[error("another request with the same Idempotency-Key was quicker; try again")]
    TwinPlacement,
    /// The stock was held too long ago for the order to be written safely.
    #[error("the placement took too long and was given up; try again")]
    PlacedTooLate,
    /// Inventory-service did not answer, or not in time.
    #[error("inventory-service is not available: {0}")]
    InventoryUnavailable(String),
    /// Inventory-service answered with what is not in its contract.
    #[error("inventory-service answered unexpectedly: {0}")]
    InventoryAnswer(String),
    /// Too much is waiting, or the wait was too long.
    #[error("{0}")]
    Overloaded(&'static str),
    /// The batch the request was in failed as a whole.
    #[error(transparent)]
    Batch(Arc<Error>),
    /// A message cannot be understood.
    #[error(transparent)]
    Unreadable(#[from] UnreadableEvent),
    /// A message is of a type that nobody here asked for.
    #[error("events of type {0} are not handled here")]
    UnexpectedEvent(String),
    /// The messages of an event are in the log already, though the inbox has forgotten it.
    #[error("the messages of the event are written already")]
    AlreadyWritten,
    /// Something has no JSON form.
    #[error(transparent)]
    Json(#[from] serde_json::Error),
    /// The database failed.
    #[error("database: {0}")]
    Database(sqlx::Error),
}

impl Error {
    /// Whose doing it is when a batch fails with this.
    pub fn blame(&self) -> Blame {
        match self {
            Self::InventoryUnavailable(_) => Blame::Everybody,
            Self::TwinPlacement => Blame::Nobody,
            Self::Database(error) => db::blame(error),
            _ => Blame::Somebody,
        }
    }

    /// The error as the client sees it.
    pub fn problem(&self) -> Problem {
        let conflict = StatusCode::CONFLICT;
        match self {
            Self::Invalid(errors) => Problem::validation(errors.clone()),
            Self::Refused(problem) => Problem::clone(problem),
            Self::UnknownOrder(_) | Self::UnknownNotification(_) => {
                Problem::not_found(self.to_string().trim_end_matches(" does not exist"))
            }
            Self::CannotResend(_) => Problem::new(conflict, "cannot-resend", "Cannot be sent again", self),
            Self::Unauthorized(_) => Problem::new(StatusCode::UNAUTHORIZED, "unauthorized", "Unauthorized", self),
            Self::Transition(_) => Problem::new(conflict, "invalid-transition", "Status change not allowed", self),
            Self::NotPlacedYet(_) => Problem::new(conflict, "not-placed-yet", "Not placed yet", self),
            Self::InsufficientStock { items, .. } => {
                let problem = Problem::new(conflict, "insufficient-stock", "Insufficient stock", self);
                Problem { items: items.clone(), ..problem }
            }
            Self::UnknownProduct(_) => {
                Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "unknown-product", "Unknown product", self)
            }
            Self::KeyReused => Problem::key_reused(),
            Self::TwinPlacement | Self::PlacedTooLate | Self::InventoryUnavailable(_) | Self::Overloaded(_) => {
                Problem::unavailable(self)
            }
            Self::Batch(error) => error.problem(),
            Self::Database(error) => Problem::database(error),
            Self::InventoryAnswer(_)
            | Self::Unreadable(_)
            | Self::UnexpectedEvent(_)
            | Self::AlreadyWritten
            | Self::Json(_) => Problem::unexpected(self),
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
            Self::Transition(_) | Self::AlreadyWritten => Decision::Ack,
            Self::Unreadable(_) | Self::UnexpectedEvent(_) | Self::Json(_) => Decision::DeadLetter,
            Self::Database(error) => decide_database_error(error),
            Self::Batch(error) => error.decision(),
            Self::InventoryUnavailable(_)
            | Self::InventoryAnswer(_)
            | Self::Overloaded(_)
            | Self::PlacedTooLate
            | Self::TwinPlacement => Decision::Retry,
            Self::Invalid(_)
            | Self::Refused(_)
            | Self::UnknownOrder(_)
            | Self::UnknownNotification(_)
            | Self::CannotResend(_)
            | Self::Unauthorized(_)
            | Self::NotPlacedYet(_)
            | Self::InsufficientStock { .. }
            | Self::UnknownProduct(_)
            | Self::KeyReused => Decision::DeadLetter,
        }
    }

    fn is_unavailable(&self) -> bool {
        matches!(self, Self::Database(error) if db::is_unavailable(error))
    }
}

impl From<sqlx::Error> for Error {
    fn from(error: sqlx::Error) -> Self {
        match error.as_database_error().and_then(|error| error.constraint()) {
            Some("notifications_once") => Self::AlreadyWritten,
            Some("idempotency_keys_pkey") => Self::TwinPlacement,
            _ => Self::Database(error),
        }
    }
}

impl From<FieldErrors> for Error {
    fn from(errors: FieldErrors) -> Self {
        Self::Invalid(errors)
    }
}

impl From<Problem> for Error {
    fn from(problem: Problem) -> Self {
        Self::Refused(Box::new(problem))
    }
}

impl From<OutboxError> for Error {
    fn from(error: OutboxError) -> Self {
        match error {
            OutboxError::Json(error) => Self::Json(error),
            OutboxError::Database(error) => Self::Database(error),
        }
    }
}

impl From<IdempotencyError> for Error {
    fn from(error: IdempotencyError) -> Self {
        match error {
            IdempotencyError::Reused => Self::KeyReused,
            IdempotencyError::Database(error) => Self::Database(error),
        }
    }
}

impl From<BatchError<Error>> for Error {
    fn from(error: BatchError<Error>) -> Self {
        match error {
            BatchError::Full => Self::Overloaded("too many requests are waiting; try again"),
            BatchError::Lost => Self::Overloaded("the request was interrupted; try again"),
            BatchError::Failed(error) => Self::Batch(error),
        }
    }
}
