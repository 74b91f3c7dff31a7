//! What an API key is, and what may be asked of one.

pub mod grant;

use crate::users::role_of;
use core::net::IpAddr;
use ipnet::IpNet;
use serde::{Deserialize, Serialize};
use service_kit::access::{KEY_SCOPES, Role, User};
use service_kit::body::Body;
use service_kit::validation::FieldErrors;
use std::collections::BTreeSet;
use time::OffsetDateTime;
use utoipa::ToSchema;
use utoipa::openapi::schema::{Array, ArrayBuilder, ObjectBuilder, SchemaType, Type};
use uuid::Uuid;

/// Most keys of one person.
pub const MOST_KEYS: i64 = 50;

/// Most networks of one key.
const MOST_NETWORKS: usize = 16;

/// Longest text of a network.
const LONGEST_NETWORK: usize = 49;

/// An API key, without what is secret about it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ApiKey {
    /// Its id, the `client_id` of its tokens.
    pub id: Uuid,
    /// What its owner calls it.
    #[schema(example = "Warehouse scanner")]
    pub name: String,
    /// The roles in which it acts, as far as its owner still has them.
    #[schema(value_type = Vec<Role>)]
    pub roles: Vec<String>,
    /// What it is for.
    #[schema(example = json!(["orders:read"]))]
    pub scopes: Vec<String>,
    /// Addresses and networks from which it may be used; from everywhere where there are none.
    #[schema(example = json!([]))]
    pub networks: Vec<String>,
    /// When it ends by itself.
    #[serde(with = "shared_types::times::option")]
    pub expires_at: Option<OffsetDateTime>,
    /// When it was last used, to the minute.
    #[serde(with = "shared_types::times::option")]
    pub last_used_at: Option<OffsetDateTime>,
    /// When it was made.
    #[serde(with = "shared_types::times")]
    pub created_at: OffsetDateTime,
}

/// A key that was just made.
#[derive(Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct NewApiKey {
    /// The key.
    #[serde(flatten)]
    pub key: ApiKey,
    /// Its text, which is never shown again: null where the answer is repeated for an `Idempotency-Key`.
    #[schema(example = "oms_01936f5e7c3a7b1e8a4e3f1d2c5b6a70_0123456789abcdefghijABCDEFGHIJxy_5c2d0a7e")]
    pub secret: Option<String>,
}

/// The body that makes a key.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(example = json!({"name": "Warehouse scanner", "roles": ["CUSTOMER"], "scopes": ["orders:read"]}))]
pub struct ApiKeyBody {
    /// What its owner calls it.
    #[schema(required, nullable = false, max_length = 100)]
    pub name: Option<String>,
    /// The roles in which it acts, among one's own.
    #[schema(value_type = Vec<Role>, required, nullable = false, min_items = 1, max_items = 3)]
    pub roles: Option<Vec<String>>,
    /// What it is for.
    #[schema(required, nullable = false, schema_with = scopes_schema)]
    pub scopes: Option<Vec<String>>,
    /// When it ends by itself, in the future.
    #[schema(format = DateTime)]
    pub expires_at: Option<String>,
    /// Addresses and networks from which it may be used, such as 192.0.2.7 and 2001:db8::/32.
    #[schema(schema_with = networks_schema)]
    pub networks: Option<Vec<String>>,
}

/// A key that may be made.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ApiKeyInput {
    pub name: String,
    pub roles: Vec<String>,
    pub scopes: Vec<String>,
    pub networks: Vec<String>,
    pub expires_at: Option<OffsetDateTime>,
}

impl ApiKeyBody {
    /// The key that this person may make now, or every field at fault.
    pub fn parse_for(self, owner: &User, now: OffsetDateTime) -> Result<ApiKeyInput, FieldErrors> {
        let mut errors = FieldErrors::default();
        let input = self.read(&mut errors);
        let own: Vec<&str> = owner.roles.iter().map(|role| role.name()).collect();
        let mut known = input.roles.iter().filter(|role| role_of(role).is_some());
        if !known.all(|role| own.contains(&role.as_str())) {
            errors.add("roles", format!("must be among your own: {}", own.join(", ")));
        }
        if input.expires_at.is_some_and(|end| end <= now) {
            errors.add("expiresAt", "must be in the future");
        }
        errors.into_result(input)
    }

