//! What a payment provider remembers after a restore, and what is done about it.

use e2e::money;
use e2e::samples::text;
use e2e::shop::Shop;
use serde_json::json;

/// Payments before and after the moment, each with the number of its order and its own.
pub struct Payments {
    paid: (i64, i64),
    paid_later: (i64, i64),
    refunded_later: (i64, i64),
}

impl Payments {
    /// Makes them: two are paid at once.
    pub async fn before(shop: &Shop) -> Self {
        let [paid, paid_later, refunded_later] =
            [money::placed(shop).await, money::placed(shop).await, money::placed(shop).await];
        for (order, payment) in [paid, refunded_later] {
            money::pay(shop, order, "pm_card_visa").await.is(200);
            money::becomes(shop, payment, "CAPTURED").await;
        }
        Self { paid, paid_later, refunded_later }
    }

    /// What the provider alone will know of: one is paid, one given back, and one is made and paid.
    pub async fn after(&self, shop: &Shop) {
        money::pay(shop, self.paid_later.0, "pm_card_visa").await.is(200);
        money::becomes(shop, self.paid_later.1, "CAPTURED").await;
        money::refund(shop, self.refunded_later.1, None).await;
        money::becomes(shop, self.refunded_later.1, "REFUNDED").await;
        let (order, payment) = money::placed(shop).await;
        money::pay(shop, order, "pm_card_visa").await.is(200);
        money::becomes(shop, payment, "CAPTURED").await;
    }

    /// The provider's books know more than ours: what they know of payments that we have is taken over, the rest is found and
    /// resolved by people.
    pub async fn assert_taken_over(&self, shop: &Shop) {
        money::becomes(shop, self.paid.1, "CAPTURED").await;
        money::becomes(shop, self.paid_later.1, "CAPTURED").await;
        money::becomes(shop, self.refunded_later.1, "REFUNDED").await;
        let open = "/api/admin/payments/findings";
        let findings = shop.orders().get(&format!("{open}?open=true")).await.is(200).array();
        let mut kinds: Vec<&str> = findings.iter().map(|finding| text(&finding["kind"])).collect();
        kinds.sort_unstable();
        assert_eq!(kinds, ["CAPTURED_WITHOUT_ORDER", "THERE_ONLY"], "what people have to see to");
        for finding in &findings {
            let resolve = format!("{open}/{}/resolve", finding["id"]);
            shop.orders().post(&resolve, json!({"note": "After the restore"})).await.is(200);
        }
    }
}
