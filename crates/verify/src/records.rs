//! Orders and reservations as the services answer them, with the digits of every amount as they were written.

use serde::Deserialize;
use serde_json::Number;
use shared_types::OrderStatus;
use shared_types::reservations::ReservationStatus;
use time::OffsetDateTime;

/// An order of order-service.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Order {
    pub id: i64,
    /// Its reference, which is also the key of its reservation.
    pub reference: String,
    /// The account of the customer who placed it, if somebody with an account did.
    pub customer_id: Option<String>,
    pub customer_name: String,
    /// Where to write to.
    pub customer_email: String,
    pub status: OrderStatus,
    /// Sum of the lines; null until an order that was answered with 202 is placed.
    pub total_amount: Option<Number>,
    pub items: Vec<OrderLine>,
}

impl Order {
    /// Whether its stock was held and its prices are known.
    pub fn is_placed(&self) -> bool {
        self.total_amount.is_some()
    }
}

/// A line of an order; what the sale decides is null until the order is placed.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OrderLine {
    pub product_id: i64,
    /// The product's name when it was sold.
    pub product_name: Option<String>,
    pub quantity: i64,
    /// Price of one piece.
    pub price: Option<Number>,
    /// Price of all of them.
    pub subtotal: Option<Number>,
}

/// A reservation of inventory-service.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Reservation {
    /// The reference of its order.
    pub id: String,
    pub status: ReservationStatus,
    pub items: Vec<ReservedLine>,
    /// When the stock was set aside.
    #[serde(with = "time::serde::rfc3339")]
    pub created_at: OffsetDateTime,
    /// Sold without an order.
    #[serde(default)]
    pub direct: bool,
}

/// A line of a reservation.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ReservedLine {
    pub product_id: i64,
    pub quantity: i64,
    /// Price of one piece.
    pub unit_price: Number,
}
