//! Whose tokens are believed, and what they look like.

use crate::access::Role;
use crate::config::ConfigError;
use clap::{Args, ValueEnum};
use jsonwebtoken::Algorithm;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;
use url::Url;

/// Who may say who is calling.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Tokens")]
pub struct AuthConfig {
    /// URL of whoever signs the access tokens: account-service, or any OpenID provider
    #[arg(long, env = "AUTH_ISSUER")]
    pub auth_issuer: Option<String>,
    /// What access tokens must be for, with commas between; by default the name of the service
    #[arg(long, env = "AUTH_AUDIENCE", value_delimiter = ',')]
    pub auth_audience: Vec<String>,
    /// The claim that says what a token is for; Amazon Cognito has client_id alone
    #[arg(long, env = "AUTH_AUDIENCE_CLAIM", value_enum, default_value_t = AudienceClaim::Aud)]
    pub auth_audience_claim: AudienceClaim,
    /// How access tokens may be signed, with commas between
    #[arg(long, env = "AUTH_ALGORITHMS", value_delimiter = ',', value_parser = algorithm, default_value = "ES256,RS256,EdDSA")]
    pub auth_algorithms: Vec<Algorithm>,
    /// The `typ` of access tokens, with commas between; JWT for Keycloak and Amazon Cognito, whose tokens must then say
    /// in another way that they are no ID tokens
    #[arg(long, env = "AUTH_TOKEN_TYPES", value_delimiter = ',', default_value = "at+jwt")]
    pub auth_token_types: Vec<String>,
    /// The claim that holds the roles, with dots on the way to it: realm_access.roles, cognito:groups
    #[arg(long, env = "AUTH_ROLES_CLAIM", default_value = "roles")]
    pub auth_roles_claim: String,
    /// What the issuer calls the roles: shop-admin=ADMIN,shop-seller=SELLER; *=CUSTOMER for everybody
    #[arg(long, env = "AUTH_ROLE_MAP", default_value = "", hide_default_value = true)]
    pub auth_role_map: RoleMap,
    /// Seconds that the issuer's clock may be off
    #[arg(long, env = "AUTH_LEEWAY_SECONDS", default_value_t = 30, value_parser = clap::value_parser!(u16).range(0..=300))]
    pub auth_leeway_seconds: u16,
    /// Seconds between two looks at the issuer's keys
    #[arg(long, env = "AUTH_KEYS_REFRESH_SECONDS", default_value_t = 300, value_parser = clap::value_parser!(u32).range(1..=86_400))]
    pub auth_keys_refresh_seconds: u32,
    /// Hours that the keys are good for while the issuer is away
    #[arg(long, env = "AUTH_KEYS_KEEP_HOURS", default_value_t = 24, value_parser = clap::value_parser!(u32).range(1..=8760))]
    pub auth_keys_keep_hours: u32,
    /// The file with the private key by which this service shows others who it is (PEM, PKCS#8, P-256)
    #[arg(long, env = "SERVICE_KEY_FILE")]
    pub service_key_file: Option<PathBuf>,
    /// Services that may call, each with the file of its public keys (PEM) or the URL of its JWKS:
    /// order-service=/etc/oms/order-service.pub
    #[arg(long, env = "TRUSTED_SERVICES", value_delimiter = ',')]
    pub trusted_services: Vec<TrustedService>,
}

/// Which claim says what a token is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub enum AudienceClaim {
    /// As RFC 7519 has it.
    Aud,
    /// As Amazon Cognito has it.
    #[value(name = "client_id")]
    ClientId,
}

/// Only what the provider verifies: a shared secret is no way to know an issuer.
fn algorithm(name: &str) -> Result<Algorithm, String> {
    match name {
        "ES256" => Ok(Algorithm::ES256),
        "RS256" => Ok(Algorithm::RS256),
        "EdDSA" => Ok(Algorithm::EdDSA),
        _ => Err("must be of ES256, RS256 and EdDSA".to_owned()),
    }
}

/// What an issuer's names of roles mean here. Without any the names are ours.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct RoleMap(BTreeMap<String, Role>);

impl RoleMap {
    /// The role of that name.
    pub(super) fn role(&self, name: &str) -> Option<Role> {
        if self.0.is_empty() { own_role(name) } else { self.0.get(name).copied() }
    }

    /// The role of everybody with a token.
    pub(super) fn everybody(&self) -> Option<Role> {
        self.0.get("*").copied()
    }
}

fn own_role(name: &str) -> Option<Role> {
    Role::ALL.into_iter().find(|role| role.name() == name)
}

impl FromStr for RoleMap {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let pair = |pair: &str| {
            let (name, role) = pair.rsplit_once('=').filter(|(name, _)| !name.is_empty())?;
            Some((name.to_owned(), own_role(role)?))
        };
        let pairs = text.split(',').filter(|part| !part.is_empty());
        pairs
            .map(|part| pair(part).ok_or("must look like shop-admin=ADMIN,*=CUSTOMER".to_owned()))
            .collect::<Result<_, _>>()
            .map(Self)
    }
}

/// A service that may call, and where its public keys are.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TrustedService {
    /// Its name.
    pub name: String,
    /// Its keys.
    pub keys: KeySource,
}

