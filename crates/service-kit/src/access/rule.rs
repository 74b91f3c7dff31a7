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

/// Who may call a route, and which rows they reach. The local operator may call what an administrator may, and what services
/// may.
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

    /// Customers alone, for what is theirs.
    pub const CUSTOMERS: Self = Self { customer: Reach::Own, ..Self::NONE };

    /// Whoever has an account, for what is theirs.
    pub const SELF: Self = Self { customer: Reach::Own, seller: Reach::Own, admin: Reach::Own, ..Self::NONE };

    /// One of our services, and administrators.
    pub const fn service(name: &'static [Cow<'static, str>]) -> Self {
        Self { admin: Reach::All, services: Cow::Borrowed(name), ..Self::NONE }
    }

    /// One of our services, and nobody else who has a token.
    pub const fn internal(name: &'static [Cow<'static, str>]) -> Self {
        Self { services: Cow::Borrowed(name), ..Self::NONE }
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
            // Services that share a machine need no keys where its own programs are let in.
            Principal::LocalOperator if !self.services.is_empty() => Reach::All,
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

#[cfg(test)]
mod tests {
    use super::{Access, Reach, Refusal};
    use crate::access::{ApiKey, Principal, Role, User};
    use std::borrow::Cow;
    use std::sync::Arc;
    use uuid::Uuid;

    const ORDER_SERVICE: &[Cow<'static, str>] = &[Cow::Borrowed("order-service")];

    fn user(roles: &[Role], scopes: Option<&[&str]>) -> Principal {
        let key = scopes.map(|scopes| scopes.iter().map(|scope| (*scope).to_owned()).collect()).map(|scopes| ApiKey {
            id: Uuid::nil(),
            scopes,
            networks: Vec::new(),
        });
        let roles = roles.iter().copied().collect();
        Principal::User(Arc::new(User { id: Uuid::max(), session: None, roles, authenticated_at: None, key }))
    }

    fn callers() -> [(&'static str, Principal); 11] {
        use Role::{Admin, Customer, Seller};
        let service = |name: &str| Principal::Service(name.into());
        [
            ("nobody", Principal::Nobody),
            ("operator", Principal::LocalOperator),
            ("customer", user(&[Customer], None)),
            ("seller", user(&[Seller], None)),
            ("administrator", user(&[Admin], None)),
            ("customer and administrator", user(&[Customer, Admin], None)),
            ("person without a role", user(&[], None)),
            ("key of a customer", user(&[Customer], Some(&["orders:read"]))),
            ("other key of an administrator", user(&[Admin], Some(&["orders:place"]))),
            ("order-service", service("order-service")),
            ("other service", service("mail-service")),
        ]
    }

    /// What each caller reaches, in the order of [`callers`]: all rows, their own, none for want of a token, or none.
    fn reached(access: &Access, guests_may_order: bool) -> String {
        let reach = |(_, principal): (&str, Principal)| match access.decide(&principal, guests_may_order) {
            Ok(scope) if scope.owner().is_none() => '*',
            Ok(scope) if scope.owner() == Some(Uuid::max()) => 'o',
            Ok(_) => '?',
            Err(Refusal::Unauthenticated) => 't',
            Err(Refusal::Forbidden) => '-',
        };
        callers().map(reach).iter().collect()
    }

    #[test]
    fn each_caller_reaches_what_the_rule_gives() {
        let owners = Access::OWNERS.with_scope("orders:read");
        for (what, access, expected) in [
            ("nobody is let in by no rule", Access::default(), "t----------"),
            ("everybody", Access::PUBLIC, "***********"),
            ("administrators", Access::OPERATORS, "t*--**-----"),
            ("owners", Access::OWNERS, "t*o-**-----"),
            ("owners, and keys that read orders", owners.clone(), "t*o-**-o---"),
            ("guests", owners.clone().and_guests(), "t*o-**-o---"),
            ("sellers", Access::OPERATORS.and_sellers(), "t*-o**-----"),
            ("people, for what is theirs", Access::SELF, "t-oooo-----"),
            ("order-service", Access::service(ORDER_SERVICE), "t*--**---*-"),
            ("order-service alone", Access::internal(ORDER_SERVICE), "t*-------*-"),
        ] {
            assert_eq!(reached(&access, false), expected, "{what}");
        }
        assert_eq!(reached(&owners.and_guests(), true), "**o-**-o---");
        assert_eq!(reached(&Access::OWNERS, true), "t*o-**-----", "only where guests may");
    }

    #[test]
    fn a_rule_survives_the_document() {
        let rule = Access::service(ORDER_SERVICE).and_sellers().and_guests().with_scope("a:b");
        let written = serde_json::to_value(&rule).unwrap();
        assert_eq!(serde_json::from_value::<Access>(written).unwrap(), rule);
        let empty: Access = serde_json::from_str("{}").unwrap();
        assert_eq!((empty.admin, empty.nobody), (Reach::None, Reach::None));
    }
}
