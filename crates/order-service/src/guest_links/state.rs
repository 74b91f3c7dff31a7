//! Making links and codes, and reading them. The key is fetched once.

use super::config::Config;
use super::domain::{self, KEY, Unverified};
use super::store;
use ring::hmac;
use ring::rand::{SecureRandom, SystemRandom};
use service_kit::config::ConfigError;
use service_kit::db::Database;
use service_kit::fault::Fault;
use service_kit::problem::Problem;
use shared_types::OrderId;
use std::fmt;
use time::OffsetDateTime;
use tokio::sync::OnceCell;

/// The module's part of the application state.
#[derive(Debug)]
pub struct GuestLinks {
    db: Database,
    /// What stands in front of the path of a link; without it no mail has one.
    base: Option<String>,
    key: OnceCell<hmac::Key>,
}

/// What the mail about an order without an account shows. `Debug` does not.
pub struct GuestLink {
    /// Where the order can be seen.
    pub url: String,
    /// The code by which it is taken into an account.
    pub code: String,
}

impl fmt::Debug for GuestLink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GuestLink").finish_non_exhaustive()
    }
}

impl GuestLinks {
    /// Those signed by the key in this database.
    pub fn new(config: &Config, db: Database) -> Result<Self, ConfigError> {
        Ok(Self { db, base: config.base()?, key: OnceCell::new() })
    }

    /// The link to an order, and its code; none where no link can be followed, because `PUBLIC_URL` is not set.
    pub async fn to(&self, now: OffsetDateTime, order: OrderId) -> Result<Option<GuestLink>, Fault> {
        let Some(base) = &self.base else { return Ok(None) };
        let key = self.key().await?;
        let url = format!("{base}/api/orders/guest/{}", domain::token(key, now, order));
        Ok(Some(GuestLink { url, code: domain::code(key, order) }))
    }

    /// The order that a link leads to; none if the token is not one of ours, or has expired.
    pub async fn order_of(&self, now: OffsetDateTime, token: &str) -> Result<Option<OrderId>, Fault> {
        let Some(unverified) = Unverified::read(token, now) else { return Ok(None) };
        Ok(unverified.verified(self.key().await?))
    }

    /// Whether what was typed is the code of the order.
    pub async fn is_code(&self, order: OrderId, typed: &str) -> Result<bool, Fault> {
        Ok(domain::is_code(self.key().await?, order, typed))
    }

    async fn key(&self) -> Result<&hmac::Key, Fault> {
        let fetch = async || {
            let mut new = [0; KEY];
            SystemRandom::new().fill(&mut new).map_err(|_| Problem::unexpected("the system gives no random bytes"))?;
            let secret = store::key(self.db.pool(), &new).await?;
            Ok(hmac::Key::new(hmac::HMAC_SHA256, &secret))
        };
        self.key.get_or_try_init(fetch).await
    }
}
