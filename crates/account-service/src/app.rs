//! What every request shares: the state of each module. There is no way to publish from here: events leave through the
//! outbox only.

use crate::addresses::{self, Addresses};
use crate::schema::SCHEMA;
use axum::extract::FromRef;
use service_kit::admin::Admin;
use service_kit::broker::Broker;
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
    /// Where people have things sent.
    pub addresses: Arc<Addresses>,
    /// What the calls for operators need.
    pub admin: Admin,
    prepared: Prepared,
}

impl Deref for App {
    type Target = Parts;

    fn deref(&self) -> &Parts {
        &self.0
    }
}

impl App {
    /// Puts the modules together.
    pub fn new(db: Database, broker: Broker, prepared: Prepared) -> Self {
        let parts = Parts {
            addresses: Arc::new(Addresses::new(db.clone())),
            admin: Admin {
                database: db,
                schema: SCHEMA,
                consumers: topology::consumed_by("account-service").collect(),
                invariants: vec![addresses::INVARIANTS],
                broker,
            },
            prepared,
        };
        Self(Arc::new(parts))
    }

    /// Whether PostgreSQL is reached and the schema up to date.
    pub async fn database_status(&self) -> Result<(), String> {
        self.admin.database.ping().await?;
        self.prepared.check()
    }

    /// Whether RabbitMQ is reached.
    pub fn broker_status(&self) -> Result<(), String> {
        self.admin.broker.status()
    }
}

impl FromRef<App> for Arc<Addresses> {
    fn from_ref(app: &App) -> Self {
        app.addresses.clone()
    }
}

impl FromRef<App> for Admin {
    fn from_ref(app: &App) -> Self {
        app.admin.clone()
    }
}
