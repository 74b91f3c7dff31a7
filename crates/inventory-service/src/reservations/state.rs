//! What the module keeps while the service runs: the batches in which requests to hold stock meet.

use super::config::Config;
use super::holding::{self, HoldingQueue};
use crate::products::Products;
use service_kit::db::Database;
use std::sync::Arc;
use std::time::Duration;

/// The module's part of the application state.
#[derive(Debug)]
pub struct Reservations {
    pub(super) db: Database,
    /// Told of the stock that moves.
    pub(super) products: Arc<Products>,
    /// How long a reservation waits for its order.
    pub(super) window: Duration,
    /// The queue in front of holding stock.
    pub(super) holding: HoldingQueue,
}

impl Reservations {
    /// Starts the batches; connects to nothing yet.
    pub fn new(config: &Config, db: Database, products: Arc<Products>) -> Self {
        let window = config.window();
        let holding = holding::start(config.limits(), db.clone(), products.clone(), window);
        Self { db, products, window, holding }
    }
}
