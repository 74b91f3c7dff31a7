//! What a program sends to get a token for its API key, and what it gets (RFC 6749, 4.4 and 5).

use service_kit::access::tokens::api_key_id;
use service_kit::access::{KEY_SCOPES, Role};
use std::collections::{BTreeMap, BTreeSet};
use time::OffsetDateTime;
use utoipa::ToSchema;
use uuid::Uuid;

/// What is asked for.
#[derive(Clone, PartialEq, Eq)]
pub struct Grant {
    /// The id in the key.
    pub id: Uuid,
    /// The key's text.
    pub key: String,
    /// The scopes that the token is to have; all that the key has where none are named.
    pub scopes: Option<BTreeSet<String>>,
    /// Whoever asks holds each request with the token against its networks.
    pub checks_networks: bool,
}

/// Why there is no token, in the words of RFC 6749, 5.2.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Refused {
    /// The form is at fault.
    #[error("the form needs grant_type and client_secret, each once")]
    Request,
    /// Another way to get tokens.
    #[error("grant_type must be client_credentials")]
    GrantType,
    /// No key that is good, whatever is wrong with it.
    #[error("the API key is not good")]
    Client,
    /// A scope that the key does not have.
    #[error("the API key does not have this scope")]
    Scope,
}

impl Refused {
    /// The code of the error.
    pub fn code(self) -> &'static str {
        match self {
            Self::Request => "invalid_request",
            Self::GrantType => "unsupported_grant_type",
            Self::Client => "invalid_client",
            Self::Scope => "invalid_scope",
        }
    }
}

/// The form, for the OpenAPI document.
#[derive(Debug, ToSchema)]
#[schema(example = json!({"grant_type": "client_credentials", "client_secret": "oms_…"}))]
#[expect(dead_code, reason = "read by its fields")]
pub struct TokenForm {
    /// The way to get a token: `client_credentials`.
    #[schema(max_length = 100)]
    grant_type: String,
    /// The id of the key; it is in the key as well.
    #[schema(max_length = 100)]
    client_id: Option<String>,
    /// The API key.
    #[schema(max_length = 200)]
    client_secret: String,
    /// Scopes of the key that the token is to have, with spaces between; all where none are named.
    #[schema(max_length = 1000)]
    scope: Option<String>,
    /// For services that were shown the key: `true` where they hold each request with the token against its networks. The key
    /// may be exchanged from everywhere then.
    checks_networks: Option<bool>,
}

/// The fields of the form.
const KNOWN: [&str; 5] = ["grant_type", "client_id", "client_secret", "scope", "checks_networks"];

impl Grant {
    /// What the fields of a form ask for. Fields that nobody knows are passed over; those that are known stand once.
    pub fn parse(form: &[(String, String)]) -> Result<Self, Refused> {
        let mut fields = BTreeMap::new();
        for (name, value) in form {
            if KNOWN.contains(&name.as_str()) && fields.insert(name.as_str(), value.as_str()).is_some() {
                return Err(Refused::Request);
            }
        }
        let grant_type = fields.get("grant_type").ok_or(Refused::Request)?;
        if *grant_type != "client_credentials" {
            return Err(Refused::GrantType);
        }
        let key = *fields.get("client_secret").ok_or(Refused::Request)?;
        let id = api_key_id(key).ok_or(Refused::Client)?;
        let is_its_id = |named: &&str| named.parse::<Uuid>().is_ok_and(|named| named == id);
        if !fields.get("client_id").is_none_or(is_its_id) {
            return Err(Refused::Client);
        }
        let scopes: Option<BTreeSet<String>> = fields
            .get("scope")
            .map(|scopes| scopes.split(' ').filter(|it| !it.is_empty()).map(str::to_owned).collect());
        if scopes.iter().flatten().any(|scope| !KEY_SCOPES.contains(&scope.as_str())) {
            return Err(Refused::Scope);
        }
        let scopes = scopes.filter(|scopes| !scopes.is_empty());
        let checks_networks = match fields.get("checks_networks") {
            None | Some(&"false") => false,
            Some(&"true") => true,
            Some(_) => return Err(Refused::Request),
        };
        Ok(Self { id, key: key.to_owned(), scopes, checks_networks })
    }
}

