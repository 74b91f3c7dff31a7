//! What can go wrong when somebody asks about a token, and the two places that say what becomes of it.

use axum::http::StatusCode;
use serde_json::json;
use service_kit::access::tokens::TokenFault;
use service_kit::consumer::Decision;
use service_kit::fault::Fault;
use service_kit::module_error;
use service_kit::problem::Problem;

/// An error of the module.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Nothing of its own.
    #[error(transparent)]
    Fault(Fault),
    /// A form that names no token.
    #[error("the form needs token, once")]
    NoToken,
    /// A token that cannot be taken back alone.
    #[error("it belongs to an API key, whose owner ends that by DELETE /api/api-keys/{{id}}")]
    OfApiKey,
    /// The keys of the issuer are not there yet.
    #[error(transparent)]
    Unknown(TokenFault),
}

module_error!(Error);

impl Error {
    /// The error as the client sees it.
    pub fn problem(&self) -> Problem {
        match self {
            Self::Fault(fault) => fault.problem(),
            Self::NoToken => self.of_form("invalid_request"),
            Self::OfApiKey => self.of_form("unsupported_token_type"),
            Self::Unknown(fault) => fault.problem(),
        }
    }

    /// As clients of OAuth read it (RFC 6749, 5.2; RFC 7009, 2.2.1).
    fn of_form(&self, code: &str) -> Problem {
        let problem = Problem::new(StatusCode::BAD_REQUEST, "no-token", "No token", self);
        problem.with(&json!({"error": code, "error_description": self.to_string()}))
    }

    /// What becomes of a message whose handling failed with this.
    pub fn decision(&self) -> Decision {
        match self {
            Self::Fault(fault) => fault.decision(),
            Self::NoToken | Self::OfApiKey | Self::Unknown(_) => Decision::DeadLetter,
        }
    }
}
