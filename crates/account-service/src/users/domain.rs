//! What a person is to the service.

use serde::{Deserialize, Serialize};
use service_kit::access::Role;
use service_kit::contact::EmailAddress;
use std::collections::BTreeSet;
use time::OffsetDateTime;
use utoipa::ToSchema;
use uuid::Uuid;

/// Whether somebody may log in.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "UPPERCASE")]
pub enum Status {
    /// May.
    Active,
    /// May not, until an administrator says otherwise.
    Disabled,
    /// Nothing personal is left.
    Erased,
}

impl Status {
    /// Every status.
    pub const ALL: [Self; 3] = [Self::Active, Self::Disabled, Self::Erased];

    /// As the table and the API write it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Active => "ACTIVE",
            Self::Disabled => "DISABLED",
            Self::Erased => "ERASED",
        }
    }

    /// The status of this name; what the table cannot hold counts as disabled.
    pub fn of(name: &str) -> Self {
        Self::ALL.into_iter().find(|status| status.name() == name).unwrap_or(Self::Disabled)
    }
}

/// The role of this name.
pub fn role_of(name: &str) -> Option<Role> {
    Role::ALL.into_iter().find(|role| role.name() == name)
}

/// A person as the API shows them.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct User {
    /// The `sub` of their tokens.
    pub id: Uuid,
    /// Where to write to; null once the account is erased.
    #[schema(required, example = "ada@example.com")]
    pub email: Option<String>,
    /// Their name.
    #[schema(required, example = "Ada Lovelace")]
    pub name: Option<String>,
    /// Where to call.
    #[schema(required, example = "+44 20 7946 0000")]
    pub phone: Option<String>,
    /// What they are to the shop.
    pub roles: BTreeSet<Role>,
    /// Whether they may log in.
    pub status: Status,
    /// Whether they have shown that they read mail to the address.
    pub email_verified: bool,
    /// When the account was made.
    #[serde(with = "shared_types::times")]
    pub created_at: OffsetDateTime,
    /// Its version, the ETag.
    #[serde(skip)]
    pub version: i64,
}

/// An account that is to be made.
#[derive(Clone, Debug)]
pub struct NewUser {
    /// Its id.
    pub id: Uuid,
    /// Where to write to.
    pub email: EmailAddress,
    /// Their name.
    pub name: Option<String>,
    /// Where to call.
    pub phone: Option<String>,
    /// What they are to the shop.
    pub roles: BTreeSet<Role>,
    /// When the address was verified, where it was.
    pub verified_at: Option<OffsetDateTime>,
}
