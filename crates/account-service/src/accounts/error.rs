//! What can go wrong with accounts, and the two places that say what becomes of it.

use crate::guesses::too_many;
use crate::passwords::Unhashed;
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
    /// There is no such account, or nothing is left of it.
    #[error("account {0} does not exist")]
    UnknownAccount(Uuid),
    /// The address has an account. Only where registration is immediate.
    #[error("the e-mail address has an account already")]
    Taken,
    /// A code is wrong, used, or too old. Which is nobody's business.
    #[error("the code is wrong, was used, or is older than 10 minutes; ask for a new one")]
    BadCode,
    /// Too many tries; the next is possible after so many seconds.
    #[error("too many tries")]
    Wait(u32),
    /// The caller has to log in again before this.
    #[error("this needs a log-in of the last 10 minutes; log in again")]
    LogInAgain,
    /// An administrator cannot do this to their own account.
    #[error("this cannot be done to one's own account")]
    OwnAccount,
    /// No password is set for a disabled account.
    #[error("the account is disabled: a code would not set a password; enable the account first")]
    Disabled,
    /// Nothing can be done with an erased account.
    #[error("the account is erased")]
    Erased,
}

module_error!(Error);

impl Error {
    /// The error as the client sees it.
    pub fn problem(&self) -> Problem {
        match self {
            Self::Fault(fault) => fault.problem(),
            Self::UnknownAccount(id) => Problem::not_found(format!("account {id}")),
            Self::Taken => Problem::new(StatusCode::CONFLICT, "address-taken", "Address taken", self),
            Self::BadCode => Problem::new(StatusCode::BAD_REQUEST, "bad-code", "Bad code", self),
            Self::Wait(seconds) => too_many(*seconds),
            Self::LogInAgain => {
                let mut problem = Problem::new(StatusCode::UNAUTHORIZED, "log-in-again", "Log in again", self);
                // RFC 9470, 3.
                problem.challenge = Some("Bearer error=\"insufficient_user_authentication\", max_age=600");
                problem
            }
            Self::OwnAccount => Problem::new(StatusCode::CONFLICT, "own-account", "Own account", self),
            Self::Disabled => Problem::new(StatusCode::CONFLICT, "account-disabled", "Account disabled", self),
            Self::Erased => Problem::new(StatusCode::CONFLICT, "account-erased", "Account erased", self),
        }
    }

    /// What becomes of a message whose handling failed with this.
    pub fn decision(&self) -> Decision {
        match self {
            Self::Fault(fault) => fault.decision(),
            Self::UnknownAccount(_)
            | Self::Taken
            | Self::BadCode
            | Self::Wait(_)
            | Self::LogInAgain
            | Self::OwnAccount
            | Self::Disabled
            | Self::Erased => Decision::DeadLetter,
        }
    }
}

impl From<Unhashed> for Error {
    fn from(unhashed: Unhashed) -> Self {
        Self::Fault(unhashed.into())
    }
}
