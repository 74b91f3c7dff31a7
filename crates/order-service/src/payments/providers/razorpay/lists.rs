//! What Razorpay lists of a time: its orders and refunds, page by page.

use super::{Answer, List, Order, Razorpay, Refund, money};
use crate::payments::domain::{Listed, ListedRefund};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use time::OffsetDateTime;

/// Entities that a list gives at once, the most that it does.
const PAGE: usize = 100;

/// An order with what was paid for it.
#[derive(Debug, Deserialize)]
struct PaidOrder {
    #[serde(default)]
    amount_paid: u64,
    #[serde(flatten)]
    order: Order,
}

/// A refund with what it gives back.
#[derive(Debug, Deserialize)]
struct RefundOf {
    payment_id: String,
    #[serde(flatten)]
    refund: Refund,
}

#[derive(Debug, Deserialize)]
struct PaymentOf {
    order_id: Option<String>,
}

impl Razorpay {
    /// The orders that were opened from one time until before another.
    pub async fn payments_between(&self, from: OffsetDateTime, to: OffsetDateTime) -> Answer<Vec<Listed>> {
        let listed = |PaidOrder { amount_paid, order }| Listed {
            reference: order.reference(),
            provider_id: order.id,
            captured: money(amount_paid),
        };
        self.all("/v1/orders", from, to).await.map(|all| all.into_iter().map(listed).collect())
    }

    /// The refunds that were made from one time until before another.
    pub async fn refunds_between(&self, from: OffsetDateTime, to: OffsetDateTime) -> Answer<Vec<ListedRefund>> {
        let listed = |RefundOf { payment_id, refund }| ListedRefund { of: payment_id, refund: refund.shown() };
        self.all("/v1/refunds", from, to).await.map(|all| all.into_iter().map(listed).collect())
    }

    /// The order of a payment there.
    pub async fn order_of(&self, payment: &str) -> Answer<Option<String>> {
        self.get::<PaymentOf>(&format!("/v1/payments/{payment}")).await.map(|payment| payment.order_id)
    }

    async fn all<Item: DeserializeOwned>(
        &self,
        path: &str,
        from: OffsetDateTime,
        to: OffsetDateTime,
    ) -> Answer<Vec<Item>> {
        // Both ends belong to the list.
        let (from, to) = (from.unix_timestamp().max(0), (to.unix_timestamp() - 1).max(0));
        let mut found: Vec<Item> = Vec::new();
        loop {
            let page = format!("{path}?from={from}&to={to}&count={PAGE}&skip={}", found.len());
            match self.get::<List<Item>>(&page).await {
                Answer::Done(List { items }) => {
                    let is_last = items.len() < PAGE;
                    found.extend(items);
                    if is_last {
                        return Answer::Done(found);
                    }
                }
                other => return other.without(),
            }
        }
    }
}
