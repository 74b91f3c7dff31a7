//! What the module keeps while the service runs, and how its tokens are signed.

use super::config::Config;
use super::domain::Tokens;
use super::store::Live;
use crate::guesses::NetworkLimits;
use crate::passwords::Passwords;
use crate::schema::SCHEMA;
use crate::signing_keys::SigningKeys;
use service_kit::access::tokens::{AccessClaims, WEB, second_to_sign};
use service_kit::db::Database;
use service_kit::fault::Fault;
use service_kit::proxies::TrustedProxies;
use sqlx::PgConnection;
use std::sync::Arc;
use time::OffsetDateTime;
use uuid::Uuid;

/// The services that an access token is for.
const AUDIENCE: [&str; 3] = ["order-service", "inventory-service", "account-service"];

/// The module's part of the application state.
#[derive(Debug)]
pub struct Sessions {
    pub(super) db: Database,
    pub(super) config: Config,
    pub(super) passwords: Arc<Passwords>,
    pub(super) limits: Arc<NetworkLimits>,
    pub(super) keys: Arc<SigningKeys>,
    pub(super) proxies: TrustedProxies,
    /// Whether an address must be verified before its person logs in.
    pub(super) verified_only: bool,
}

impl Sessions {
    /// Puts together what sessions need.
    pub fn new(
        config: &Config,
        db: Database,
        passwords: Arc<Passwords>,
        limits: Arc<NetworkLimits>,
        keys: Arc<SigningKeys>,
        proxies: TrustedProxies,
        verified_only: bool,
    ) -> Self {
        Self { db, config: config.clone(), passwords, limits, keys, proxies, verified_only }
    }

    /// The settings.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// The tokens of a session, in its transaction.
    pub async fn tokens(
        &self,
        conn: &mut PgConnection,
        now: OffsetDateTime,
        session: &Live,
        refresh_token: String,
    ) -> Result<Tokens, Fault> {
        let lifetime = self.keys.lifetime();
        let claims = AccessClaims {
            iss: self.keys.issuer().to_owned(),
            sub: session.user,
            aud: AUDIENCE.map(str::to_owned).to_vec(),
            client_id: WEB.to_owned(),
            iat: second_to_sign(conn, SCHEMA, session.user, now).await?,
            exp: (now + lifetime).unix_timestamp(),
            jti: Uuid::now_v7(),
            sid: Some(session.id),
            auth_time: Some(session.authenticated_at.unix_timestamp()),
            amr: vec!["pwd".to_owned()],
            roles: session.roles.clone(),
            scope: None,
            networks: Vec::new(),
            seller: session.seller,
        };
        let access_token = self.keys.sign(conn, now, &claims).await?;
        Ok(Tokens { access_token, token_type: "Bearer", expires_in: lifetime.whole_seconds(), refresh_token })
    }
}
