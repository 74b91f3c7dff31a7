//! What every request shares. There is no way to publish from here: events leave through the outbox only.

use crate::SCHEMA;
use crate::config::Config;
use crate::inventory_client::InventoryClient;
use crate::notification_dispatch::{self, Outcomes, Wake};
use crate::order_reads::{self, OrderReads};
use crate::outbound::Outbound;
use crate::placement_requests::Queue;
use crate::store::invariants::INVARIANTS;
use crate::{acceptances, placements};
use axum::extract::FromRef;
use secrecy::{ExposeSecret, SecretString};
use service_kit::admin::Admin;
use service_kit::broker::Broker;
use service_kit::db::Database;
use service_kit::lifecycle::StartError;
use service_kit::prepared::Prepared;
use shared_types::topology::{ORDER_NOTIFICATIONS, ORDER_RESERVATION_EVENTS};
use std::ops::Deref;
use std::sync::Arc;
use tokio::sync::Notify;

/// The application state; clones share it.
#[derive(Clone)]
pub struct App(Arc<Parts>);

/// What the application consists of.
pub struct Parts {
    /// The service's database.
    pub db: Database,
    /// Inventory-service.
    pub inventory: InventoryClient,
    /// The queue in front of placement.
    pub placements: Queue,
    /// The queue in front of orders that are placed later.
    pub acceptances: Queue,
    /// The queue in front of reads of single orders.
    pub reads: OrderReads,
    /// Told when orders wait to be placed.
    pub accepted: Arc<Notify>,
    /// The ways by which messages leave the house.
    pub outbound: Outbound,
    /// Told when messages wait to be sent.
    pub wake: Wake,
    /// The queue of what came of sending messages.
    pub outcomes: Outcomes,
    /// What Brevo has to send with its reports.
    pub webhook_secret: Option<SecretString>,
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
    /// Puts the parts together and starts the batcher.
    pub fn new(config: &Config, db: Database, broker: Broker, prepared: Prepared) -> Result<Self, StartError> {
        let inventory = InventoryClient::new(config)?;
        let (limits, accepted) = (config.placement_limits(), Arc::new(Notify::new()));
        let placements = placements::start(limits, db.clone(), inventory.clone());
        let acceptances = acceptances::start(limits, db.clone(), config.give_up_after(), accepted.clone());
        let reads = order_reads::start(config.read_limits(), db.clone());
        let parts = Parts {
            outbound: Outbound::new(config)?,
            wake: Wake::default(),
            outcomes: notification_dispatch::start_outcomes(db.clone()),
            webhook_secret: config.sms.brevo_webhook_secret.clone().filter(|secret| !secret.expose_secret().is_empty()),
            db,
            inventory,
            placements,
            acceptances,
            accepted,
            reads,
            broker,
            prepared,
        };
        Ok(Self(Arc::new(parts)))
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
            consumers: &[ORDER_RESERVATION_EVENTS.name, ORDER_NOTIFICATIONS.name],
            invariants: &INVARIANTS,
            broker: app.broker.clone(),
        }
    }
}
