//! What every request shares. There is no way to publish from here: events leave through the outbox only.

use crate::config::Config;
use crate::products::ProductCache;
use crate::reservations::{self, INVARIANTS, ReservationBatcher};
use crate::schema::SCHEMA;
use axum::extract::FromRef;
use service_kit::admin::Admin;
use service_kit::broker::Broker;
use service_kit::db::Database;
use service_kit::prepared::Prepared;
use shared_types::topology;
use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

/// The application state; clones share it.
#[derive(Clone)]
pub struct App(Arc<Parts>);

/// What the application consists of.
pub struct Parts {
    /// The service's database.
    pub db: Database,
    /// Where requests for reservations meet in batches.
    pub reservations: ReservationBatcher,
    /// Answers to reads of products; told of every change.
    pub products: ProductCache,
    /// How long a reservation waits for its order.
    pub window: Duration,
    broker: Broker,
    prepared: Prepared,
}

impl Deref for App {
    type Target = Parts;

    fn deref(&self) -> &Parts {
        &self.0
    }
}

impl App {
    /// Puts the parts together and starts the batches.
    pub fn new(config: &Config, db: Database, broker: Broker, prepared: Prepared) -> Self {
        let window = config.reservation_window();
        let products = ProductCache::default();
        let limits = config.reservation_limits();
        let reservations = reservations::in_batches(db.clone(), products.clone(), window, limits);
        Self(Arc::new(Parts { db, reservations, products, window, broker, prepared }))
    }

    /// Whether PostgreSQL is reached and the schema up to date.
    pub async fn database_status(&self) -> Result<(), String> {
        self.db.ping().await?;
        self.prepared.check()
    }

    /// Whether RabbitMQ is reached.
    pub fn broker_status(&self) -> Result<(), String> {
        self.broker.status()
    }
}

impl FromRef<App> for Admin {
    fn from_ref(app: &App) -> Self {
        Self {
            database: app.db.clone(),
            schema: SCHEMA,
            consumers: topology::consumed_by("inventory-service").collect(),
            invariants: vec![&INVARIANTS],
            broker: app.broker.clone(),
        }
    }
}
