//! What the claims of a verified token say: whether it may be used here, and whose it is.

use super::claims::{AMR_API_KEY, SERVICE_ASSERTION};
use super::config::{AudienceClaim, AuthConfig, RoleMap};
use super::fault::Flaw;
use super::revocations::Facts;
use crate::access::{ApiKey, Principal, Role, User};
use ipnet::IpNet;
use serde_json::{Map, Value};
use std::collections::BTreeSet;
use std::sync::Arc;
use uuid::Uuid;

/// The claims of a token.
///
/// Read from plain JSON: jsonwebtoken's own checks of times do not see numbers where serde_json keeps every digit of them
/// (`arbitrary_precision`), and they take the time from the machine.
pub(super) struct Claims<'a>(pub &'a Map<String, Value>);

/// What access tokens look like here.
#[derive(Clone, Debug)]
pub(super) struct Rules {
    audience: Vec<String>,
    audience_claim: AudienceClaim,
    types: Vec<String>,
    roles_claim: String,
    roles: RoleMap,
    leeway: i64,
    service: String,
}

/// The `typ` that says nothing.
const ANY: &str = "JWT";

impl Rules {
    pub fn new(config: &AuthConfig, service: &str) -> Self {
        Self {
            audience: config.audience(service),
            audience_claim: config.auth_audience_claim,
            types: config.auth_token_types.iter().map(|typ| media_type(typ).to_owned()).collect(),
            roles_claim: config.auth_roles_claim.clone(),
            roles: config.auth_role_map.clone(),
            leeway: config.auth_leeway_seconds.into(),
            service: service.to_owned(),
        }
    }

    /// Whether the header's `typ` is that of an access token. One that may be anything has to say in its claims that it is
    /// no ID token, which looks the same.
    pub fn check_type(&self, typ: Option<&str>, claims: Claims<'_>) -> Result<(), Flaw> {
        let typ = media_type(typ.unwrap_or(ANY));
        if !self.types.iter().any(|allowed| allowed.eq_ignore_ascii_case(typ)) {
            return Err(Flaw::Type);
        }
        let is_access = claims.text("typ") == Some("Bearer") || claims.text("token_use") == Some("access");
        if typ.eq_ignore_ascii_case(ANY) && !is_access { Err(Flaw::Type) } else { Ok(()) }
    }

    /// Whether its time is now. Seconds since 1970; gives its end.
    pub fn check_times(&self, claims: Claims<'_>, now: i64) -> Result<i64, Flaw> {
        let (expires, issued) = (claims.time("exp")?, claims.time("iat")?);
        let (expires, issued) = expires.zip(issued).ok_or(Flaw::Claims)?;
        if now > expires.saturating_add(self.leeway) {
            return Err(Flaw::Expired);
        }
        let latest = now.saturating_add(self.leeway);
        if issued > latest || claims.time("nbf")?.is_some_and(|from| from > latest) {
            return Err(Flaw::Early);
        }
        Ok(expires)
    }

    /// The person that an access token is about, for a token that is meant for here.
    pub fn user(&self, claims: Claims<'_>, issuer: &str) -> Result<User, Flaw> {
        let audience = match self.audience_claim {
            AudienceClaim::Aud => claims.texts("aud"),
            AudienceClaim::ClientId => claims.text("client_id").into_iter().collect(),
        };
        if audience.is_empty() {
            return Err(Flaw::Claims);
        }
        if !audience.iter().any(|named| self.audience.iter().any(|wanted| wanted == named)) {
            return Err(Flaw::Audience);
        }
        let subject = claims.text("sub").filter(|subject| !subject.is_empty()).ok_or(Flaw::Claims)?;
        let key = if claims.texts("amr").contains(&AMR_API_KEY) { Some(claims.api_key()?) } else { None };
        let named = claims.at(&self.roles_claim).into_iter().filter_map(|name| self.roles.role(name));
        let roles: BTreeSet<Role> = named.chain(self.roles.everybody()).collect();
        let session = claims.text("sid").and_then(|session| session.parse().ok());
        Ok(User { id: user_id(issuer, subject), session, roles, authenticated_at: claims.time("auth_time")?, key })
    }