/// Where public keys are found.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum KeySource {
    /// An issuer, whose discovery document says where they are.
    Issuer(Url),
    /// A JWKS.
    Jwks(Url),
    /// A file with one or more public keys in PEM.
    File(PathBuf),
}

impl FromStr for TrustedService {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, place) = text
            .split_once('=')
            .filter(|(name, place)| !name.is_empty() && !place.is_empty())
            .ok_or("must look like order-service=/etc/oms/order-service.pub")?;
        let keys = match Url::parse(place) {
            Ok(url) if matches!(url.scheme(), "http" | "https") => KeySource::Jwks(url),
            _ => KeySource::File(place.into()),
        };
        Ok(Self { name: name.to_owned(), keys })
    }
}

impl AuthConfig {
    /// Whether there is any way to know a caller. Without one a service can serve only who needs no token.
    pub fn knows_callers(&self) -> bool {
        self.auth_issuer.as_deref().is_some_and(|issuer| !issuer.is_empty()) || !self.trusted_services.is_empty()
    }

    /// The issuer, to the letter, and its URL.
    pub(super) fn issuer(&self) -> Result<Option<(&str, Url)>, ConfigError> {
        let Some(issuer) = self.auth_issuer.as_deref().filter(|issuer| !issuer.is_empty()) else { return Ok(None) };
        let usable = |url: &Url| matches!(url.scheme(), "http" | "https") && url.has_host();
        let plain = |url: &Url| url.query().is_none() && url.fragment().is_none();
        match Url::parse(issuer).ok().filter(|url| usable(url) && plain(url)) {
            Some(url) => Ok(Some((issuer, url))),
            None => Err(ConfigError {
                variable: "AUTH_ISSUER",
                reason: "must look like https://accounts.example".to_owned(),
            }),
        }
    }

    /// What access tokens must be for, at the service of that name.
    pub(super) fn audience(&self, service: &str) -> Vec<String> {
        let named = self.auth_audience.iter().filter(|audience| !audience.is_empty()).cloned();
        let named: Vec<String> = named.collect();
        if named.is_empty() { vec![service.to_owned()] } else { named }
    }

    pub(super) fn refresh(&self) -> Duration {
        Duration::from_secs(self.auth_keys_refresh_seconds.into())
    }

    /// How long keys are good for, in seconds.
    pub(super) fn keep_seconds(&self) -> i64 {
        i64::from(self.auth_keys_keep_hours) * 3600
    }
}

#[cfg(test)]
mod tests {
    use super::{AuthConfig, KeySource, RoleMap, TrustedService};
    use crate::access::Role;
    use clap::Parser;

    #[derive(Parser, Debug)]
    struct Flags {
        #[command(flatten)]
        auth: AuthConfig,
    }

    #[test]
    fn nobody_is_known_unless_somebody_is_named() {
        let known = |flags: &[&str]| {
            let flags = [&["x"], flags].concat();
            Flags::parse_from(flags).auth.knows_callers()
        };
        assert!(!known(&[]) && !known(&["--auth-issuer", ""]), "a variable that is set to nothing is not set");
        assert!(known(&["--auth-issuer", "https://accounts.example"]));
        assert!(known(&["--trusted-services", "order-service=/keys/order.pub"]));
    }

    #[test]
    fn shared_secrets_are_no_algorithm() {
        for refused in ["HS256", "none", "ES384", ""] {
            assert!(Flags::try_parse_from(["x", "--auth-algorithms", refused]).is_err(), "{refused}");
        }
    }

    #[test]
    fn an_issuer_is_a_url_without_query() {
        for bad in ["accounts", "ftp://a", "https://a/?x=1", "https://a/#x", "file:///a"] {
            let flags = Flags::parse_from(["x", "--auth-issuer", bad]);
            assert!(flags.auth.issuer().is_err(), "{bad}");
        }
        let flags = Flags::parse_from(["x", "--auth-issuer", "http://localhost:8083"]);
        assert_eq!(flags.auth.issuer().unwrap().unwrap().0, "http://localhost:8083");
    }

    #[test]
    fn roles_are_ours_or_mapped() {
        let own = RoleMap::default();
        assert_eq!((own.role("ADMIN"), own.role("admin"), own.everybody()), (Some(Role::Admin), None, None));
        let mapped: RoleMap = "shop-admin=ADMIN,*=CUSTOMER".parse().unwrap();
        assert_eq!((mapped.role("shop-admin"), mapped.role("ADMIN")), (Some(Role::Admin), None));
        assert_eq!(mapped.everybody(), Some(Role::Customer));
        for bad in ["ADMIN", "=ADMIN", "x=BOSS"] {
            assert!(bad.parse::<RoleMap>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_service_has_a_file_or_a_url() {
        let source = |text: &str| text.parse::<TrustedService>().unwrap().keys;
        assert!(matches!(source("order-service=/etc/oms/a=b.pub"), KeySource::File(path) if path.ends_with("a=b.pub")));
        assert!(matches!(source("order-service=http://orders/jwks"), KeySource::Jwks(_)));
        for bad in ["order-service", "=file", "order-service="] {
            assert!(bad.parse::<TrustedService>().is_err(), "{bad}");
        }
    }
}