/// A key that is good, and whose it is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct GoodKey {
    pub id: Uuid,
    pub owner: Uuid,
    pub seller: Option<Uuid>,
    /// Those of the key that its owner still has.
    pub roles: BTreeSet<Role>,
    pub scopes: BTreeSet<String>,
    pub networks: Vec<String>,
    pub expires_at: Option<OffsetDateTime>,
}

impl GoodKey {
    /// The scopes of a token: those that are asked for, which the key must have.
    pub fn grant(&self, wanted: Option<BTreeSet<String>>) -> Result<BTreeSet<String>, Refused> {
        match wanted {
            None => Ok(self.scopes.clone()),
            Some(wanted) if wanted.is_subset(&self.scopes) => Ok(wanted),
            Some(_) => Err(Refused::Scope),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{GoodKey, Grant, Refused};
    use secrecy::ExposeSecret;
    use service_kit::access::tokens::new_api_key;
    use uuid::Uuid;

    fn key() -> String {
        new_api_key(Uuid::from_u128(7)).unwrap().expose_secret().to_owned()
    }

    fn parse(fields: &[(&str, &str)]) -> Result<Grant, Refused> {
        let form: Vec<_> = fields.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Grant::parse(&form)
    }

    #[test]
    fn a_form_names_a_key() {
        let key = key();
        let asked = [("grant_type", "client_credentials"), ("client_secret", &key), ("nobody", "knows")];
        let grant = parse(&asked).ok().unwrap();
        assert_eq!((grant.id, grant.key.as_str(), grant.scopes), (Uuid::from_u128(7), key.as_str(), None));
        let id = Uuid::from_u128(7).to_string();
        let more = [asked[0], asked[1], ("client_id", &id), ("scope", "orders:read  orders:place")];
        let scopes = parse(&more).ok().unwrap().scopes.unwrap();
        assert_eq!(scopes.into_iter().collect::<Vec<_>>(), ["orders:place", "orders:read"]);
        let checks = |says| parse(&[asked[0], asked[1], ("checks_networks", says)]).ok().unwrap().checks_networks;
        assert!(checks("true") && !checks("false"));
    }

    #[test]
    fn what_is_wrong_is_said_in_the_words_of_the_standard() {
        let key = key();
        let (grant, secret) = (("grant_type", "client_credentials"), ("client_secret", key.as_str()));
        let refused = |fields: &[(&str, &str)]| parse(fields).err();
        assert_eq!(refused(&[]), Some(Refused::Request));
        assert_eq!(refused(&[grant]), Some(Refused::Request));
        assert_eq!(refused(&[grant, secret, secret]), Some(Refused::Request));
        assert_eq!(refused(&[("grant_type", "password"), secret]), Some(Refused::GrantType));
        assert_eq!(refused(&[grant, ("client_secret", &key[1..])]), Some(Refused::Client));
        assert_eq!(refused(&[grant, secret, ("client_id", "web")]), Some(Refused::Client));
        assert_eq!(refused(&[grant, secret, ("scope", "orders:burn")]), Some(Refused::Scope));
        assert_eq!(refused(&[grant, secret, ("checks_networks", "maybe")]), Some(Refused::Request));
    }

    #[test]
    fn a_token_has_scopes_of_its_key_alone() {
        let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
        let key = GoodKey {
            id: Uuid::nil(),
            owner: Uuid::nil(),
            seller: None,
            roles: [].into(),
            scopes: words(&["orders:place", "orders:read"]),
            networks: Vec::new(),
            expires_at: None,
        };
        assert_eq!(key.grant(None), Ok(key.scopes.clone()));
        assert_eq!(key.grant(Some(words(&["orders:read"]))), Ok(words(&["orders:read"])));
        assert_eq!(key.grant(Some(words(&["orders:read", "admin:read"]))), Err(Refused::Scope));
    }
}
