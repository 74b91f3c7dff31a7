//! What every request shares. There is no way to publish from here: events leave through the outbox only.

use crate::SCHEMA;
use crate::config::Config;
use crate::error::Error;
use crate::inventory_client::InventoryClient;
use crate::placements::{self, Placement};
use crate::store::invariants::INVARIANTS;
use axum::extract::FromRef;
use service_kit::admin::Admin;
use service_kit::answer::Answer;
use service_kit::batcher::Batcher;
use service_kit::broker::Broker;
use service_kit::db::Database;
use service_kit::lifecycle::StartError;
use service_kit::prepared::Prepared;
use shared_types::topology::ORDER_RESERVATION_EVENTS;

/// The application state.
#[derive(Clone)]
pub struct App {
    /// The service's database.
    pub db: Database,
    /// Inventory-service.
    pub inventory: InventoryClient,
    /// The queue in front of placement.
    pub placements: Batcher<Placement, Result<Answer, Error>, Error>,
    broker: Broker,
    prepared: Prepared,
}

impl App {
    /// Puts the parts together and starts the batcher.
    pub fn new(config: &Config, db: Database, broker: Broker, prepared: Prepared) -> Result<Self, StartError> {
        let inventory = InventoryClient::new(config)?;
        let placements = placements::start(config.placement_limits(), db.clone(), inventory.clone());
        Ok(Self { db, inventory, placements, broker, prepared })
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
            consumers: &[ORDER_RESERVATION_EVENTS.name],
            invariants: &INVARIANTS,
            broker: app.broker.clone(),
        }
    }
}
