//! What became of the messages about an order, as its notification log shows it.

use crate::poll;
use crate::samples::text;
use crate::shop::Shop;
use serde_json::Value;

/// The messages about an order.
pub async fn of_order(shop: &Shop, order: i64) -> Vec<Value> {
    shop.orders().get(&format!("/api/orders/{order}/notifications")).await.is(200).array()
}

/// Waits until the message of this kind and channel about the order passes the check; gives it.
pub async fn becomes(
    shop: &Shop,
    order: i64,
    (kind, channel): (&str, &str),
    what: &str,
    check: impl Fn(&Value) -> bool,
) -> Value {
    poll::eventually(&format!("{kind} by {channel} to be {what}"), async || {
        let rows = of_order(shop, order).await;
        let found = rows.iter().find(|row| row["kind"] == kind && row["channel"] == channel && check(row));
        found.cloned().ok_or_else(|| format!("{rows:?}"))
    })
    .await
}

/// Waits until the message has this status; gives it.
pub async fn reaches(shop: &Shop, order: i64, message: (&str, &str), status: &str) -> Value {
    becomes(shop, order, message, status, |row| row["status"] == status).await
}

/// Why a message was not sent; fails the test where that says whom it was for.
#[track_caller]
pub fn error(row: &Value) -> String {
    let error = text(&row["lastError"]).to_owned();
    let recipient = text(&row["recipient"]).trim_start_matches('+');
    assert!(!error.contains(recipient) && !error.contains('@'), "{error}");
    error
}

/// The state of the circuit in front of a provider, by the provider's name in the health of order-service.
pub async fn circuit(shop: &Shop, provider: &str) -> String {
    let health = shop.orders().get("/health/ready").await.is(200).json();
    text(&health["dependencies"][provider]["circuit"]).to_owned()
}

/// Waits until there are this many messages about an order; gives them.
pub async fn told(shop: &Shop, id: i64, count: usize) -> Vec<Value> {
    poll::eventually(&format!("{count} messages about order {id}"), async || {
        let found = of_order(shop, id).await;
        if found.len() == count { Ok(found) } else { Err(format!("{found:?}")) }
    })
    .await
}
