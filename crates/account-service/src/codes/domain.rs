//! What a code looks like, and what it is good for.

use crate::sealing::{Unsealable, random};
use serde::Serialize;
use service_kit::typed_code;
use time::{Duration, OffsetDateTime};
use utoipa::ToSchema;

/// Minutes for which a code is good.
pub const VALID_MINUTES: i64 = 10;

/// Wrong codes after which the right one is no longer taken.
pub const TRIES: i32 = 5;

/// No two codes of one purpose are sent to a person within this time, whoever asks for them.
pub const PAUSE: Duration = Duration::MINUTE;

/// What a code is good for, and nothing else.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Purpose {
    /// Showing that one reads mail to the address.
    Verify,
    /// Setting a new password.
    Reset,
    /// Nothing: the mail says that the address has an account already.
    Known,
}

impl Purpose {
    /// As the table and events write it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Verify => "VERIFY",
            Self::Reset => "RESET",
            Self::Known => "KNOWN",
        }
    }
}

/// A new code as people read it: `7K2M-Q9XB`. It has 40 bits, of which nobody gets further than [`TRIES`].
pub fn generate() -> Result<String, Unsealable> {
    Ok(typed_code::written(random()?))
}

/// A code as order-service gets it for the mail.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct TakenCode {
    /// The code.
    #[schema(example = "7K2M-Q9XB")]
    pub code: String,
    /// What it is good for.
    #[schema(example = "VERIFY")]
    pub purpose: String,
    /// Until when.
    #[serde(with = "shared_types::times")]
    pub expires_at: OffsetDateTime,
}
