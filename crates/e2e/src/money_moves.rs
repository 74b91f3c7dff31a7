//! Every kind of call that a provider gets, for tests that break it: what comes before it, what begins it, how it ends.

use crate::client::Call;
use crate::money::{CENTS, TOTAL, amounts, becomes, pay, payment, placed_by, reference, session};
use crate::poll;
use crate::samples::text;
use crate::shop::Shop;
use payment_sandbox::Sandbox;
use serde_json::{Value, json};

/// What a provider is asked for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// The payment is announced.
    Create,
    /// The customer's means of payment is tried.
    Confirm,
    /// The payment is closed.
    Void,
    /// Money is given back.
    Refund,
    /// What is promised is taken. For a shop that takes it with the shipment.
    Capture,
    /// What is promised is given back untaken. For such a shop, too.
    Release,
}

/// Each kind by each provider that is asked so by a shop that takes its money at once.
pub const ALL: [(Kind, &str); 6] = [
    (Kind::Create, "CARD"),
    (Kind::Confirm, "CARD"),
    (Kind::Void, "CARD"),
    (Kind::Refund, "CARD"),
    (Kind::Create, "UPI"),
    (Kind::Refund, "UPI"),
];

/// A payment of which the next thing that its provider is asked for is of a kind.
#[derive(Clone, Debug)]
pub struct Move {
    /// What is to be asked for.
    pub kind: Kind,
    /// The method.
    pub by: &'static str,
    /// The order.
    pub order: i64,
    /// The payment.
    pub payment: i64,
    /// Our name of the payment.
    pub reference: String,
    /// The provider's name of what is asked about.
    id: String,
}

impl Move {
    /// Places an order and does what comes before.
    pub async fn new(shop: &Shop, sandbox: &Sandbox, kind: Kind, by: &'static str) -> Self {
        let (order, id) = placed_by(shop, by).await;
        let mut this = Self { kind, by, order, payment: id, reference: reference(shop, id).await, id: String::new() };
        match (kind, by) {
            (Kind::Create, _) => {}
            (Kind::Confirm | Kind::Void, _) => drop(session(shop, id).await.is(200)),
            (Kind::Refund | Kind::Capture | Kind::Release, "CARD") => {
                drop(pay(shop, order, "pm_card_visa").await.is(200))
            }
            (Kind::Refund | Kind::Capture | Kind::Release, _) => {
                session(shop, id).await.is(200);
                this.is_paid(shop, sandbox).await;
            }
        }
        if matches!(kind, Kind::Refund | Kind::Capture | Kind::Release) {
            becomes(shop, id, if kind == Kind::Refund { "CAPTURED" } else { "AUTHORIZED" }).await;
            shop.order_becomes(order, "CONFIRMED").await;
        }
        if kind != Kind::Create {
            let of_order = text(&payment(shop, id).await["providerId"]).to_owned();
            let paid = sandbox.razorpay().all_payments().into_iter().find(|it| it.order_id == of_order);
            this.id = paid.map_or(of_order, |paid| paid.id);
        }
        this
    }

    /// `METHOD /path` of the provider's call.
    pub fn call(&self) -> String {
        let id = &self.id;
        match (self.kind, self.by) {
            (Kind::Create, "CARD") => "POST /v1/payment_intents".to_owned(),
            (Kind::Create, _) => "POST /v1/orders".to_owned(),
            (Kind::Confirm, _) => format!("POST /v1/payment_intents/{id}/confirm"),
            (Kind::Capture, _) => format!("POST /v1/payment_intents/{id}/capture"),
            (Kind::Void | Kind::Release, _) => format!("POST /v1/payment_intents/{id}/cancel"),
            (Kind::Refund, "CARD") => "POST /v1/refunds".to_owned(),
            (Kind::Refund, _) => format!("POST /v1/payments/{id}/refund"),
        }
    }

