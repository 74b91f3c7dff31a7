//! What every request shares: the state of each module. There is no way to publish from here: events leave through the
//! outbox only.

use crate::account_service::AccountService;
use crate::config::Config;
use crate::guest_links::GuestLinks;
use crate::notifications::{self, Notifications};
use crate::orders::{self, Orders};
use crate::payments::{self, Payments};
use crate::schema::SCHEMA;
use axum::extract::FromRef;
use service_kit::access::tokens::ServiceIdentity;
use service_kit::admin::Admin;
use service_kit::broker::Broker;
use service_kit::consumer::DryRuns;
use service_kit::db::Database;
use service_kit::lifecycle::StartError;
use service_kit::prepared::Prepared;
use shared_types::topology;
use std::ops::Deref;
use std::sync::Arc;

/// The application state; clones share it.
#[derive(Clone)]
pub struct App(Arc<Parts>);

/// What the application consists of.
pub struct Parts {
    /// Orders: their batches, and the way to inventory-service.
    pub orders: Arc<Orders>,
    /// Messages to customers: templates, channels, providers.
    pub notifications: Arc<Notifications>,
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
    /// Puts the modules together and starts their batches.
    pub fn new(config: &Config, db: Database, broker: Broker, prepared: Prepared) -> Result<Self, StartError> {
        let known_to = |callee| ServiceIdentity::new(&config.server.auth, "order-service", callee);
        let links = Arc::new(GuestLinks::new(&config.guest_links, db.clone())?);
        let pause = config.notifications.circuit_pause();
        let accounts = AccountService::new(&config.account_service, pause, known_to("account-service")?)?;
        let parts = Parts {
            orders: Arc::new(Orders::new(
                &config.orders,
                db.clone(),
                known_to("inventory-service")?,
                accounts.clone(),
                (links.clone(), Arc::new(Payments::new(&config.payments)?)),
            )?),
            notifications: Arc::new(Notifications::new(
                &config.notifications,
                config.server.access.access,
                &config.broker,
                accounts,
                links,
                db.clone(),
            )?),
            admin: Admin {
                database: db,
                schema: SCHEMA,
                consumers: topology::consumed_by("order-service").collect(),
                dry_runs: DryRuns::default(),
                invariants: vec![orders::INVARIANTS, payments::INVARIANTS, notifications::INVARIANTS],
                broker,
                prepared,
            },
        };
        Ok(Self(Arc::new(parts)))
    }
}

impl FromRef<App> for Arc<Orders> {
    fn from_ref(app: &App) -> Self {
        app.orders.clone()
    }
}

impl FromRef<App> for Arc<Notifications> {
    fn from_ref(app: &App) -> Self {
        app.notifications.clone()
    }
}

impl FromRef<App> for Admin {
    fn from_ref(app: &App) -> Self {
        app.admin.clone()
    }
}
