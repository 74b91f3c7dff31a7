//! What every request shares: the state of each module. There is no way to publish from here: events leave through the
//! outbox only.

use crate::accounts::{Accounts, Registration};
use crate::addresses::{self, Addresses};
use crate::api_keys::ApiKeys;
use crate::audit;
use crate::codes::Codes;
use crate::config::Config;
use crate::guesses::NetworkLimits;
use crate::passwords::Passwords;
use crate::schema::SCHEMA;
use crate::sealing::Seal;
use crate::sessions::{self, Sessions};
use crate::signing_keys::SigningKeys;
use crate::token_checks::TokenChecks;
use axum::extract::FromRef;
use service_kit::access::tokens::Verifier;
use service_kit::admin::Admin;
use service_kit::broker::Broker;
use service_kit::consumer::DryRuns;
use service_kit::db::Database;
use service_kit::prepared::Prepared;
use shared_types::topology;
use std::ops::Deref;
use std::sync::Arc;

/// The application state; clones share it.
#[derive(Clone)]
pub struct App(Arc<Parts>);

/// What the application consists of.
pub struct Parts {
    /// What people do with accounts.
    pub accounts: Arc<Accounts>,
    /// Codes for addresses.
    pub codes: Arc<Codes>,
    /// Log-ins, and what follows.
    pub sessions: Arc<Sessions>,
    /// What tokens are signed with.
    pub signing_keys: Arc<SigningKeys>,
    /// Where people have things sent.
    pub addresses: Arc<Addresses>,
    /// Keys by which programs act for people.
    pub api_keys: Arc<ApiKeys>,
    /// What is known of tokens.
    pub token_checks: Arc<TokenChecks>,
    /// What the calls for operators need.
    pub admin: Admin,
}

impl Deref for App {
    type Target = Parts;

    fn deref(&self) -> &Parts {
        &self.0
    }
}

impl App {
    /// Puts the modules together.
    pub fn new(
        config: &Config,
        seal: Seal,
        db: Database,
        broker: Broker,
        verifier: Verifier,
        prepared: Prepared,
    ) -> Self {
        let proxies = config.server.trusted_proxies.clone();
        let passwords = Arc::new(Passwords::new(&config.passwords));
        let limits = Arc::new(NetworkLimits::new(&config.guesses));
        let signing_keys = Arc::new(SigningKeys::new(&config.signing_keys, config.port, db.clone(), seal.clone()));
        let api_keys = Arc::new(ApiKeys::new(db.clone(), signing_keys.clone(), proxies.clone()));
        let codes = Arc::new(Codes::new(db.clone(), seal));
        let sessions = Arc::new(Sessions::new(
            &config.sessions,
            db.clone(),
            passwords.clone(),
            limits.clone(),
            signing_keys.clone(),
            proxies.clone(),
            config.accounts.registration == Registration::Verified,
        ));
        let accounts =
            Accounts::new(&config.accounts, db.clone(), passwords, limits, sessions.clone(), codes.clone(), proxies);
        let parts = Parts {
            accounts: Arc::new(accounts),
            addresses: Arc::new(Addresses::new(db.clone())),
            api_keys,
            token_checks: Arc::new(TokenChecks::new(db.clone(), verifier)),
            admin: Admin {
                database: db,
                schema: SCHEMA,
                consumers: topology::consumed_by("account-service").collect(),
                dry_runs: DryRuns::default(),
                invariants: vec![audit::INVARIANTS, sessions::INVARIANTS, addresses::INVARIANTS],
                broker,
                prepared,
            },
            codes,
            sessions,
            signing_keys,
        };
        Self(Arc::new(parts))
    }
}

impl FromRef<App> for Arc<Addresses> {
    fn from_ref(app: &App) -> Self {
        app.addresses.clone()
    }
}

impl FromRef<App> for Arc<ApiKeys> {
    fn from_ref(app: &App) -> Self {
        app.api_keys.clone()
    }
}

impl FromRef<App> for Admin {
    fn from_ref(app: &App) -> Self {
        app.admin.clone()
    }
}

impl FromRef<App> for Arc<Accounts> {
    fn from_ref(app: &App) -> Self {
        app.accounts.clone()
    }
}

impl FromRef<App> for Arc<Codes> {
    fn from_ref(app: &App) -> Self {
        app.codes.clone()
    }
}

impl FromRef<App> for Arc<Sessions> {
    fn from_ref(app: &App) -> Self {
        app.sessions.clone()
    }
}

impl FromRef<App> for Arc<TokenChecks> {
    fn from_ref(app: &App) -> Self {
        app.token_checks.clone()
    }
}

impl FromRef<App> for Arc<SigningKeys> {
    fn from_ref(app: &App) -> Self {
        app.signing_keys.clone()
    }
}
