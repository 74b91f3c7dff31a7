//! What the module keeps while the service runs.

use super::config::{Config, Registration};
use crate::codes::Codes;
use crate::guesses::NetworkLimits;
use crate::passwords::Passwords;
use crate::sessions::Sessions;
use service_kit::db::Database;
use service_kit::proxies::TrustedProxies;
use std::sync::Arc;

/// The module's part of the application state.
#[derive(Debug)]
pub struct Accounts {
    pub(super) db: Database,
    pub(super) registration: Registration,
    pub(super) passwords: Arc<Passwords>,
    pub(super) limits: Arc<NetworkLimits>,
    pub(super) sessions: Arc<Sessions>,
    pub(super) codes: Arc<Codes>,
    pub(super) proxies: TrustedProxies,
}

impl Accounts {
    /// Puts together what accounts need.
    pub fn new(
        config: &Config,
        db: Database,
        passwords: Arc<Passwords>,
        limits: Arc<NetworkLimits>,
        sessions: Arc<Sessions>,
        codes: Arc<Codes>,
        proxies: TrustedProxies,
    ) -> Self {
        Self { db, registration: config.registration, passwords, limits, sessions, codes, proxies }
    }
}
