//! Exchanges and queues in one table that both services declare at start, so that no event is published before
//! the queue that wants it exists, whoever starts first.

use crate::events::{EventData, OrderCancelled, OrderCreated, ReservationCommitted};

/// The topic exchange that every event is published to; the routing key is the event's type.
pub const EXCHANGE: &str = "oms.events";

/// A consumer's quorum queue and the types of event it wants.
#[derive(Clone, Copy, Debug)]
pub struct Queue {
    /// `<service>.<purpose>`.
    pub name: &'static str,
    /// Routing keys bound to it.
    pub bindings: &'static [&'static str],
}

/// Inventory-service commits or gives back the stock of an order.
pub const INVENTORY_ORDER_EVENTS: Queue =
    Queue { name: "inventory-service.order-events", bindings: &[OrderCreated::TYPE, OrderCancelled::TYPE] };

/// Order-service confirms an order whose stock is committed.
pub const ORDER_RESERVATION_EVENTS: Queue =
    Queue { name: "order-service.reservation-events", bindings: &[ReservationCommitted::TYPE] };

/// Every queue of the system.
pub const QUEUES: [Queue; 2] = [INVENTORY_ORDER_EVENTS, ORDER_RESERVATION_EVENTS];

/// How long a message waits before each further attempt, in milliseconds: one delay queue for each.
pub const RETRY_DELAYS_MS: [u32; 5] = [1_000, 5_000, 30_000, 120_000, 600_000];

impl Queue {
    /// The delay queue in which a message of this queue waits before attempt `attempt + 1`.
    pub fn retry_queue(&self, delay_ms: u32) -> String {
        format!("{}.retry-{delay_ms}ms", self.name)
    }
}
