//! What an entry says. It names people by their ids alone, so that it may stay when an account is erased.

use serde::Serialize;
use service_kit::access::Principal;
use std::fmt::{self, Display};
use time::OffsetDateTime;
use utoipa::ToSchema;
use uuid::Uuid;

/// What was done.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Action {
    /// An account was made.
    Registered,
    /// The address was verified.
    Verified,
    /// A session began.
    LoggedIn,
    /// A session was ended by its person.
    LoggedOut,
    /// A used refresh token came again: the session was ended.
    TokenReused,
    /// The password was changed by its person.
    PasswordChanged,
    /// A code to set a new password was asked for.
    ResetRequested,
    /// The password was set with a code.
    PasswordReset,
    /// Name or telephone number were changed.
    ProfileChanged,
    /// The roles were changed.
    RolesChanged,
    /// The account may no longer log in.
    Disabled,
    /// The account may log in again.
    Enabled,
    /// Everything personal was removed.
    Erased,
    /// An API key was made; the detail is its id.
    KeyMade,
    /// An API key was ended; the detail is its id.
    KeyEnded,
    /// The keys that sign tokens were revoked and a new one made; the detail is how many were revoked. About no account.
    SigningKeysRotated,
}

impl Action {
    /// As entries write it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Registered => "registered",
            Self::Verified => "verified",
            Self::LoggedIn => "logged-in",
            Self::LoggedOut => "logged-out",
            Self::TokenReused => "token-reused",
            Self::PasswordChanged => "password-changed",
            Self::ResetRequested => "reset-requested",
            Self::PasswordReset => "password-reset",
            Self::ProfileChanged => "profile-changed",
            Self::RolesChanged => "roles-changed",
            Self::Disabled => "disabled",
            Self::Enabled => "enabled",
            Self::Erased => "erased",
            Self::KeyMade => "key-made",
            Self::KeyEnded => "key-ended",
            Self::SigningKeysRotated => "signing-keys-rotated",
        }
    }
}

/// Who did it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Actor {
    /// A person, by their account.
    User(Uuid),
    /// Who may use the machine.
    Operator,
    /// Somebody who was not logged in.
    Nobody,
}

impl Actor {
    /// Who makes a request.
    pub fn of(principal: &Principal) -> Self {
        match principal {
            Principal::User(user) => Self::User(user.id),
            Principal::LocalOperator => Self::Operator,
            Principal::Nobody | Principal::Service(_) => Self::Nobody,
        }
    }
}

impl Display for Actor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::User(id) => write!(f, "user:{id}"),
            Self::Operator => f.write_str("operator"),
            Self::Nobody => f.write_str("nobody"),
        }
    }
}

/// An entry as administrators see it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Entry {
    /// Its number; there are no gaps.
    #[schema(example = 1)]
    pub id: i64,
    /// When it was done.
    #[serde(with = "shared_types::times")]
    pub at: OffsetDateTime,
    /// Who did it: `user:` and an id, `operator` or `nobody`.
    #[schema(example = "operator")]
    pub actor: String,
    /// What was done.
    #[schema(example = "roles-changed")]
    pub action: String,
    /// To whose account; the nil UUID where it is about none.
    pub user_id: Uuid,
    /// More about it.
    #[schema(required, example = "CUSTOMER, ADMIN")]
    pub detail: Option<String>,
}