    fn read(self, errors: &mut FieldErrors) -> ApiKeyInput {
        ApiKeyInput {
            name: errors.required_text("name", self.name, 100),
            roles: read_roles(errors, self.roles.unwrap_or_default()),
            scopes: read_scopes(errors, self.scopes.unwrap_or_default()),
            networks: read_networks(errors, self.networks.unwrap_or_default()),
            expires_at: errors.time("expiresAt", self.expires_at),
        }
    }
}

impl Body for ApiKeyBody {
    fn faults(&self) -> FieldErrors {
        let mut errors = FieldErrors::default();
        self.clone().read(&mut errors);
        errors
    }
}

fn read_roles(errors: &mut FieldErrors, roles: Vec<String>) -> Vec<String> {
    for (index, role) in roles.iter().enumerate() {
        if role_of(role).is_none() {
            let all = Role::ALL.map(Role::name).join(", ");
            errors.add(format!("roles[{index}]"), format!("must be one of {all}"));
        }
    }
    if roles.is_empty() {
        errors.add("roles", "must name at least one role");
    }
    roles.into_iter().collect::<BTreeSet<_>>().into_iter().collect()
}

fn read_scopes(errors: &mut FieldErrors, scopes: Vec<String>) -> Vec<String> {
    for (index, scope) in scopes.iter().enumerate() {
        if !KEY_SCOPES.contains(&scope.as_str()) {
            errors.add(format!("scopes[{index}]"), format!("must be one of {}", KEY_SCOPES.join(", ")));
        }
    }
    if scopes.is_empty() {
        errors.add("scopes", "must name at least one scope");
    }
    scopes.into_iter().collect::<BTreeSet<_>>().into_iter().collect()
}

fn read_networks(errors: &mut FieldErrors, networks: Vec<String>) -> Vec<String> {
    if networks.len() > MOST_NETWORKS {
        errors.add("networks", format!("must have at most {MOST_NETWORKS} entries"));
        return Vec::new();
    }
    let mut read = BTreeSet::new();
    for (index, text) in networks.iter().enumerate() {
        match network(text) {
            Some(network) => drop(read.insert(network.to_string())),
            None => errors.add(format!("networks[{index}]"), "must be an address or network, such as 192.0.2.0/24"),
        }
    }
    read.into_iter().collect()
}

/// A network, or an address as the network of it alone. Requests come from IPv4 addresses as such, so those that are written
/// as IPv6 (`::ffff:192.0.2.7`) are read as IPv4. Numbers with zeros in front are octal for some programs (RFC 6943, 3.1.1),
/// so they are none.
fn network(text: &str) -> Option<IpNet> {
    let (address, prefix) = text.split_once('/').map_or((text, None), |(address, prefix)| (address, Some(prefix)));
    let address: IpAddr = address.parse().ok()?;
    let longest = if address.is_ipv6() { 128 } else { 32 };
    let digits = |prefix: &&str| prefix.bytes().all(|byte| byte.is_ascii_digit());
    let prefix = prefix.map_or(Some(longest), |prefix| Some(prefix).filter(digits)?.parse().ok())?;
    let (address, prefix) = match address.to_canonical() {
        short @ IpAddr::V4(_) if address.is_ipv6() && prefix >= 96 => (short, prefix - 96),
        _ => (address, prefix),
    };
    IpNet::new(address, prefix).ok().map(|network| network.trunc())
}

/// Whether the address, as the network of it alone, is in one of the networks; where there are none, it is.
pub fn is_within(networks: &[String], address: &IpNet) -> bool {
    networks.is_empty() || networks.iter().filter_map(|it| network(it)).any(|network| network.contains(address))
}

fn texts(longest: usize) -> ObjectBuilder {
    ObjectBuilder::new().schema_type(SchemaType::Type(Type::String)).max_length(Some(longest))
}

fn scopes_schema() -> Array {
    let scope = ObjectBuilder::new().schema_type(SchemaType::Type(Type::String)).enum_values(Some(KEY_SCOPES));
    let scopes = ArrayBuilder::new().items(scope.build()).min_items(Some(1)).max_items(Some(KEY_SCOPES.len()));
    scopes.description(Some("What it is for")).build()
}

fn networks_schema() -> Array {
    let networks = ArrayBuilder::new().items(texts(LONGEST_NETWORK).build()).max_items(Some(MOST_NETWORKS));
    let described = "Addresses and networks from which it may be used, such as 192.0.2.7 and 2001:db8::/32";
    networks.description(Some(described)).build()
}

