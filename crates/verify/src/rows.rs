//! Orders and reservations as far as they are compared, borrowed from the page they stand on: names and addresses are
//! skipped, and amounts stay the digits that were written.

use serde::Deserialize;
use serde_json::value::RawValue;
use shared_types::reservations::ReservationStatus;
use shared_types::{OrderStatus, Reference};

/// An order.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OrderRow<'page> {
    pub id: i64,
    /// Its reference, which is also the key of its reservation.
    pub reference: Reference,
    pub status: OrderStatus,
    /// Sum of the lines; null until the order is placed.
    #[serde(borrow)]
    pub total_amount: Option<&'page RawValue>,
    #[serde(borrow)]
    pub items: Vec<OrderLineRow<'page>>,
}

/// A line of an order.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OrderLineRow<'page> {
    pub product_id: i64,
    pub quantity: i64,
    /// Price of one piece; null until the order is placed.
    #[serde(borrow)]
    pub price: Option<&'page RawValue>,
    /// Price of all of them; null until the order is placed.
    #[serde(borrow)]
    pub subtotal: Option<&'page RawValue>,
}

/// A reservation.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ReservationRow<'page> {
    /// The reference of its order.
    pub id: Reference,
    pub status: ReservationStatus,
    #[serde(borrow)]
    pub items: Vec<ReservedLineRow<'page>>,
    /// When the stock was set aside (RFC 3339).
    pub created_at: &'page str,
    /// Sold without an order.
    #[serde(default)]
    pub direct: bool,
}

/// A line of a reservation.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ReservedLineRow<'page> {
    pub product_id: i64,
    pub quantity: i64,
    /// Price of one piece.
    #[serde(borrow)]
    pub unit_price: &'page RawValue,
}
