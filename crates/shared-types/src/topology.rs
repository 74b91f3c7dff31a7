//! Exchanges and queues in one table. Who publishes declares all of it first, and who consumes its own queue, so that no
//! event is published before the queue that wants it exists, whoever starts first.

use crate::events::{
    EventData, OrderCancelled, OrderConfirmed, OrderCreated, OrderDelivered, OrderShipped, OrderStockLost,
    PaymentCaptured, PaymentFailed, RefundFailed, RefundSucceeded, ReservationCommitted, ReservationRefused,
    ReservationReleased, SessionRevoked, SigningKeyRevoked, StockLow, StockReplenished, UserCodeIssued, UserDisabled,
    UserErased, UserPasswordChanged, UserRegistered, UserRolesChanged,
};

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

/// Inventory-service takes what has left the house off what is reserved. A queue of its own: a build that knows only
/// [`INVENTORY_ORDER_EVENTS`] would set these events aside during an update.
pub const INVENTORY_SHIPMENTS: Queue =
    Queue { name: "inventory-service.shipments", bindings: &[OrderShipped::TYPE, OrderDelivered::TYPE] };

/// Order-service confirms an order whose stock is committed.
pub const ORDER_RESERVATION_EVENTS: Queue =
    Queue { name: "order-service.reservation-events", bindings: &[ReservationCommitted::TYPE] };

/// Order-service cancels an order whose stock is gone. A queue of its own for the same reason.
pub const ORDER_LOST_STOCK: Queue =
    Queue { name: "order-service.lost-stock", bindings: &[ReservationReleased::TYPE, ReservationRefused::TYPE] };

/// Order-service tells customers what happens to their orders, and the shop what happens to its stock.
pub const ORDER_NOTIFICATIONS: Queue = Queue {
    name: "order-service.notifications",
    bindings: &[
        OrderCreated::TYPE,
        OrderConfirmed::TYPE,
        OrderShipped::TYPE,
        OrderDelivered::TYPE,
        OrderCancelled::TYPE,
        OrderStockLost::TYPE,
        StockLow::TYPE,
        StockReplenished::TYPE,
    ],
};

/// What makes tokens good for nothing before their time.
const REVOCATIONS: &[&str] =
    &[SessionRevoked::TYPE, UserDisabled::TYPE, UserRolesChanged::TYPE, SigningKeyRevoked::TYPE];

/// Inventory-service stops accepting tokens that were taken back.
pub const INVENTORY_ACCOUNT_EVENTS: Queue = Queue { name: "inventory-service.account-events", bindings: REVOCATIONS };

/// Order-service does, too.
pub const ORDER_ACCOUNT_EVENTS: Queue = Queue { name: "order-service.account-events", bindings: REVOCATIONS };

/// Order-service welcomes people and sends them their codes. A queue of its own: a build that knows only
/// [`ORDER_NOTIFICATIONS`] would set these events aside during an update. The erasure of an account comes here as well, so that
/// it comes behind the mails about it.
pub const ORDER_ACCOUNT_MAILS: Queue = Queue {
    name: "order-service.account-mails",
    bindings: &[UserRegistered::TYPE, UserCodeIssued::TYPE, UserErased::TYPE],
};

/// Order-service tells people that their password was changed, and erases what it told those whose account is erased. A queue
/// of its own for the same reason; one for both, so that the message comes before its erasure.
pub const ORDER_ACCOUNT_CHANGES: Queue =
    Queue { name: "order-service.account-changes", bindings: &[UserPasswordChanged::TYPE, UserErased::TYPE] };

/// Order-service tells customers what became of their money. A queue of its own for the same reason.
pub const ORDER_MONEY_MAILS: Queue = Queue {
    name: "order-service.money-mails",
    bindings: &[PaymentCaptured::TYPE, PaymentFailed::TYPE, RefundSucceeded::TYPE, RefundFailed::TYPE],
};

/// Every queue of the system.
pub const QUEUES: [Queue; 10] = [
    INVENTORY_ORDER_EVENTS,
    INVENTORY_SHIPMENTS,
    INVENTORY_ACCOUNT_EVENTS,
    ORDER_RESERVATION_EVENTS,
    ORDER_LOST_STOCK,
    ORDER_NOTIFICATIONS,
    ORDER_ACCOUNT_EVENTS,
    ORDER_ACCOUNT_MAILS,
    ORDER_ACCOUNT_CHANGES,
    ORDER_MONEY_MAILS,
];

/// How often the broker hands out a message that nobody acknowledges (its consumer dies on it), before it sets the
/// message aside.
pub const DELIVERY_LIMIT: u32 = 20;

/// The names of the queues that a service consumes; a queue is named after it.
pub fn consumed_by(service: &str) -> impl Iterator<Item = &'static str> {
    QUEUES.iter().map(|queue| queue.name).filter(move |name| name.split('.').next() == Some(service))
}

impl Queue {
    /// The delay queue in which a message of this queue waits after its failed attempt number `attempt`, from 1 on.
    pub fn retry_queue(&self, attempt: usize) -> String {
        format!("{}.retry-{attempt}", self.name)
    }

    /// Where the broker puts the messages of this queue that were delivered too often.
    pub fn undeliverable(&self) -> String {
        format!("{}.undeliverable", self.name)
    }
}
