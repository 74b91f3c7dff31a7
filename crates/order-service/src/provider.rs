//! What the providers of e-mail and SMS have in common: how they answer.

use std::time::Duration;

/// A provider has taken the message.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Taken {
    /// What the provider calls it, for its later reports.
    pub provider_id: Option<String>,
}

/// Why a provider did not take a message. The texts name no address and no number.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum SendError {
    /// This message can never be sent.
    #[error("refused: {0}")]
    Refused(String),
    /// This message cannot be sent now; the attempt counts.
    #[error("put off: {reason}")]
    PutOff {
        /// What the provider said.
        reason: String,
        /// How long it wants to be left alone with it.
        retry_after: Option<Duration>,
    },
    /// The provider is away, or takes nothing from anybody; no message's attempt.
    #[error("unavailable: {reason}")]
    Unavailable {
        /// What is wrong.
        reason: String,
        /// How long it wants to be left alone.
        retry_after: Option<Duration>,
    },
}
