//! What this service shows to another one, so that it knows who calls: an assertion that is good for a minute.

use super::claims::{SERVICE_ASSERTION, ServiceClaims};
use super::config::AuthConfig;
use super::signing::{KeyError, SigningKey};
use crate::config::ConfigError;
use reqwest::{RequestBuilder, Response, StatusCode};
use std::sync::{Arc, Mutex, PoisonError};
use time::OffsetDateTime;
use uuid::Uuid;

/// How long an assertion is good for, in seconds.
const LASTS: i64 = 60;

/// How long before its end it is renewed, in seconds: the call may take a while, and clocks differ.
const EARLY: i64 = 20;

/// Who this service is, towards one other; clones share the assertion. Without a key it says nothing.
#[derive(Clone, Debug)]
pub struct ServiceIdentity(Option<Arc<Parts>>);

#[derive(Debug)]
struct Parts {
    name: String,
    callee: String,
    config: AuthConfig,
    current: Mutex<Current>,
}

#[derive(Debug)]
struct Current {
    key: SigningKey,
    assertion: Option<Assertion>,
}

#[derive(Clone)]
struct Assertion {
    text: Arc<str>,
    renew_at: i64,
}

impl std::fmt::Debug for Assertion {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Assertion").field("renew_at", &self.renew_at).finish_non_exhaustive()
    }
}

impl ServiceIdentity {
    /// Of the service `name` towards `callee`, with the key in `SERVICE_KEY_FILE`, if there is one.
    pub fn new(config: &AuthConfig, name: &str, callee: &str) -> Result<Self, ConfigError> {
        let Some(key) = read_key(config)? else { return Ok(Self(None)) };
        let current = Mutex::new(Current { key, assertion: None });
        let (name, callee, config) = (name.to_owned(), callee.to_owned(), config.clone());
        Ok(Self(Some(Arc::new(Parts { name, callee, config, current }))))
    }

    /// Puts on a request who makes it, where there is a key.
    pub fn sign(&self, request: RequestBuilder) -> Result<RequestBuilder, KeyError> {
        let Some(parts) = &self.0 else { return Ok(request) };
        Ok(request.bearer_auth(parts.assertion(OffsetDateTime::now_utc())?))
    }

    /// The answer to what `attempt` sends. Where the other does not accept who we say we are (401), we say it anew and ask once
    /// more.
    pub async fn ask<E, F>(&self, attempt: impl Fn() -> F) -> Result<Response, E>
    where
        F: Future<Output = Result<Response, E>>,
    {
        let response = attempt().await?;
        match &self.0 {
            Some(parts) if response.status() == StatusCode::UNAUTHORIZED => {
                parts.renew();
                attempt().await
            }
            _ => Ok(response),
        }
    }
}

impl Parts {
    /// The assertion to send, as `Authorization: Bearer …`. Signed anew before it ends.
    fn assertion(&self, now: OffsetDateTime) -> Result<Arc<str>, KeyError> {
        let now = now.unix_timestamp();
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(assertion) = current.assertion.as_ref().filter(|assertion| now < assertion.renew_at) {
            return Ok(assertion.text.clone());
        }
        let claims = ServiceClaims {
            iss: self.name.clone(),
            sub: self.name.clone(),
            aud: self.callee.clone(),
            iat: now,
            exp: now + LASTS,
            jti: Uuid::now_v7(),
        };
        let text: Arc<str> = current.key.sign(SERVICE_ASSERTION, &claims)?.into();
        current.assertion = Some(Assertion { text: text.clone(), renew_at: now + LASTS - EARLY });
        Ok(text)
    }

    /// It was refused: the key is read again, which may have been replaced, and the next assertion is a new one.
    fn renew(&self) {
        let key = read_key(&self.config);
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        current.assertion = None;
        match key {
            Ok(Some(key)) => current.key = key,
            Ok(None) => {}
            Err(error) => tracing::warn!(%error, "the key cannot be read again"),
        }
    }
}

fn read_key(config: &AuthConfig) -> Result<Option<SigningKey>, ConfigError> {
    let Some(path) = &config.service_key_file else { return Ok(None) };
    let refused = |reason: String| ConfigError { variable: "SERVICE_KEY_FILE", reason };
    let pem = std::fs::read(path).map_err(|error| refused(format!("{}: {error}", path.display())))?;
    let key = SigningKey::from_pem(&pem);
    key.map(Some).map_err(|_| refused(format!("{} is no private key on P-256 (PEM, PKCS#8)", path.display())))
}

#[cfg(test)]
mod tests {
    use super::ServiceIdentity;
    use crate::access::Principal;
    use crate::access::tokens::{AuthConfig, Verifier};
    use clap::Parser;
    use std::path::PathBuf;
    use time::{Duration, OffsetDateTime};

