//! What is asked of a token in the words of OAuth, and what is said of it (RFC 7662, RFC 7009).

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use service_kit::access::Role;
use utoipa::ToSchema;
use uuid::Uuid;

/// Longest token that a form names, in characters.
pub const LONGEST_TOKEN: usize = 4000;

/// Longest hint of what kind of token it is, in characters.
pub const LONGEST_HINT: usize = 100;

/// What is wrong with a form.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum FormFault {
    /// It names no token.
    #[error("the form needs token, once")]
    NoToken,
    /// A field is longer than any that is good.
    #[error("token has at most {LONGEST_TOKEN} characters, and token_type_hint at most {LONGEST_HINT}")]
    TooLong,
}

/// The form, for the OpenAPI document.
#[derive(Debug, ToSchema)]
#[schema(example = json!({"token": "eyJhbGciOiJFUzI1NiJ9.e30.c2ln"}))]
#[expect(dead_code, reason = "read by its fields")]
pub struct TokenQuestion {
    /// The token.
    #[schema(max_length = 4000)]
    token: String,
    /// What kind of token it is. It is found without that.
    #[schema(max_length = 100)]
    token_type_hint: Option<String>,
}

/// What a token is good for. Of one that is good for nothing only that is said.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct Introspection {
    /// Whether it is good at this moment.
    active: bool,
    /// How it is sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "Bearer")]
    token_type: Option<String>,
    /// Who gave it out.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "http://localhost:8083")]
    iss: Option<String>,
    /// Whose it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    sub: Option<Uuid>,
    /// The services that it is for.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = json!(["order-service", "inventory-service", "account-service"]))]
    aud: Option<Vec<String>>,
    /// `web`, or the id of an API key.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "web")]
    client_id: Option<String>,
    /// When it was signed, in seconds since 1970.
    #[serde(skip_serializing_if = "Option::is_none")]
    iat: Option<i64>,
    /// When it ends, in seconds since 1970.
    #[serde(skip_serializing_if = "Option::is_none")]
    exp: Option<i64>,
    /// Its own id.
    #[serde(skip_serializing_if = "Option::is_none")]
    jti: Option<Uuid>,
    /// Its session, or the API key that it was given for.
    #[serde(skip_serializing_if = "Option::is_none")]
    sid: Option<Uuid>,
    /// When its person last proved who they are, in seconds since 1970.
    #[serde(skip_serializing_if = "Option::is_none")]
    auth_time: Option<i64>,
    /// What its person is.
    #[serde(skip_serializing_if = "Option::is_none")]
    roles: Option<Vec<Role>>,
    /// What it is for, with spaces between, where it is an API key's.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "orders:read")]
    scope: Option<String>,
    /// From where it may be used, where it is an API key's with networks.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = json!(["203.0.113.0/24"]))]
    networks: Option<Vec<String>>,
}

impl Introspection {
    /// A token that is good, with its verified claims.
    pub fn of(claims: Map<String, Value>) -> Self {
        let read: Option<Self> = serde_json::from_value(Value::Object(claims)).ok();
        let good = |claims| Self { active: true, token_type: Some("Bearer".to_owned()), ..claims };
        read.map(good).unwrap_or_default()
    }

    /// A token that is good for nothing, whatever is wrong with it.
    pub fn inactive() -> Self {
        Self::default()
    }
}

/// The token that a form is about. Fields that nobody knows are passed over; those that are known stand once.
pub fn token_of(form: &[(String, String)]) -> Result<&str, FormFault> {
    let values = |name: &str| form.iter().filter(|(field, _)| field == name).map(|(_, value)| value.as_str()).collect();
    let (tokens, hints): (Vec<&str>, Vec<&str>) = (values("token"), values("token_type_hint"));
    let is_longer = |value: &&str, longest| value.chars().count() > longest;
    match tokens.as_slice() {
        [token] if is_longer(token, LONGEST_TOKEN) => Err(FormFault::TooLong),
        _ if hints.iter().any(|hint| is_longer(hint, LONGEST_HINT)) => Err(FormFault::TooLong),
        [token] if !token.is_empty() && hints.len() <= 1 => Ok(token),
        _ => Err(FormFault::NoToken),
    }
}

#[cfg(test)]
mod tests {
    use super::{Introspection, LONGEST_HINT, LONGEST_TOKEN, token_of};
    use serde_json::{Value, json};
    use uuid::Uuid;

    fn parse(fields: &[(&str, &str)]) -> Option<String> {
        let form: Vec<_> = fields.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        token_of(&form).ok().map(str::to_owned)
    }

    #[test]
    fn a_form_names_one_token() {
        let (token, hint) = (("token", "abc"), ("token_type_hint", "access_token"));
        assert_eq!(parse(&[token]).as_deref(), Some("abc"));
        assert_eq!(parse(&[hint, token, ("nobody", "knows")]).as_deref(), Some("abc"));
        for bad in [&[][..], &[hint], &[token, token], &[token, hint, hint], &[("token", "")]] {
            assert_eq!(parse(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn a_form_is_held_to_the_lengths_of_the_document() {
        let (longest, hint) = ("a".repeat(LONGEST_TOKEN), "a".repeat(LONGEST_HINT));
        assert_eq!(parse(&[("token", &longest), ("token_type_hint", &hint)]), Some(longest.clone()));
        assert_eq!(parse(&[("token", &format!("{longest}a"))]), None);
        assert_eq!(parse(&[("token", "abc"), ("token_type_hint", &format!("{hint}a"))]), None);
    }

    #[test]
    fn of_a_token_that_is_good_for_nothing_only_that_is_said() {
        assert_eq!(serde_json::to_value(Introspection::inactive()).unwrap(), json!({"active": false}));
        let Value::Object(claims) = json!({"sub": Uuid::max(), "exp": 7, "email": "ada@example.com"}) else { panic!() };
        let said = json!({"active": true, "token_type": "Bearer", "sub": Uuid::max(), "exp": 7});
        assert_eq!(serde_json::to_value(Introspection::of(claims)).unwrap(), said);
    }
}
