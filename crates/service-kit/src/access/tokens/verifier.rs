//! The one place where tokens are verified.

use super::api_keys::{self, ApiKeys};
use super::cache::{self, Cache};
use super::config::AuthConfig;
use super::fault::{Flaw, TokenFault};
use super::issuer::Issuer;
use super::reading::{Claims, Rules, facts};
use super::revocations::{Facts, Revocation, Revocations};
use crate::access::Principal;
use crate::config::ConfigError;
use jsonwebtoken::dangerous::insecure_decode_claims;
use jsonwebtoken::{Algorithm, Header, Validation, decode, decode_header};
use metrics::Counter;
use secrecy::ExposeSecret;
use serde::Deserialize;
use serde_json::{Map, Value};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;
use time::OffsetDateTime;

/// The longest token, in bytes.
const LONGEST: usize = 8 * 1024;

/// How long a request waits for an issuer that is asked for a new key.
const NEW_KEYS: Duration = Duration::from_secs(1);

/// Knows people and services by their tokens; clones share what it knows.
#[derive(Clone, Debug)]
pub struct Verifier(pub(super) Arc<Parts>);

/// What it consists of.
pub(super) struct Parts {
    /// Who signs access tokens.
    pub users: Option<Arc<Issuer>>,
    /// The services that may call.
    pub services: Vec<Arc<Issuer>>,
    pub rules: Rules,
    pub algorithms: Vec<Algorithm>,
    pub cache: Cache,
    pub revocations: Revocations,
    pub outcomes: Outcomes,
    pub api_keys: ApiKeys,
    /// Between two looks at the issuers' keys.
    pub refresh: Duration,
}

impl std::fmt::Debug for Parts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Verifier").field("users", &self.users).field("services", &self.services).finish_non_exhaustive()
    }
}

/// How many tokens came to what end.
pub(super) struct Outcomes {
    accepted: Counter,
    refused: Counter,
    unknown: Counter,
}

impl Outcomes {
    /// They are there, at 0, before the first token.
    fn new() -> Self {
        let counter = |outcome: &'static str| {
            let counter = metrics::counter!("auth_tokens_total", "outcome" => outcome);
            counter.increment(0);
            counter
        };
        Self { accepted: counter("accepted"), refused: counter("refused"), unknown: counter("unknown") }
    }

    fn count(&self, outcome: &Result<Principal, TokenFault>) {
        match outcome {
            Ok(_) => self.accepted.increment(1),
            Err(TokenFault::Invalid(_)) => self.refused.increment(1),
            Err(TokenFault::Unknown) => self.unknown.increment(1),
        }
    }
}

#[derive(Deserialize)]
struct Signed {
    iss: String,
}

impl Verifier {
    /// For tokens that are meant for `service`. Knows nobody's keys before it is started, but those in files.
    pub fn new(config: &AuthConfig, service: &str) -> Result<Self, ConfigError> {
        super::provider::install();
        Ok(Self(Arc::new(Parts {
            users: Issuer::of_users(config)?,
            services: Issuer::of_services(config)?,
            rules: Rules::new(config, service),
            algorithms: config.auth_algorithms.clone(),
            cache: Cache::new(),
            revocations: Revocations::default(),
            outcomes: Outcomes::new(),
            api_keys: ApiKeys::new(),
            refresh: config.refresh(),
        })))
    }

    /// Whether there is any way to know a caller.
    pub fn knows_callers(&self) -> bool {
        self.0.users.is_some() || !self.0.services.is_empty()
    }

    /// Whose token it is. Costs a hash and a look-up for a token that was verified within the last minute.
    pub fn principal(&self, token: &str, now: OffsetDateTime) -> Result<Principal, TokenFault> {
        let outcome = self.0.principal(token, now.unix_timestamp());
        self.0.outcomes.count(&outcome);
        outcome
    }

    /// Whose token it is, and what it says. Waits for a moment for an issuer that is being asked for a key. An API key is no
    /// token.
    pub async fn read(&self, token: &str, now: OffsetDateTime) -> Result<(Principal, Map<String, Value>), TokenFault> {
        let seconds = now.unix_timestamp();
        let principal = match self.0.principal(token, seconds) {
            Err(TokenFault::Unknown) => self.0.asked_again(token, seconds).await?,
            outcome => outcome?,
        };
        // They were verified with it.
        let claims = insecure_decode_claims(token).map_err(|_| Flaw::Unreadable)?;
        Ok((principal, claims))
    }

    /// Whose token or API key it is, that comes from `client`. Waits for nobody where the token can be verified by what is
    /// known here. Else it waits for the exchange of the API key, or for a moment for an issuer that is asked for a key.
    pub async fn identify(
        &self,
        token: &str,
        now: OffsetDateTime,
        client: impl FnOnce() -> IpAddr,
    ) -> Result<Principal, TokenFault> {
        let seconds = now.unix_timestamp();
        let outcome = match self.0.principal(token, seconds) {
            Err(_) if token.starts_with(api_keys::PREFIX) => self.0.exchanged(token, seconds).await,
            Err(TokenFault::Unknown) => self.0.asked_again(token, seconds).await,
            outcome => outcome,
        };
        // Each time: what is remembered of a token was found out for whoever brought it first.
        let outcome = match outcome {
            Ok(principal) if !principal.may_come_from(client) => Err(Flaw::Network.into()),
            outcome => outcome,
        };
        self.0.outcomes.count(&outcome);
        outcome
    }
}

