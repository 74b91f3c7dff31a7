//! The errors that every service has, once, with their decisions: what a client is told, what becomes of a message, and
//! whose doing the failure of a batch is. A module's own error wraps them and lists its own cases only.

use crate::batcher::{BatchError, Blame};
use crate::consumer::{Decision, decide_database_error};
use crate::db;
use crate::idempotency::IdempotencyError;
use crate::outbox::OutboxError;
use crate::problem::Problem;
use crate::validation::FieldErrors;
use shared_types::events::UnreadableEvent;
use std::sync::Arc;

/// An error that is no module's own.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// The input is at fault: 400.
    #[error("invalid input: {0}")]
    Invalid(FieldErrors),
    /// The client's `If-Match` names another version: 412.
    #[error("the resource has changed since the ETag in If-Match was given out")]
    PreconditionFailed,
    /// The edge refused the request in its own words.
    #[error("{}", .0.detail)]
    Refused(Box<Problem>),
    /// The `Idempotency-Key` came with another request before: 422.
    #[error("the Idempotency-Key was used before, with another request")]
    KeyReused,
    /// Too much is waiting, or the wait was too long: 503.
    #[error("{0}")]
    Overloaded(&'static str),
    /// A message cannot be understood.
    #[error(transparent)]
    Unreadable(#[from] UnreadableEvent),
    /// A message is of a type that its consumer did not ask for.
    #[error("events of type {0} are not handled here")]
    UnexpectedEvent(String),
    /// Something of ours has no JSON form: 500.
    #[error("JSON: {0}")]
    Json(#[from] serde_json::Error),
    /// The database failed: 503 where trying again can help, else 500.
    #[error("database: {0}")]
    Database(#[from] sqlx::Error),
}

impl Fault {
    /// What the client is told.
    pub fn problem(&self) -> Problem {
        match self {
            Self::Invalid(errors) => Problem::validation(errors.clone()),
            Self::PreconditionFailed => Problem::precondition_failed(),
            Self::Refused(problem) => Problem::clone(problem),
            Self::KeyReused => Problem::key_reused(),
            Self::Overloaded(_) => Problem::unavailable(self),
            Self::Database(error) => Problem::database(error),
            Self::Unreadable(_) | Self::UnexpectedEvent(_) | Self::Json(_) => Problem::unexpected(self),
        }
    }

    /// What becomes of a message whose handling failed with this.
    pub fn decision(&self) -> Decision {
        match self {
            Self::Database(error) => decide_database_error(error),
            Self::Overloaded(_) => Decision::Retry,
            Self::Invalid(_)
            | Self::PreconditionFailed
            | Self::Refused(_)
            | Self::KeyReused
            | Self::Unreadable(_)
            | Self::UnexpectedEvent(_)
            | Self::Json(_) => Decision::DeadLetter,
        }
    }

    /// Whose doing it is when a batch fails with this.
    pub fn blame(&self) -> Blame {
        match self {
            Self::Database(error) => db::blame(error),
            _ => Blame::Somebody,
        }
    }

    /// Whether the database was away, which is no message's fault.
    pub fn is_unavailable(&self) -> bool {
        matches!(self, Self::Database(error) if db::is_unavailable(error))
    }
}

impl From<FieldErrors> for Fault {
    fn from(errors: FieldErrors) -> Self {
        Self::Invalid(errors)
    }
}

impl From<Problem> for Fault {
    fn from(problem: Problem) -> Self {
        Self::Refused(Box::new(problem))
    }
}

impl From<OutboxError> for Fault {
    fn from(error: OutboxError) -> Self {
        match error {
            OutboxError::Json(error) => Self::Json(error),
            OutboxError::Database(error) => Self::Database(error),
        }
    }
}

impl From<IdempotencyError> for Fault {
    fn from(error: IdempotencyError) -> Self {
        match error {
            IdempotencyError::Reused => Self::KeyReused,
            IdempotencyError::Database(error) => Self::Database(error),
        }
    }
}

/// Why a request that waited for a batch has no answer of its own: the error of its batch, shared with the others, or a
/// fault.
pub fn of_batch<E>(error: BatchError<E>) -> Result<Arc<E>, Fault> {
    match error {
        BatchError::Full => Err(Fault::Overloaded("too many requests are waiting; try again")),
        BatchError::Lost => Err(Fault::Overloaded("the request was interrupted; try again")),
        BatchError::Failed(error) => Ok(error),
    }
}

/// Makes an enum the error of a module. It needs a variant `Fault(Fault)` and the functions `problem()`, `decision()` and
/// `blame()`, each an exhaustive match.
///
/// `"constraint" => Variant` names what a broken constraint of the database means. `batched` stands for modules whose
/// requests wait for a batch; their enum has a variant `Batch(Arc<Self>)`.
#[macro_export]
macro_rules! module_error {
    ($error:ident $(, $constraint:literal => $variant:ident)* $(,)?) => {
        $crate::module_error!(@from $error,
            $crate::validation::FieldErrors,
            $crate::problem::Problem,
            $crate::outbox::OutboxError,
            $crate::idempotency::IdempotencyError,
            shared_types::events::UnreadableEvent,
            serde_json::Error
        );

        impl From<$crate::fault::Fault> for $error {
            fn from(fault: $crate::fault::Fault) -> Self {
                match fault {
                    $crate::fault::Fault::Database(error) => error.into(),
                    fault => Self::Fault(fault),
                }
            }
        }

        impl From<sqlx::Error> for $error {
            fn from(error: sqlx::Error) -> Self {
                match error.as_database_error().and_then(|error| error.constraint()) {
                    $(Some($constraint) => Self::$variant,)*
                    _ => Self::Fault($crate::fault::Fault::Database(error)),
                }
            }
        }

        impl axum::response::IntoResponse for $error {
            fn into_response(self) -> axum::response::Response {
                self.problem().into_response()
            }
        }

        impl $crate::consumer::HandlerError for $error {
            fn decision(&self) -> $crate::consumer::Decision {
                self.decision()
            }

            fn is_unavailable(&self) -> bool {
                matches!(self, Self::Fault(fault) if fault.is_unavailable())
            }
        }
    };
    (batched $error:ident $(, $constraint:literal => $variant:ident)* $(,)?) => {
        $crate::module_error!($error $(, $constraint => $variant)*);

        impl From<$crate::batcher::BatchError<$error>> for $error {
            fn from(error: $crate::batcher::BatchError<$error>) -> Self {
                $crate::fault::of_batch(error).map_or_else(Self::Fault, Self::Batch)
            }
        }
    };
    (@from $error:ident, $($source:ty),+) => {$(
        impl From<$source> for $error {
            fn from(source: $source) -> Self {
                $crate::fault::Fault::from(source).into()
            }
        }
    )+};
}
