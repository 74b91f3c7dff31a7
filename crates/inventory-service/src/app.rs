//! What every request shares: the state of each module. There is no way to publish from here: events leave through the
//! outbox only.

use crate::config::Config;
use crate::products::{self, Products};
use crate::reservations::{self, Reservations};
use crate::schema::SCHEMA;
use crate::stock;
use axum::extract::FromRef;
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
    /// Products, and the answers that are kept of them.
    pub products: Arc<Products>,
    /// Reservations, and the batches in which they meet.
    pub reservations: Arc<Reservations>,
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
    pub fn new(config: &Config, db: Database, broker: Broker, prepared: Prepared) -> Self {
        let products = Arc::new(Products::new(db.clone()));
        let parts = Parts {
            reservations: Arc::new(Reservations::new(&config.reservations, db.clone(), products.clone())),
            products,
            admin: Admin {
                database: db,
                schema: SCHEMA,
                consumers: topology::consumed_by("inventory-service").collect(),
                dry_runs: DryRuns::default(),
                invariants: vec![products::INVARIANTS, stock::INVARIANTS, reservations::INVARIANTS],
                broker,
                prepared,
            },
        };
        Self(Arc::new(parts))
    }
}

impl FromRef<App> for Arc<Products> {
    fn from_ref(app: &App) -> Self {
        app.products.clone()
    }
}

impl FromRef<App> for Arc<Reservations> {
    fn from_ref(app: &App) -> Self {
        app.reservations.clone()
    }
}

impl FromRef<App> for Admin {
    fn from_ref(app: &App) -> Self {
        app.admin.clone()
    }
}
