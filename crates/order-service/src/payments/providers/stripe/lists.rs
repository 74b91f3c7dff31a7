//! What Stripe lists of a time: its payments and refunds, page by page.

use super::{Answer, Intent, List, PAGE, Refund, Stripe, money};
use crate::payments::domain::{Listed, ListedRefund};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use time::OffsetDateTime;

/// A refund with what it gives back.
#[derive(Debug, Deserialize)]
struct RefundOf {
    payment_intent: Option<String>,
    #[serde(flatten)]
    refund: Refund,
}

impl Stripe {
    /// The payments that were opened from one time until before another.
    pub async fn payments_between(&self, from: OffsetDateTime, to: OffsetDateTime) -> Answer<Vec<Listed>> {
        let all = self.all("/v1/payment_intents", (from, to), |intent: &Intent| &intent.id).await;
        all.map(|all| all.into_iter().map(Intent::listed).collect())
    }

    /// The refunds that were made from one time until before another.
    pub async fn refunds_between(&self, from: OffsetDateTime, to: OffsetDateTime) -> Answer<Vec<ListedRefund>> {
        let all = self.all("/v1/refunds", (from, to), |it: &RefundOf| &it.refund.id).await;
        all.map(|all| {
            let of_payment = |it: RefundOf| Some(ListedRefund { of: it.payment_intent?, refund: it.refund.shown() });
            all.into_iter().filter_map(of_payment).collect()
        })
    }

    async fn all<Item: DeserializeOwned>(
        &self,
        path: &str,
        (from, to): (OffsetDateTime, OffsetDateTime),
        id: impl Fn(&Item) -> &String,
    ) -> Answer<Vec<Item>> {
        let [from, to] = [from, to].map(|time| time.unix_timestamp().max(0).to_string());
        let (limit, mut found): (String, Vec<Item>) = (PAGE.to_string(), Vec::new());
        loop {
            let mut query = vec![("created[gte]", from.as_str()), ("created[lt]", to.as_str()), ("limit", &limit)];
            let after = found.last().map(|last| id(last).clone());
            query.extend(after.as_deref().map(|after| ("starting_after", after)));
            match self.get::<List<Item>>(path, &query).await {
                Answer::Done(list) => {
                    let is_last = !list.has_more || list.data.is_empty();
                    found.extend(list.data);
                    if is_last {
                        return Answer::Done(found);
                    }
                }
                other => return other.without(),
            }
        }
    }
}

impl Intent {
    fn listed(self) -> Listed {
        let reference = self.reference();
        Listed { provider_id: self.id, reference, captured: money(self.amount_received) }
    }
}