    #[derive(Parser, Debug)]
    struct Flags {
        #[command(flatten)]
        auth: AuthConfig,
    }

    fn config(flags: &[&str]) -> AuthConfig {
        Flags::parse_from([&["x"], flags].concat()).auth
    }

    /// A file below the folder for temporary files; gone with the value.
    struct File(PathBuf);

    impl File {
        fn with(text: &str) -> Self {
            let path = std::env::temp_dir().join(uuid::Uuid::now_v7().to_string());
            std::fs::write(&path, text).unwrap();
            Self(path)
        }

        fn path(&self) -> &str {
            self.0.to_str().unwrap()
        }
    }

    impl Drop for File {
        fn drop(&mut self) {
            let _ = std::fs::remove_file(&self.0);
        }
    }

    const PRIVATE: [&str; 2] = [
        "-----BEGIN PRIVATE KEY-----\nMIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgj3wj9xtw0GpH4p2/\nT1ajVKCQ0XfxQqwMX2k3ZRHBUTChRANCAASLlEg3xha0Lov3z7laegzVR2n1DAx5\nOxZYKptwswJLcKDEc1liDqJOIGWmWDE16vdPjGnEaKMZJbGyUAHBnZyV\n-----END PRIVATE KEY-----",
        "-----BEGIN PRIVATE KEY-----\nMIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgcp2AOYNdR97SFTBe\nvwMa/NtoJlNR+aNu1s4KJrh14uihRANCAASjPR50U8b0daGYybnFMRLB2urc1/3R\n03AtCGQrdwLiBuY2IEAsCNt5WY33kIfQMURFOeXF49KV5MCG4iuPxrD0\n-----END PRIVATE KEY-----",
    ];
    const PUBLIC: [&str; 2] = [
        "-----BEGIN PUBLIC KEY-----\nMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEi5RIN8YWtC6L98+5WnoM1Udp9QwM\neTsWWCqbcLMCS3CgxHNZYg6iTiBlplgxNer3T4xpxGijGSWxslABwZ2clQ==\n-----END PUBLIC KEY-----",
        "-----BEGIN PUBLIC KEY-----\nMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEoz0edFPG9HWhmMm5xTESwdrq3Nf9\n0dNwLQhkK3cC4gbmNiBALAjbeVmN95CH0DFERTnlxePSleTAhuIrj8aw9A==\n-----END PUBLIC KEY-----",
    ];

    #[test]
    fn without_a_key_nothing_is_sent() {
        assert!(ServiceIdentity::new(&config(&[]), "a", "b").unwrap().0.is_none());
        let no_key = File::with("hush");
        let refused = ServiceIdentity::new(&config(&["--service-key-file", no_key.path()]), "a", "b").unwrap_err();
        assert!(refused.to_string().starts_with("SERVICE_KEY_FILE: ") && !refused.to_string().contains("hush"));
    }

    #[test]
    fn an_assertion_is_renewed_before_it_ends() {
        let file = File::with(PRIVATE[0]);
        let identity =
            ServiceIdentity::new(&config(&["--service-key-file", file.path()]), "a", "b").unwrap().0.unwrap();
        let now = OffsetDateTime::now_utc();
        let at = |seconds| identity.assertion(now + Duration::seconds(seconds)).unwrap();
        let first = at(0);
        assert_eq!(at(39), first);
        assert_ne!(at(41), first);
    }

    #[test]
    fn while_a_key_is_replaced_both_are_accepted() {
        let private = File::with(PRIVATE[0]);
        let public = File::with(&PUBLIC.join("\n"));
        let trusted = format!("order-service={}", public.path());
        let callee = Verifier::new(&config(&["--trusted-services", &trusted]), "inventory-service").unwrap();
        let key = config(&["--service-key-file", private.path()]);
        let identity = ServiceIdentity::new(&key, "order-service", "inventory-service").unwrap().0.unwrap();
        let now = OffsetDateTime::now_utc();
        let (old, known) = (identity.assertion(now).unwrap(), Ok(Principal::Service("order-service".into())));
        std::fs::write(&private.0, PRIVATE[1]).unwrap();
        identity.renew();
        let new = identity.assertion(now).unwrap();
        assert_ne!(new, old);
        assert_eq!(callee.principal(&old, now), known);
        assert_eq!(callee.principal(&new, now), known);
    }

    #[test]
    fn a_file_without_keys_is_named_at_start() {
        let file = File::with("");
        let trusted = format!("order-service={}", file.path());
        let refused = Verifier::new(&config(&["--trusted-services", &trusted]), "inventory-service").unwrap_err();
        assert!(refused.to_string().starts_with("TRUSTED_SERVICES: "), "{refused}");
    }
}
