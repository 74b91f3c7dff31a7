//! What can go wrong with sessions, and the two places that say what becomes of it.

use crate::guesses::too_many;
use crate::passwords::Unhashed;
use crate::sealing::Unsealable;
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
    /// Somebody cannot log in. Why is nobody's business.
    #[error("the e-mail address or the password is wrong, or the account cannot log in")]
    NoLogIn,
    /// A refresh token is not good, or its session is over.
    #[error("the refresh token is not good any more; log in again")]
    NoSession,
    /// Too many tries; the next is possible after so many seconds.
    #[error("too many tries")]
    Wait(u32),
    /// There is no such session of theirs.
    #[error("session {0} does not exist")]
    UnknownSession(Uuid),
}

module_error!(Error);

impl Error {
    /// The error as the client sees it.
    pub fn problem(&self) -> Problem {
        match self {
            Self::Fault(fault) => fault.problem(),
            Self::NoLogIn | Self::NoSession => {
                let mut problem = Problem::new(StatusCode::UNAUTHORIZED, "unauthenticated", "Unauthenticated", self);
                problem.challenge = Some("Bearer");
                problem
            }
            Self::Wait(seconds) => too_many(*seconds),
            Self::UnknownSession(id) => Problem::not_found(format!("session {id}")),
        }
    }

    /// What becomes of a message whose handling failed with this.
    pub fn decision(&self) -> Decision {
        match self {
            Self::Fault(fault) => fault.decision(),
            Self::NoLogIn | Self::NoSession | Self::Wait(_) | Self::UnknownSession(_) => Decision::DeadLetter,
        }
    }
}

impl From<Unhashed> for Error {
    fn from(unhashed: Unhashed) -> Self {
        Self::Fault(unhashed.into())
    }
}

impl From<Unsealable> for Error {
    fn from(unsealable: Unsealable) -> Self {
        Self::Fault(unsealable.into())
    }
}
