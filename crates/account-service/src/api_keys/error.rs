//! What can go wrong with API keys, and the two places that say what becomes of it: for a client, and for a message.

use super::domain::MOST_KEYS;
use super::domain::grant::Refused;
use axum::http::StatusCode;
use serde_json::json;
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
    /// The caller has no such key, whether or not somebody else has.
    #[error("API key {0} does not exist")]
    UnknownKey(Uuid),
    /// The account of the caller is not there any more.
    #[error("the account does not exist")]
    UnknownAccount,
    /// The caller has as many as a person may have.
    #[error("an account has at most {MOST_KEYS} API keys; delete one first")]
    TooMany,
    /// The caller logged in too long ago for something that outlasts their session.
    #[error("an API key is made within ten minutes of logging in; log in again")]
    LogInAgain,
    /// There is no token for this.
    #[error(transparent)]
    NoToken(Refused),
}

module_error!(Error);

impl Error {
    /// The error as the client sees it.
    pub fn problem(&self) -> Problem {
        match self {
            Self::Fault(fault) => fault.problem(),
            Self::UnknownKey(id) => Problem::not_found(format!("API key {id}")),
            Self::UnknownAccount => Problem::not_found("the account"),
            Self::TooMany => Problem::new(StatusCode::CONFLICT, "too-many-api-keys", "Too many API keys", self),
            Self::LogInAgain => {
                let mut problem = Problem::new(StatusCode::UNAUTHORIZED, "log-in-again", "Log in again", self);
                // RFC 9470, 3.
                problem.challenge = Some("Bearer error=\"insufficient_user_authentication\", max_age=600");
                problem
            }
            Self::NoToken(refused) => {
                let problem = match refused {
                    Refused::Client => Problem::unauthenticated(refused),
                    Refused::Request | Refused::GrantType | Refused::Scope => {
                        Problem::new(StatusCode::BAD_REQUEST, "no-token", "No token", refused)
                    }
                };
                // As clients of OAuth read it (RFC 6749, 5.2).
                problem.with(&json!({"error": refused.code(), "error_description": refused.to_string()}))
            }
        }
    }

    /// What becomes of a message whose handling failed with this.
    pub fn decision(&self) -> Decision {
        match self {
            Self::Fault(fault) => fault.decision(),
            Self::UnknownKey(_) | Self::UnknownAccount | Self::TooMany | Self::LogInAgain | Self::NoToken(_) => {
                Decision::DeadLetter
            }
        }
    }
}
