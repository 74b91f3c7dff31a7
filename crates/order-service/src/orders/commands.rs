//! Commands on orders, one verb a file.

pub mod accept;
pub mod change;
pub mod claim;
pub mod confirm;
pub mod lose_stock;
pub mod pay;
pub mod place;
pub mod place_accepted;
pub mod write;

use crate::orders::domain::Order;
use service_kit::outbox::Event;
use shared_types::OrderStatus;
use shared_types::events::{
    OrderCancelled, OrderConfirmed, OrderCreated, OrderDelivered, OrderPaid, OrderShipped, OrderSnapshot,
};

/// Who changes an order through the HTTP interface.
pub const API: &str = "api";

/// Who changes an order because its time is over.
const SERVICE: &str = "order-service";

/// Who takes an order into their account.
pub const CUSTOMER: &str = "customer";

/// The event that tells of an order having come to `status`. PENDING is told once its stock is reserved.
fn status_event(order: &Order, status: OrderStatus, reason: Option<String>) -> Result<Event, serde_json::Error> {
    let payment = order.payment.as_ref().and_then(|payment| payment.told(status));
    let snapshot = OrderSnapshot { payment, ..order.snapshot(reason) };
    match status {
        OrderStatus::Pending => Event::new(&OrderCreated(snapshot)),
        OrderStatus::Paid => Event::new(&OrderPaid(snapshot)),
        OrderStatus::Confirmed => Event::new(&OrderConfirmed(snapshot)),
        OrderStatus::Shipped => Event::new(&OrderShipped(snapshot)),
        OrderStatus::Delivered => Event::new(&OrderDelivered(snapshot)),
        OrderStatus::Cancelled => Event::new(&OrderCancelled(snapshot)),
    }
}