    /// The service whose assertion it is: one that speaks for itself, to this one.
    pub fn service(&self, typ: Option<&str>, claims: Claims<'_>, issuer: &str) -> Result<Principal, Flaw> {
        if !typ.is_some_and(|typ| media_type(typ).eq_ignore_ascii_case(SERVICE_ASSERTION)) {
            return Err(Flaw::Type);
        }
        if claims.text("sub") != Some(issuer) {
            return Err(Flaw::Claims);
        }
        if claims.texts("aud") != [self.service.as_str()] {
            return Err(Flaw::Audience);
        }
        Ok(Principal::Service(Arc::from(issuer)))
    }
}

/// By what a user's token can be revoked.
pub(super) fn facts(user: &User, claims: Claims<'_>, kid: &str) -> Result<Facts, Flaw> {
    let issued_at = claims.time("iat")?.ok_or(Flaw::Claims)?;
    Ok(Facts { session: user.session, subject: Some(user.id), kid: kid.to_owned(), issued_at })
}

/// `application/at+jwt` is `at+jwt` (RFC 7515, 4.1.9).
fn media_type(typ: &str) -> &str {
    match typ.get(..12) {
        Some(prefix) if prefix.eq_ignore_ascii_case("application/") => &typ[12..],
        _ => typ,
    }
}

/// The account: a `sub` that is a UUID, as ours and those of most providers are, stands for itself. Any other is made one by
/// its issuer and itself (UUIDv5 in the namespace of URLs, over issuer, line feed and subject), so it stays the same.
pub(super) fn user_id(issuer: &str, subject: &str) -> Uuid {
    let own = subject.parse::<Uuid>().ok().filter(|id| id.to_string() == subject);
    own.unwrap_or_else(|| Uuid::new_v5(&Uuid::NAMESPACE_URL, format!("{issuer}\n{subject}").as_bytes()))
}

impl<'a> Claims<'a> {
    fn text(&self, name: &str) -> Option<&'a str> {
        self.0.get(name)?.as_str()
    }

    /// One text or a list of them.
    fn texts(&self, name: &str) -> Vec<&'a str> {
        texts(self.0.get(name))
    }

    /// What stands at the end of a path of names with dots between. A claim whose own name has dots comes first.
    fn at(&self, path: &str) -> Vec<&'a str> {
        let mut names = path.split('.');
        let deep = || {
            let first = self.0.get(names.next()?)?;
            names.try_fold(first, |value, name| value.get(name))
        };
        texts(self.0.get(path).or_else(deep))
    }

    /// Seconds since 1970, whole ones: RFC 7519 lets them have a fraction.
    fn time(&self, name: &str) -> Result<Option<i64>, Flaw> {
        let Some(value) = self.0.get(name).filter(|value| !value.is_null()) else { return Ok(None) };
        let whole = value.as_i64().or_else(|| {
            let seconds = value.as_f64().filter(|seconds| (0.0..1e12).contains(seconds))?;
            Some(seconds as i64)
        });
        whole.filter(|seconds| *seconds >= 0).map(Some).ok_or(Flaw::Claims)
    }

    fn api_key(&self) -> Result<ApiKey, Flaw> {
        let id = self.text("client_id").and_then(|id| id.parse().ok()).ok_or(Flaw::Claims)?;
        let scopes = self.text("scope").unwrap_or_default().split_ascii_whitespace().map(str::to_owned).collect();
        Ok(ApiKey { id, scopes, networks: self.networks()? })
    }

    /// None where the claim is missing. One that cannot be read is never taken for that.
    fn networks(&self) -> Result<Vec<IpNet>, Flaw> {
        let Some(named) = self.0.get("networks") else { return Ok(Vec::new()) };
        let networks = named.as_array().filter(|networks| !networks.is_empty()).ok_or(Flaw::Claims)?;
        let networks = networks.iter().map(|network| network.as_str()?.parse().ok());
        networks.collect::<Option<_>>().ok_or(Flaw::Claims)
    }
}

fn texts(value: Option<&Value>) -> Vec<&str> {
    match value {
        Some(Value::String(text)) => vec![text],
        Some(Value::Array(values)) => values.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    }
}
