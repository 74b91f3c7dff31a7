//! What can go wrong when somebody asks about a token, and the two places that say what becomes of it.

use super::domain::FormFault;
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
    /// A form at fault.
    #[error(transparent)]
    Form(#[from] FormFault),
    /// An API key, or a token of one, which cannot be taken back alone.
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
            Self::Form(FormFault::NoToken) => self.of_form("no-token", "No token", "invalid_request"),
            Self::Form(FormFault::TooLong) => self.of_form("token-too-long", "Token too long", "invalid_request"),
            Self::OfApiKey => {
                self.of_form("unsupported-token-type", "Unsupported token type", "unsupported_token_type")
            }
            Self::Unknown(fault) => fault.problem(),
        }
    }

    /// As clients of OAuth read it (RFC 6749, 5.2; RFC 7009, 2.2.1).
    fn of_form(&self, slug: &str, title: &'static str, code: &str) -> Problem {
        let problem = Problem::new(StatusCode::BAD_REQUEST, slug, title, self);
        problem.with(&json!({"error": code, "error_description": self.to_string()}))
    }

    /// What becomes of a message whose handling failed with this.
    pub fn decision(&self) -> Decision {
        match self {
            Self::Fault(fault) => fault.decision(),
            Self::Form(_) | Self::OfApiKey | Self::Unknown(_) => Decision::DeadLetter,
        }
    }
}
