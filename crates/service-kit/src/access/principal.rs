//! Who makes a request.

use ipnet::IpNet;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;
use utoipa::ToSchema;
use uuid::Uuid;

/// Who makes a request. Every request has one, which the server puts there.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub enum Principal {
    /// Somebody who does not say who they are.
    #[default]
    Nobody,
    /// Who calls from this machine without a token, where that is let in (`ACCESS=local`). May do what an administrator may.
    LocalOperator,
    /// A person, by a token of theirs or by an API key that they made.
    User(Arc<User>),
    /// One of our services, by its name.
    Service(Arc<str>),
}

/// A person, as their token describes them.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct User {
    /// The `sub` of the token.
    pub id: Uuid,
    /// The `sid` of the token: the session that it belongs to.
    pub session: Option<Uuid>,
    /// What they are.
    pub roles: BTreeSet<Role>,
    /// When they last proved who they are, in seconds since 1970 (`auth_time`).
    pub authenticated_at: Option<i64>,
    /// The API key, where a program acts for them.
    pub key: Option<ApiKey>,
}

/// An API key: a program gets what both its owner's roles and its scopes allow.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ApiKey {
    /// Its id, the `client_id` of the token.
    pub id: Uuid,
    /// What it is for, such as `orders:read`.
    pub scopes: BTreeSet<String>,
    /// From where it may be used; from everywhere where there are none.
    pub networks: Vec<IpNet>,
}

/// What a person is to the shop.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "UPPERCASE")]
pub enum Role {
    /// Buys.
    Customer,
    /// Sells products of their own in the shop.
    Seller,
    /// Runs the shop.
    Admin,
}

impl Role {
    /// Every role.
    pub const ALL: [Self; 3] = [Self::Customer, Self::Seller, Self::Admin];

    /// As tokens and the API write it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Customer => "CUSTOMER",
            Self::Seller => "SELLER",
            Self::Admin => "ADMIN",
        }
    }
}

impl Principal {
    /// The person, if it is one.
    pub fn user(&self) -> Option<&User> {
        match self {
            Self::User(user) => Some(user),
            Self::Nobody | Self::LocalOperator | Self::Service(_) => None,
        }
    }

    /// Whether it may make a request from there: an API key with networks may from these alone.
    pub fn may_come_from(&self, client: impl FnOnce() -> IpAddr) -> bool {
        let networks = self.user().and_then(|user| user.key.as_ref()).map_or(&[][..], |key| &key.networks);
        networks.is_empty() || {
            let client = client();
            networks.iter().any(|network| network.contains(&client))
        }
    }

    /// Whether it may see how the service itself is doing: the local operator, or an administrator in person.
    pub fn is_operator(&self) -> bool {
        match self {
            Self::LocalOperator => true,
            Self::User(user) => user.key.is_none() && user.roles.contains(&Role::Admin),
            Self::Nobody | Self::Service(_) => false,
        }
    }

    /// Its name in records of what was done: `operator`, `nobody`, or `user:`, `key:` or `service:` and which one.
    pub fn name(&self) -> String {
        match self {
            Self::Nobody => "nobody".to_owned(),
            Self::LocalOperator => "operator".to_owned(),
            Self::User(_) | Self::Service(_) => self.owner_of_answers(),
        }
    }

    /// The name under which what was answered is kept, so that nobody gets the answer to somebody else. Empty for requests
    /// without a token: builds that knew no principals kept their answers so.
    pub fn owner_of_answers(&self) -> String {
        match self {
            Self::Nobody | Self::LocalOperator => String::new(),
            Self::User(user) => match &user.key {
                Some(key) => format!("key:{}", key.id),
                None => format!("user:{}", user.id),
            },
            Self::Service(name) => format!("service:{name}"),
        }
    }
}
