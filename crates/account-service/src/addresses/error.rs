//! What can go wrong with addresses, and the two places that say what becomes of it: for a client, and for a message.

use super::domain::MOST_ADDRESSES;
use axum::http::StatusCode;
use service_kit::consumer::Decision;
use service_kit::fault::Fault;
use service_kit::module_error;
use service_kit::problem::Problem;
use uuid::Uuid;

/// An error of the module.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Nothing of its own.
    #[error(transparent)]
    Fault(Fault),
    /// The caller has no such address, whether or not somebody else has.
    #[error("address {0} does not exist")]
    UnknownAddress(Uuid),
    /// The account of the caller is not there any more.
    #[error("the account does not exist")]
    UnknownAccount,
    /// The caller has as many as a person may have.
    #[error("an account has at most {MOST_ADDRESSES} addresses; delete one first")]
    TooMany,
}

module_error!(Error);

impl Error {
    /// The error as the client sees it.
    pub fn problem(&self) -> Problem {
        match self {
            Self::Fault(fault) => fault.problem(),
            Self::UnknownAddress(id) => Problem::not_found(format!("address {id}")),
            Self::UnknownAccount => Problem::not_found("the account"),
            Self::TooMany => Problem::new(StatusCode::CONFLICT, "too-many-addresses", "Too many addresses", self),
        }
    }

    /// What becomes of a message whose handling failed with this.
    pub fn decision(&self) -> Decision {
        match self {
            Self::Fault(fault) => fault.decision(),
            Self::UnknownAddress(_) | Self::UnknownAccount | Self::TooMany => Decision::DeadLetter,
        }
    }
}
