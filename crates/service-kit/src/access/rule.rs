//! The rule of a route: who is let in, and to which rows.

use super::{Principal, Role, Scope};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;

/// Which rows somebody reaches by a route.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Reach {
    /// None: the route refuses them.
    #[default]
    None,
    /// Their own.
    Own,
    /// All.
    All,
}

/// Who may call a route, and which rows they reach. An administrator and the local operator may call every route but
/// those of services alone.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Access {
    /// Without a token.
    pub nobody: Reach,
    /// Without a token where guests may order (`GUEST_ORDERS`).
    pub guests: bool,
    /// With the role CUSTOMER.
    pub customer: Reach,
    /// With the role SELLER.
    pub seller: Reach,
    /// With the role ADMIN.
    pub admin: Reach,
    /// Our services that are let in, by name.
    pub services: Cow<'static, [Cow<'static, str>]>,
    /// What an API key must be for; without one no API key is let in.
    pub scope: Option<Cow<'static, str>>,
}

impl Access {
    const NONE: Self = Self {
        nobody: Reach::None,
        guests: false,
        customer: Reach::None,
        seller: Reach::None,
        admin: Reach::None,
        services: Cow::Borrowed(&[]),
        scope: None,
    };

    /// Everybody, with a token or without.
    pub const PUBLIC: Self =
        Self { nobody: Reach::All, customer: Reach::All, seller: Reach::All, admin: Reach::All, ..Self::NONE };

    /// Administrators alone.
    pub const OPERATORS: Self = Self { admin: Reach::All, ..Self::NONE };

    /// Customers for what is theirs, administrators for everything.
    pub const OWNERS: Self = Self { customer: Reach::Own, admin: Reach::All, ..Self::NONE };

    /// Whoever has an account, for what is theirs.
    pub const SELF: Self = Self { customer: Reach::Own, seller: Reach::Own, admin: Reach::Own, ..Self::NONE };

    /// One of our services, and administrators.
    pub const fn service(name: &'static [Cow<'static, str>]) -> Self {
        Self { admin: Reach::All, services: Cow::Borrowed(name), ..Self::NONE }
    }

    /// … and sellers, for what is theirs.
    pub fn and_sellers(self) -> Self {
        Self { seller: Reach::Own, ..self }
    }

    /// … and guests, where they may order.
    pub fn and_guests(self) -> Self {
        Self { guests: true, ..self }
    }

    /// … and API keys with this scope, for what their owners may.
    pub fn with_scope(self, scope: &'static str) -> Self {
        Self { scope: Some(Cow::Borrowed(scope)), ..self }
    }
}

/// Why somebody is not let in.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Refusal {
    /// They have to say who they are.
    Unauthenticated,
    /// They may not.
    Forbidden,
}

impl Access {
    /// What the principal may see by the route; the widest of what their roles give.
    pub fn decide(&self, principal: &Principal, guests_may_order: bool) -> Result<Scope, Refusal> {
        let reach = match principal {
            Principal::Nobody if self.guests && guests_may_order => Reach::All,
            Principal::Nobody => self.nobody,
            Principal::LocalOperator => self.admin,
            Principal::User(user) => {
                let key_lets_in = user.key.as_ref().is_none_or(|key| {
                    self.nobody == Reach::All || self.scope.as_deref().is_some_and(|scope| key.scopes.contains(scope))
                });
                let widest = user.roles.iter().map(|role| self.reach_of(*role)).max().unwrap_or_default();
                if key_lets_in { widest.max(self.nobody) } else { Reach::None }
            }
            Principal::Service(name) if self.services.iter().any(|service| **service == **name) => Reach::All,
            Principal::Service(_) => self.nobody,
        };
        let refusal = if *principal == Principal::Nobody { Refusal::Unauthenticated } else { Refusal::Forbidden };
        Scope::of(reach, principal).ok_or(refusal)
    }

    fn reach_of(&self, role: Role) -> Reach {
        match role {
            Role::Customer => self.customer,
            Role::Seller => self.seller,
            Role::Admin => self.admin,
        }
    }
}