#[cfg(test)]
mod tests {
    use super::{ApiKeyBody, is_within, network};
    use service_kit::access::{Role, User};
    use time::OffsetDateTime;
    use uuid::Uuid;

    const NOW: OffsetDateTime = time::macros::datetime!(2026-11-25 12:00 UTC);

    fn owner() -> User {
        let (roles, authenticated_at) = ([Role::Customer].into(), Some(NOW.unix_timestamp() - 600));
        User { id: Uuid::nil(), session: None, roles, authenticated_at, key: None }
    }

    fn body() -> ApiKeyBody {
        ApiKeyBody {
            name: Some(" Scanner ".to_owned()),
            roles: Some(vec!["CUSTOMER".to_owned(), "CUSTOMER".to_owned()]),
            scopes: Some(vec!["orders:read".to_owned(), "orders:place".to_owned(), "orders:read".to_owned()]),
            expires_at: Some("2026-11-25T12:00:01Z".to_owned()),
            networks: Some(vec!["192.0.2.7/24".to_owned(), "2001:db8::1".to_owned()]),
        }
    }

    #[test]
    fn what_is_asked_for_is_sorted_and_stands_once() {
        let input = body().parse_for(&owner(), NOW).unwrap();
        assert_eq!((input.name.as_str(), input.roles), ("Scanner", vec!["CUSTOMER".to_owned()]));
        assert_eq!(input.scopes, ["orders:place", "orders:read"]);
        assert_eq!(input.networks, ["192.0.2.0/24", "2001:db8::1/128"]);
    }

    #[test]
    fn every_field_at_fault_is_named() {
        let faults = |body: ApiKeyBody| body.parse_for(&owner(), NOW).unwrap_err().0.into_keys().collect::<Vec<_>>();
        assert_eq!(faults(ApiKeyBody::default()), ["name", "roles", "scopes"]);
        let words = |words: &[&str]| Some(words.iter().map(|word| (*word).to_owned()).collect());
        for (wrong, field) in [
            (ApiKeyBody { roles: words(&["CUSTOMER", "ADMIN"]), ..body() }, "roles"),
            (ApiKeyBody { roles: words(&["CUSTOMER", "KING"]), ..body() }, "roles[1]"),
            (ApiKeyBody { scopes: words(&["orders:read", "orders:burn"]), ..body() }, "scopes[1]"),
            (ApiKeyBody { expires_at: Some("2026-11-25T12:00:00Z".to_owned()), ..body() }, "expiresAt"),
            (ApiKeyBody { expires_at: Some("tomorrow".to_owned()), ..body() }, "expiresAt"),
            (ApiKeyBody { networks: words(&["192.0.2.0/33"]), ..body() }, "networks[0]"),
            (ApiKeyBody { networks: words(&["010.0.0.1"]), ..body() }, "networks[0]"),
            (ApiKeyBody { networks: words(&["192.0.2.0/+8"]), ..body() }, "networks[0]"),
            (ApiKeyBody { networks: words(&["::ffff:192.0.2.0/129"]), ..body() }, "networks[0]"),
            (ApiKeyBody { networks: words(&["::1"; 17]), ..body() }, "networks"),
        ] {
            assert_eq!(faults(wrong), [field]);
        }
    }

    #[test]
    fn a_network_holds_its_addresses() {
        let networks = ["192.0.2.0/24".to_owned(), "2001:db8::1/128".to_owned()];
        let within = |address: &str| is_within(&networks, &address.parse().unwrap());
        assert!(within("192.0.2.7/32") && within("2001:db8::1/128"));
        assert!(!within("192.0.3.7/32") && !within("2001:db8::2/128"));
        for (written, read) in [
            ("192.0.2.7", "192.0.2.7/32"),
            ("::ffff:192.0.2.7", "192.0.2.7/32"),
            ("::ffff:c000:207", "192.0.2.7/32"),
            ("::ffff:192.0.2.0/120", "192.0.2.0/24"),
            ("::ffff:192.0.2.0/95", "::fffe:0:0/95"),
        ] {
            assert_eq!(network(written).map(|network| network.to_string()).as_deref(), Some(read), "{written}");
        }
        assert!(is_within(&[], &"198.51.100.1/32".parse().unwrap()));
    }
}
