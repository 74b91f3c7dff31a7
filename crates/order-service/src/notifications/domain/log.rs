//! The notification log: a message as it is shown, what its text is made of, and what of it may stand in a log file.

use super::{Channel, Facts, Kind, LineFacts, OrderFacts, Status, StockFacts};
use crate::orders::{Order, OrderItem};
use serde::{Deserialize, Serialize};
use shared_types::OrderId;
use shared_types::events::StockLevel;
use time::OffsetDateTime;
use utoipa::ToSchema;
use uuid::Uuid;

/// A message to one recipient by one channel.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Notification {
    /// Its number.
    #[schema(example = 1)]
    pub id: i64,
    /// The order; none where it is about stock.
    #[schema(example = 1)]
    pub order_id: Option<OrderId>,
    /// The event that made it.
    pub event_id: Uuid,
    /// What it is about.
    pub kind: Kind,
    /// The way it goes.
    pub channel: Channel,
    /// E-mail address, or telephone number in E.164, or as the customer wrote it where no SMS are sent; none where there
    /// is none that can be used, or it was erased.
    #[schema(example = "ada@example.com")]
    pub recipient: Option<String>,
    /// How far it has come.
    pub status: Status,
    /// Why it was not sent, or not in the end.
    pub reason: Option<String>,
    /// How often the provider was asked to take it, since it was queued last.
    #[schema(example = 1)]
    pub attempts: i32,
    /// What came of the last attempt that failed.
    pub last_error: Option<String>,
    /// What the provider calls it.
    pub provider_id: Option<String>,
    /// How often somebody had it sent again.
    #[schema(example = 0)]
    pub resends: i32,
    /// When it was written.
    #[serde(with = "time::serde::rfc3339")]
    pub created_at: OffsetDateTime,
    /// When it is attempted next; while one sends it, when it is another's turn.
    #[serde(with = "time::serde::rfc3339::option")]
    pub next_attempt_at: Option<OffsetDateTime>,
    /// When the provider took it.
    #[serde(with = "time::serde::rfc3339::option")]
    pub sent_at: Option<OffsetDateTime>,
    /// When the provider reported that it arrived.
    #[serde(with = "time::serde::rfc3339::option")]
    pub delivered_at: Option<OffsetDateTime>,
    /// When recipient and texts were erased.
    #[serde(with = "time::serde::rfc3339::option")]
    pub erased_at: Option<OffsetDateTime>,
    /// Counts its changes; the ETag.
    #[serde(skip)]
    pub version: i64,
}

/// A message with its text.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, ToSchema)]
pub struct NotificationWithText {
    #[serde(flatten)]
    #[allow(missing_docs)]
    pub notification: Notification,
    /// The subject of an e-mail.
    #[schema(example = "Your order ORD-00000001")]
    pub subject: Option<String>,
    /// The text: as it was sent, or as it would be sent now; none where it was erased.
    pub text: Option<String>,
}

/// Texts as they were sent.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Texts {
    /// The subject of an e-mail.
    pub subject: Option<String>,
    /// The plain text.
    pub text: Option<String>,
    /// The HTML of an e-mail.
    pub html: Option<String>,
}

/// What is kept of an event about an order that the order does not hold.
#[derive(Deserialize)]
struct Note {
    reason: Option<String>,
}

/// What the templates are filled with, from the order, where the message is about one, and from what the log keeps.
/// None where there is too little.
pub fn facts(order: Option<&Order>, kept: Option<&str>) -> Option<Facts> {
    let Some(order) = order else {
        let level: StockLevel = serde_json::from_str(kept?).ok()?;
        return Some(Facts::Stock(StockFacts {
            product_id: level.product_id,
            sku: level.sku,
            stock_quantity: level.stock_quantity,
            low_stock_threshold: level.low_stock_threshold,
        }));
    };
    let line = |item: &OrderItem| LineFacts {
        product_id: item.product_id,
        name: item.product_name.clone(),
        quantity: item.quantity,
        price: item.price,
        subtotal: item.subtotal,
    };
    Some(Facts::Order(OrderFacts {
        number: order.order_number.clone(),
        customer_name: order.customer_name.clone(),
        shipping_address: order.shipping_address.clone(),
        total: order.total_amount,
        lines: order.items.iter().map(line).collect(),
        reason: kept.and_then(|kept| serde_json::from_str::<Note>(kept).ok()?.reason),
    }))
}

/// The facts without what tells who the customer is, for a log file. A reason may say anything, so it does not show.
pub fn blacked_out(facts: Facts) -> Facts {
    match facts {
        Facts::Order(order) => Facts::Order(OrderFacts {
            customer_name: "[name]".to_owned(),
            shipping_address: "[address]".to_owned(),
            reason: order.reason.map(|_| "[reason]".to_owned()),
            ..order
        }),
        stock @ Facts::Stock(_) => stock,
    }
}

/// A recipient for a log file: enough to tell whether it is the right one, too little to write to it.
pub fn masked(recipient: &str) -> String {
    let first = |text: &str| text.chars().next().map(String::from).unwrap_or_default();
    match recipient.rsplit_once('@') {
        Some((local, domain)) => match domain.rsplit_once('.') {
            Some((name, top)) => format!("{}…@{}….{top}", first(local), first(name)),
            None => format!("{}…@{}…", first(local), first(domain)),
        },
        None => format!("{}…", recipient.chars().take(3).collect::<String>()),
    }
}

#[cfg(test)]
mod tests {
    use super::{Facts, OrderFacts, blacked_out, facts, masked};

    #[test]
    fn a_recipient_is_not_written_out() {
        assert_eq!(masked("ada@example.com"), "a…@e….com");
        assert_eq!(masked("\"a@b\"@localhost"), "\"…@l…");
        assert_eq!(masked("+442079460000"), "+44…");
        assert_eq!(masked(""), "…");
    }

    #[test]
    fn nothing_of_the_customer_is_left() {
        let order = OrderFacts {
            number: "ORD-00000042".to_owned(),
            customer_name: "Ada".to_owned(),
            shipping_address: "12 Street".to_owned(),
            total: None,
            lines: Vec::new(),
            reason: Some("Ada moved".to_owned()),
        };
        let text = format!("{:?}", blacked_out(Facts::Order(order)));
        assert!(text.contains("ORD-00000042") && !text.contains("Ada") && !text.contains("Street"), "{text}");
    }

    #[test]
    fn stock_needs_no_order() {
        let kept = r#"{"productId": 1, "sku": "A-1", "stockQuantity": 4, "lowStockThreshold": 5}"#;
        assert!(matches!(facts(None, Some(kept)), Some(Facts::Stock(stock)) if stock.stock_quantity == 4));
        assert_eq!((facts(None, None), facts(None, Some("{}"))), (None, None));
    }
}
