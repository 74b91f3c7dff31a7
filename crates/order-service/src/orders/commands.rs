//! Commands on orders, one verb a file.

pub mod accept;
pub mod change_status;
pub mod confirm;
pub mod place;
pub mod place_accepted;
pub mod write;

use service_kit::outbox::Event;
use shared_types::events::{OrderCancelled, OrderConfirmed, OrderDelivered, OrderShipped, OrderSnapshot};
use shared_types::{OrderId, OrderStatus, Reference};

/// Who changes an order through the HTTP interface.
pub const API: &str = "api";

/// The event that tells of an order having come to `status`. Coming to be (PENDING) is told by its placement.
fn status_event(
    id: OrderId,
    reference: Reference,
    status: OrderStatus,
    reason: Option<String>,
) -> Result<Option<Event>, serde_json::Error> {
    let change = OrderSnapshot {
        order_id: id,
        reference,
        reason,
        customer_name: String::new(),
        customer_email: String::new(),
        customer_phone: None,
        shipping_address: String::new(),
        total_amount: None,
        items: Vec::new(),
    };
    match status {
        OrderStatus::Pending => Ok(None),
        OrderStatus::Confirmed => Event::new(&OrderConfirmed(change)).map(Some),
        OrderStatus::Shipped => Event::new(&OrderShipped(change)).map(Some),
        OrderStatus::Delivered => Event::new(&OrderDelivered(change)).map(Some),
        OrderStatus::Cancelled => Event::new(&OrderCancelled(change)).map(Some),
    }
}
