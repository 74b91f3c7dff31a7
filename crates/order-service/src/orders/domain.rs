//! Orders: what an order is, and the sums.

mod requests;

pub use requests::{CancelOrder, ChangeStatus, NewOrder, PlaceOrder};
use serde::Serialize;
use shared_types::reservations::{Reservation, ReservationLine, ReservationStatus, ReservedLine};
use shared_types::{Money, OrderId, OrderStatus, ProductId, Reference};
use time::OffsetDateTime;
use utoipa::ToSchema;

/// An order as it is kept and shown.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Order {
    /// Its number.
    pub id: OrderId,
    /// The number as people write it.
    #[schema(example = "ORD-00000001")]
    pub order_number: String,
    /// Its public reference, also the key of its reservation.
    pub reference: Reference,
    /// Who ordered.
    #[schema(example = "Ada Lovelace")]
    pub customer_name: String,
    /// Where to write to.
    #[schema(example = "ada@example.com")]
    pub customer_email: String,
    /// Where to call.
    #[schema(example = "+44 20 7946 0000")]
    pub customer_phone: Option<String>,
    /// Where to send it.
    #[schema(example = "12 St James's Square, London")]
    pub shipping_address: String,
    /// Where it stands.
    pub status: OrderStatus,
    /// Sum of the lines; null until the order is placed.
    #[schema(required)]
    pub total_amount: Option<Money>,
    /// The lines, by product id.
    pub items: Vec<OrderItem>,
    /// When it was asked for.
    #[serde(with = "time::serde::rfc3339")]
    pub created_at: OffsetDateTime,
    /// When it last changed.
    #[serde(with = "time::serde::rfc3339")]
    pub updated_at: OffsetDateTime,
    /// Its version, the ETag.
    #[serde(skip)]
    pub version: i64,
}

/// A line of an order, with name and price as sold.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct OrderItem {
    /// Its number.
    #[schema(example = 1)]
    pub id: i64,
    /// The product.
    pub product_id: ProductId,
    /// The product's name; null until the order is placed.
    #[schema(required, example = "Laptop Pro 15")]
    pub product_name: Option<String>,
    /// Pieces.
    #[schema(example = 2)]
    pub quantity: i32,
    /// Price of one piece; null until the order is placed.
    #[schema(required)]
    pub price: Option<Money>,
    /// Price of all of them; null until the order is placed.
    #[schema(required)]
    pub subtotal: Option<Money>,
}

impl OrderItem {
    /// A line whose stock is held, not written yet.
    pub fn reserved(line: &ReservedLine) -> Self {
        Self {
            id: 0,
            product_id: line.product_id,
            product_name: Some(line.name.clone()),
            quantity: line.quantity,
            price: Some(line.unit_price),
            subtotal: Some(line.unit_price.times(line.quantity)),
        }
    }

    /// A line whose name and price are not known yet, not written yet.
    pub fn unplaced(line: &ReservationLine) -> Self {
        let (product_id, quantity) = (line.product_id, line.quantity);
        Self { id: 0, product_id, product_name: None, quantity, price: None, subtotal: None }
    }
}

/// A status an order came to.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct TimelineEntry {
    /// The status.
    pub status: OrderStatus,
    /// When.
    #[serde(with = "time::serde::rfc3339")]
    pub at: OffsetDateTime,
    /// By whom: `api`, or the service that decided it.
    #[schema(example = "api")]
    pub actor: String,
    /// Why, where somebody said so.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub reason: Option<String>,
}

/// The number as people write it: `ORD-00000042`.
pub fn order_number(id: OrderId) -> String {
    format!("ORD-{:08}", id.0)
}

/// What the reserved lines cost together.
pub fn total(reservation: &Reservation) -> Money {
    reservation.items.iter().map(|line| line.unit_price.times(line.quantity)).sum()
}

/// Until when the order may be written, if there is such a time: stock that is committed already never goes back by
/// itself.
///
/// Three quarters of the time the stock is held for. The last quarter keeps a slow placement and the settling job
/// apart, also when the two databases' clocks differ a little.
pub fn placement_deadline(reservation: &Reservation) -> Option<OffsetDateTime> {
    let deadline = reservation.created_at + (reservation.expires_at - reservation.created_at) * 3 / 4;
    (reservation.status != ReservationStatus::Committed).then_some(deadline)
}

#[cfg(test)]
mod tests;
