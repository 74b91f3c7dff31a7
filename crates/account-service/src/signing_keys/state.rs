//! Signing.

use super::commands::place;
use super::config::Config;
use super::store;
use crate::sealing::Seal;
use service_kit::access::tokens::{ACCESS_TOKEN, AccessClaims, SigningKey};
use service_kit::db::Database;
use service_kit::fault::Fault;
use service_kit::problem::Problem;
use sqlx::PgConnection;
use std::sync::{Mutex, PoisonError};
use time::{Duration, OffsetDateTime};

/// The module's part of the application state.
#[derive(Debug)]
pub struct SigningKeys {
    pub(super) db: Database,
    pub(super) seal: Seal,
    pub(super) issuer: String,
    lifetime: Duration,
    /// The key that signed last, opened.
    opened: Mutex<Option<SigningKey>>,
}

impl SigningKeys {
    /// Those in this database, sealed so. Tokens name the issuer.
    pub fn new(config: &Config, port: u16, db: Database, seal: Seal) -> Self {
        let lifetime = Duration::minutes(i64::from(config.access_token_minutes));
        Self { db, seal, issuer: config.issuer(port), lifetime, opened: Mutex::new(None) }
    }

    /// Who signs: the `iss` of tokens.
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// Where API keys are exchanged for tokens.
    pub fn token_endpoint(&self) -> String {
        format!("{}/api/auth/token", self.issuer)
    }

    /// For how long an access token is good.
    pub fn lifetime(&self) -> Duration {
        self.lifetime
    }

    /// Signs an access token with the key that signs now. 503 where there is none yet.
    pub async fn sign(
        &self,
        conn: &mut PgConnection,
        now: OffsetDateTime,
        claims: &AccessClaims,
    ) -> Result<String, Fault> {
        let sealed = store::signing(conn, now).await?.ok_or(Fault::Overloaded("no key signs tokens yet; try again"))?;
        let key = self.opened(&sealed)?;
        Ok(key.sign(ACCESS_TOKEN, claims).map_err(Problem::unexpected)?)
    }

    fn opened(&self, sealed: &store::Sealed) -> Result<SigningKey, Fault> {
        let mut opened = self.opened.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(key) = opened.as_ref().filter(|key| key.kid() == sealed.kid) {
            return Ok(key.clone());
        }
        let pkcs8 = self.seal.open(&place(&sealed.kid), &sealed.private_sealed)?;
        let key = SigningKey::from_pkcs8(&pkcs8).map_err(Problem::unexpected)?;
        *opened = Some(key.clone());
        Ok(key)
    }
}
