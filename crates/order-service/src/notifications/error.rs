//! What can go wrong with notifications, and the two places that say what becomes of it: for a client, and for a message.

use axum::http::StatusCode;
use service_kit::batcher::Blame;
use service_kit::consumer::Decision;
use service_kit::fault::Fault;
use service_kit::module_error;
use service_kit::problem::Problem;

/// How a provider says that a report is its own: by the secret in the header of this name.
const WEBHOOK_CHALLENGE: &str = "X-Webhook-Secret realm=\"reports of the provider\"";

/// An error of the module.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Nothing of its own.
    #[error(transparent)]
    Fault(Fault),
    /// There is no such message.
    #[error("notification {0} does not exist")]
    UnknownNotification(i64),
    /// A message that cannot be sent again.
    #[error("it cannot be sent again: {0}")]
    CannotResend(String),
    /// A report of a provider came without the secret.
    #[error("{0}")]
    Unauthorized(&'static str),
    /// The messages of an event are in the log already, though the inbox has forgotten it.
    #[error("the messages of the event are written already")]
    AlreadyWritten,
}

module_error!(Error);

impl Error {
    /// The error as the client sees it.
    pub fn problem(&self) -> Problem {
        match self {
            Self::Fault(fault) => fault.problem(),
            Self::UnknownNotification(id) => Problem::not_found(format!("notification {id}")),
            Self::CannotResend(_) => Problem::new(StatusCode::CONFLICT, "cannot-resend", "Cannot be sent again", self),
            Self::Unauthorized(_) => Problem::unauthorized(WEBHOOK_CHALLENGE, self),
            Self::AlreadyWritten => Problem::unexpected(self),
        }
    }

    /// What becomes of a message whose handling failed with this.
    pub fn decision(&self) -> Decision {
        match self {
            Self::Fault(fault) => fault.decision(),
            Self::AlreadyWritten => Decision::Ack,
            Self::UnknownNotification(_) | Self::CannotResend(_) | Self::Unauthorized(_) => Decision::DeadLetter,
        }
    }

    /// Whose doing it is when a batch fails with this.
    pub fn blame(&self) -> Blame {
        match self {
            Self::Fault(fault) => fault.blame(),
            _ => Blame::Somebody,
        }
    }
}
