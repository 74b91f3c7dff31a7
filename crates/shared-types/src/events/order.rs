//! An order as its events carry it, and without its customer.

use crate::{Money, OrderId, ProductId, Reference};
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

/// A line of an order as the events carry it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OrderLine {
    /// The product.
    pub product_id: ProductId,
    /// Its name when it was sold; none where the order was never placed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub product_name: Option<String>,
    /// Pieces.
    pub quantity: i32,
    /// Price of one piece when it was sold; none where the order was never placed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub price: Option<Money>,
}

/// The payment of an order, where the order's customer is told of it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ToldPayment {
    /// What it comes to: `DUE`, `PAID`, `PART_REFUNDED`.
    pub status: String,
    /// By what it is paid: `CARD`.
    pub method: String,
    /// What it is for.
    pub amount: Money,
    /// The currency, as ISO 4217 has it; none where who tells of it does not know.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub currency: Option<String>,
    /// Until when it has to be paid, lest the order is cancelled.
    #[serde(default, with = "crate::times::option", skip_serializing_if = "Option::is_none")]
    pub pay_by: Option<OffsetDateTime>,
}

/// What every event about an order says: which order, and everything its customer is told of it.
///
/// Events arrive in any order after a retry, and the first event of an order may be its cancellation. So each event is
/// enough to reach the customer. `order.confirmed` leaves out the lines, which `order.created` named: reading them cost
/// every order as much as confirming it. Earlier builds wrote less: then the customer's e-mail address is empty, or only the telephone
/// number and the shipping address are missing.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OrderSnapshot {
    /// Number of the order.
    pub order_id: OrderId,
    /// Reference of the order and of its reservation.
    pub reference: Reference,
    /// Why, where somebody said so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Who ordered.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub customer_name: String,
    /// Where to write to.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub customer_email: String,
    /// Where to call.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub customer_phone: Option<String>,
    /// Where to send it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub shipping_address: String,
    /// What the customer wants the shop to know.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// Sum of the lines; none where the order was never placed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub total_amount: Option<Money>,
    /// The lines; none in `order.confirmed`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub items: Vec<OrderLine>,
    /// Whether it is nobody's: placed without an account, and not taken into one since. Earlier builds did not say so.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub guest: bool,
    /// Of an order that was never placed: whether the shop gave it up, or somebody cancelled it first. Earlier builds did not
    /// say so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub given_up: Option<bool>,
    /// In `order.created` the payment that is due, and in `order.cancelled` the one whose money was taken and goes back. None
    /// otherwise. Earlier builds did not say so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub payment: Option<ToldPayment>,
}

impl OrderSnapshot {
    /// The same without its customer. In the place of each personal text stands what `shown` gives for the field's name; where that
    /// is empty, the text is left out. A reason or a note may say anything, so they are personal.
    ///
    /// Every field is named, so that a new one cannot be passed on unseen.
    #[must_use]
    pub fn without_customer(self, shown: impl Fn(&str) -> String) -> Self {
        let optional = |text: Option<String>, field| text.map(|_| shown(field)).filter(|shown| !shown.is_empty());
        let Self {
            order_id,
            reference,
            reason,
            customer_name: _,
            customer_email: _,
            customer_phone,
            shipping_address: _,
            note,
            total_amount,
            items,
            guest: _,
            given_up,
            payment,
        } = self;
        Self {
            order_id,
            reference,
            reason: optional(reason, "reason"),
            customer_name: shown("name"),
            customer_email: shown("e-mail address"),
            customer_phone: optional(customer_phone, "telephone number"),
            shipping_address: shown("address"),
            note: optional(note, "note"),
            total_amount,
            items,
            guest: false,
            given_up,
            payment,
        }
    }
}