impl Parts {
    async fn exchanged(&self, key: &str, now: i64) -> Result<Principal, TokenFault> {
        let issuer = self.users.as_ref().ok_or(Flaw::ApiKey)?;
        let endpoint = issuer.token_endpoint();
        let exchange = async || {
            let token = self.api_keys.token(key, endpoint.as_deref(), now).await?;
            self.principal(token.expose_secret(), now)
        };
        match exchange().await {
            // Its owner's rights have changed since. Whether the key is still good, the issuer knows.
            Err(TokenFault::Invalid(Flaw::Revoked)) => {
                self.api_keys.forget(key);
                exchange().await
            }
            outcome => outcome,
        }
    }

    /// Waits until the issuer has been asked for its keys, unless it has never answered.
    async fn asked_again(&self, token: &str, now: i64) -> Result<Principal, TokenFault> {
        let issuer = issuer_of(token).and_then(|name| self.issuer(&name)).filter(|issuer| issuer.has_keys());
        let Some(mut fetches) = issuer.map(|issuer| issuer.fetches()) else { return Err(TokenFault::Unknown) };
        // It may have been asked meanwhile.
        match self.principal(token, now) {
            Err(TokenFault::Unknown) => {
                let _ = tokio::time::timeout(NEW_KEYS, fetches.changed()).await;
                self.principal(token, now)
            }
            outcome => outcome,
        }
    }

    fn issuer(&self, name: &str) -> Option<&Arc<Issuer>> {
        self.users.iter().chain(&self.services).find(|issuer| issuer.name == name)
    }

    /// Refuses what was taken back from now on. Where that is a key, the issuer has another one.
    pub(super) fn take_back(&self, revocations: Vec<Revocation>) {
        if let (true, Some(users)) = (self.revocations.add(revocations), &self.users) {
            users.ask_anew();
        }
    }

    fn principal(&self, token: &str, now: i64) -> Result<Principal, TokenFault> {
        if token.len() > LONGEST {
            return Err(Flaw::Unreadable.into());
        }
        let fingerprint = cache::fingerprint(token);
        if let Some(principal) = self.cache.get(&fingerprint, now, &self.revocations) {
            return Ok(principal);
        }
        let generation = self.revocations.generation();
        let (principal, facts, expires) = self.verify(token, now)?;
        if self.revocations.include(&facts) {
            return Err(Flaw::Revoked.into());
        }
        self.cache.put(fingerprint, principal.clone(), facts, (now, expires), generation);
        Ok(principal)
    }

    /// Gives also what it can be revoked by, and when it ends.
    fn verify(&self, token: &str, now: i64) -> Result<(Principal, Facts, i64), TokenFault> {
        let header = decode_header(token).map_err(|_| Flaw::Unreadable)?;
        // What has to be understood (RFC 7515, 4.1.11) is nothing that is known here.
        if header.crit.is_some() {
            return Err(Flaw::Unreadable.into());
        }
        if !self.algorithms.contains(&header.alg) {
            return Err(Flaw::Algorithm.into());
        }
        let iss = issuer_of(token).ok_or(Flaw::Issuer)?;
        let issuer = self.issuer(&iss).ok_or(Flaw::Issuer)?;
        let kid = header.kid.as_deref().ok_or(Flaw::Key)?;
        let claims = verified_claims(token, &header, issuer, kid, now)?;
        let claims = || Claims(&claims);
        let expires = self.rules.check_times(claims(), now)?;
        if self.users.as_ref().is_none_or(|users| !Arc::ptr_eq(users, issuer)) {
            let principal = self.rules.service(header.typ.as_deref(), claims(), &iss)?;
            let facts = Facts { session: None, subject: None, kid: kid.to_owned(), issued_at: now };
            return Ok((principal, facts, expires));
        }
        self.rules.check_type(header.typ.as_deref(), claims())?;
        let user = self.rules.user(claims(), &iss)?;
        let facts = facts(&user, claims(), kid)?;
        Ok((Principal::User(Arc::new(user)), facts, expires))
    }
}

/// Who says that they signed the token. Nobody has looked whether it is true: it says only whose keys to take.
fn issuer_of(token: &str) -> Option<String> {
    insecure_decode_claims::<Signed>(token).ok().map(|signed| signed.iss)
}

/// The claims of a token that the issuer has signed with its key of that name. What the header says of other keys (`jku`,
/// `jwk`, `x5u`, `x5c`) is not looked at.
fn verified_claims(
    token: &str,
    header: &Header,
    issuer: &Issuer,
    kid: &str,
    now: i64,
) -> Result<Map<String, Value>, TokenFault> {
    let key = issuer.key(kid, now)?;
    if key.algorithm != header.alg {
        return Err(Flaw::Algorithm.into());
    }
    let mut validation = Validation::new(key.algorithm);
    validation.set_issuer(&[&issuer.name]);
    validation.set_required_spec_claims(&["iss", "sub"]);
    // Looked at by ours, see `Claims`.
    (validation.validate_exp, validation.validate_nbf, validation.validate_aud) = (false, false, false);
    decode(token, &key.decoding, &validation).map(|token| token.claims).map_err(|error| {
        TokenFault::from(match error.kind() {
            jsonwebtoken::errors::ErrorKind::InvalidIssuer => Flaw::Issuer,
            jsonwebtoken::errors::ErrorKind::MissingRequiredClaim(_) => Flaw::Claims,
            _ => Flaw::Signature,
        })
    })
}