    /// The call at the shop that begins it.
    pub fn begins(&self, shop: &Shop) -> Call {
        let (client, Self { order, payment, .. }) = (shop.orders(), self);
        match self.kind {
            Kind::Create => client.post(&format!("/api/payments/{payment}/session"), json!({})),
            Kind::Confirm => {
                let body = json!({"method": "CARD", "token": "pm_card_visa"});
                client.post(&format!("/api/orders/{order}/payments"), body)
            }
            Kind::Void | Kind::Release => client.post(&format!("/api/orders/{order}/cancel"), json!({})),
            Kind::Capture => client.post(&format!("/api/payments/{payment}/capture"), json!({})),
            Kind::Refund => client.post(&format!("/api/payments/{payment}/refunds"), json!({"reason": "scratched"})),
        }
    }

    /// Waits until it is done, and has what was only announced paid.
    pub async fn ends(&self, shop: &Shop, sandbox: &Sandbox) {
        match self.kind {
            Kind::Create => {
                poll::eventually("the provider to know of the payment", async || {
                    let answer = session(shop, self.payment).await;
                    if answer.status == 200 { Ok(()) } else { Err(answer.text) }
                })
                .await;
                self.is_paid(shop, sandbox).await;
                self.comes_to(shop, "CAPTURED").await;
                shop.order_becomes(self.order, "CONFIRMED").await;
            }
            Kind::Confirm => {
                self.comes_to(shop, "CAPTURED").await;
                shop.order_becomes(self.order, "CONFIRMED").await;
            }
            Kind::Capture => drop(self.comes_to(shop, "CAPTURED").await),
            Kind::Void | Kind::Release => drop(self.comes_to(shop, "VOIDED").await),
            Kind::Refund => drop(self.comes_to(shop, "REFUNDED").await),
        }
        self.was_done_once(sandbox);
    }

    /// Fails the test unless the money of the payment moved once, whatever was asked how often.
    pub fn was_done_once(&self, sandbox: &Sandbox) {
        let taken = if matches!(self.kind, Kind::Void | Kind::Release) { 0 } else { CENTS };
        let back = if self.kind == Kind::Refund { CENTS } else { 0 };
        let totals = sandbox.totals(&self.reference);
        assert_eq!((totals.captured, totals.refunded), (taken, back), "{:?} by {}", self.kind, self.by);
        let (intents, orders) =
            (sandbox.stripe().intents_of(&self.reference), sandbox.razorpay().orders_of(&self.reference));
        assert_eq!(intents.len() + orders.len(), 1, "{:?} by {}: {intents:?} {orders:?}", self.kind, self.by);
    }

    /// What the provider was asked, each key with its body once.
    pub fn requests(&self, sandbox: &Sandbox) -> Vec<(Option<String>, String)> {
        let call = self.call();
        let is_ours = |body: &str| match (self.kind, self.by) {
            (Kind::Create, _) => body.contains(&self.reference),
            (Kind::Refund, "CARD") => body.contains(&self.id),
            _ => true,
        };
        let asked = sandbox.called().into_iter().filter(|called| called.call == call && is_ours(&called.body));
        let mut all: Vec<_> = asked.map(|called| (called.key, called.body)).collect();
        all.sort();
        all.dedup();
        all
    }

    /// Waits until the payment comes to a status, with all of its money where it has any.
    pub async fn comes_to(&self, shop: &Shop, status: &str) -> Value {
        let payment = becomes(shop, self.payment, status).await;
        match status {
            "CAPTURED" => assert_eq!(amounts(&payment), format!("CAPTURED {TOTAL} {TOTAL} 0.00")),
            "REFUNDED" => assert_eq!(amounts(&payment), format!("REFUNDED {TOTAL} {TOTAL} {TOTAL}")),
            _ => {}
        }
        payment
    }

    /// The customer pays what was announced.
    async fn is_paid(&self, shop: &Shop, sandbox: &Sandbox) {
        if self.by == "CARD" {
            pay(shop, self.order, "pm_card_visa").await.is(200);
            return;
        }
        let of_order = text(&payment(shop, self.payment).await["providerId"]).to_owned();
        sandbox.razorpay().pays(&of_order, "success@razorpay", "upi").expect("a payment");
        shop.orders().post(&format!("/api/payments/{}/confirm", self.payment), json!({})).await.is(200);
    }
}
