//! What the module keeps while the service runs: its batches and the ways to the other services.

use super::config::Config;
use super::inventory::client::InventoryClient;
use super::paying::AtWork;
use super::placing::{accepting, immediate, requests::PlacementQueue};
use super::reads::{self, OrderReads};
use crate::account_service::AccountService;
use crate::guest_links::GuestLinks;
use crate::payments::Payments;
use service_kit::access::tokens::ServiceIdentity;
use service_kit::db::Database;
use service_kit::health::Dependency;
use service_kit::lifecycle::StartError;
use std::sync::Arc;
use tokio::sync::Notify;

/// The module's part of the application state.
#[derive(Debug)]
pub struct Orders {
    pub(super) config: Config,
    pub(super) db: Database,
    pub(super) inventory: InventoryClient,
    /// The way to the addresses of customers.
    pub(super) accounts: AccountService,
    /// The queue in front of placement.
    pub(super) placements: PlacementQueue,
    /// The queue in front of orders that are accepted and placed later.
    pub(super) acceptances: PlacementQueue,
    /// The queue in front of reads of single orders.
    pub(super) reads: OrderReads,
    /// How orders are paid.
    pub(super) payments: Arc<Payments>,
    /// Whose payments are worked on.
    pub(super) at_work: AtWork,
    /// The links by which guests see their orders.
    pub(super) links: Arc<GuestLinks>,
    /// Told when accepted orders wait to be placed.
    pub(super) accepted: Arc<Notify>,
}

impl Orders {
    /// Starts the batches; connects to nothing yet. Inventory-service is shown `identity`.
    pub fn new(
        config: &Config,
        db: Database,
        identity: ServiceIdentity,
        accounts: AccountService,
        (links, payments): (Arc<GuestLinks>, Arc<Payments>),
    ) -> Result<Self, StartError> {
        let inventory = InventoryClient::new(config, identity)?;
        let (limits, accepted) = (config.placement_limits(), Arc::new(Notify::new()));
        Ok(Self {
            placements: immediate::start(limits, db.clone(), inventory.clone(), payments.clone()),
            acceptances: accepting::start(limits, db.clone(), config.give_up_after(), accepted.clone()),
            reads: reads::start(config.read_limits(), db.clone()),
            config: config.clone(),
            db,
            inventory,
            accounts,
            payments,
            at_work: AtWork::default(),
            links,
            accepted,
        })
    }

    /// Whether inventory-service answers, and where the circuit in front of it stands.
    pub async fn inventory_dependency(&self) -> Dependency {
        Dependency::optional(self.inventory.ping().await).behind(self.inventory.circuit())
    }

    /// Those who take money, with the circuits in front of them.
    pub fn payment_dependencies(&self) -> Vec<(&'static str, Dependency)> {
        self.payments.dependencies()
    }
}
