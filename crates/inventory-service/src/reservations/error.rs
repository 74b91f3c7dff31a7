//! What can go wrong with reservations, and the two places that say what becomes of it: for a client, and for a message.

use super::domain::changes::InvalidTransition;
use super::domain::holds::Refusal;
use crate::stock::{self, insufficient_stock};
use axum::http::StatusCode;
use service_kit::batcher::Blame;
use service_kit::consumer::Decision;
use service_kit::fault::Fault;
use service_kit::module_error;
use service_kit::problem::Problem;
use shared_types::Reference;
use std::sync::Arc;

/// An error of the module.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Nothing of its own.
    #[error(transparent)]
    Fault(Fault),
    /// There is no such reservation.
    #[error("reservation {0} does not exist")]
    UnknownReservation(Reference),
    /// Stock cannot be held.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The reservation's life does not allow it.
    #[error(transparent)]
    InvalidTransition(#[from] InvalidTransition),
    /// Another request has just made a reservation of this reference: looked at again, it is there.
    #[error("the reservation has just been made by another request")]
    DuplicateRequest,
    /// The stock of a product cannot move like that.
    #[error(transparent)]
    Stock(stock::Error),
    /// The batch the request was in failed as a whole.
    #[error(transparent)]
    Batch(Arc<Error>),
}

module_error!(batched Error, "reservations_pkey" => DuplicateRequest);

impl Error {
    /// The error as the client sees it.
    pub fn problem(&self) -> Problem {
        let unprocessable = |slug, title| Problem::new(StatusCode::UNPROCESSABLE_ENTITY, slug, title, self);
        match self {
            Self::Fault(fault) => fault.problem(),
            Self::UnknownReservation(id) => Problem::not_found(format!("reservation {id}")),
            Self::Refused(Refusal::Insufficient(short)) => insufficient_stock(self, short),
            Self::Refused(Refusal::UnknownProducts(_)) => unprocessable("unknown-product", "Unknown product"),
            Self::Refused(Refusal::Mismatch(_)) => unprocessable("reservation-mismatch", "Reservation mismatch"),
            Self::InvalidTransition(_) => {
                Problem::new(StatusCode::CONFLICT, "invalid-transition", "Invalid transition", self)
            }
            Self::DuplicateRequest => Problem::unavailable(self),
            Self::Stock(error) => error.problem(),
            Self::Batch(error) => error.problem(),
        }
    }

    /// What becomes of a message whose handling failed with this.
    pub fn decision(&self) -> Decision {
        match self {
            Self::Fault(fault) => fault.decision(),
            // A late message: the reservation went another way, or there never was one.
            Self::UnknownReservation(_) | Self::InvalidTransition(_) => Decision::Ack,
            Self::DuplicateRequest => Decision::Retry,
            Self::Refused(_) => Decision::DeadLetter,
            Self::Stock(error) => error.decision(),
            Self::Batch(error) => error.decision(),
        }
    }

    /// Whose doing it is when a batch fails with this.
    pub fn blame(&self) -> Blame {
        match self {
            Self::Fault(fault) => fault.blame(),
            Self::DuplicateRequest => Blame::Nobody,
            _ => Blame::Somebody,
        }
    }
}

impl From<stock::Error> for Error {
    fn from(error: stock::Error) -> Self {
        match error {
            stock::Error::Fault(fault) => fault.into(),
            error => Self::Stock(error),
        }
    }
}
