//! Commands on orders, one verb a file.

pub mod accept;
pub mod change_status;
pub mod confirm;
pub mod place;
pub mod place_accepted;
pub mod write;

use crate::orders::domain::{Order, OrderItem};
use service_kit::outbox::Event;
use shared_types::OrderStatus;
use shared_types::events::{
    OrderCancelled, OrderConfirmed, OrderCreated, OrderDelivered, OrderLine, OrderShipped, OrderSnapshot,
};

/// Who changes an order through the HTTP interface.
pub const API: &str = "api";

/// The event that tells of an order having come to `status`. PENDING is told once its stock is reserved.
fn status_event(order: &Order, status: OrderStatus, reason: Option<String>) -> Result<Event, serde_json::Error> {
    let snapshot = snapshot(order, reason);
    match status {
        OrderStatus::Pending => Event::new(&OrderCreated(snapshot)),
        OrderStatus::Confirmed => Event::new(&OrderConfirmed(snapshot)),
        OrderStatus::Shipped => Event::new(&OrderShipped(snapshot)),
        OrderStatus::Delivered => Event::new(&OrderDelivered(snapshot)),
        OrderStatus::Cancelled => Event::new(&OrderCancelled(snapshot)),
    }
}

/// An order as its events carry it.
fn snapshot(order: &Order, reason: Option<String>) -> OrderSnapshot {
    let line = |item: &OrderItem| OrderLine {
        product_id: item.product_id,
        product_name: item.product_name.clone(),
        quantity: item.quantity,
        price: item.price,
    };
    OrderSnapshot {
        order_id: order.id,
        reference: order.reference,
        reason,
        customer_name: order.customer_name.clone(),
        customer_email: order.customer_email.clone(),
        customer_phone: order.customer_phone.clone(),
        shipping_address: order.shipping_address.clone(),
        total_amount: order.total_amount,
        items: order.items.iter().map(line).collect(),
    }
}
