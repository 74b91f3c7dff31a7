//! Payments as tests make and see them, and the provider's books beside ours.

use crate::client::Response;
use crate::poll;
use crate::samples::{MOUSE, int, number, order, text};
use crate::shop::{RAZORPAY_WEBHOOK, STRIPE_WEBHOOK, Shop};
use payment_sandbox::{Happened, Options, Provider, Sandbox};
use reqwest::Method;
use serde_json::{Value, json};

/// What two mice cost, which is what is ordered here.
pub const TOTAL: &str = "59.98";

/// The same, as providers count it.
pub const CENTS: u64 = 5998;

/// A provider with empty books.
pub async fn sandbox() -> Sandbox {
    Sandbox::start(Options::default()).await.expect("a payment sandbox")
}

/// An order of two mice that is to be paid by this method.
pub fn order_by(method: &str) -> Value {
    let mut body = order(&[(MOUSE, 2)]);
    body["payment"] = json!({"method": method});
    body
}

/// Places an order to be paid by this method; gives its number and its payment's.
pub async fn placed_by(shop: &Shop, method: &str) -> (i64, i64) {
    let placed = shop.orders().post("/api/orders", order_by(method)).await.is(201).json();
    (int(&placed["id"]), int(&placed["payment"]["id"]))
}

/// Places an order to be paid by card; gives its number and its payment's.
pub async fn placed(shop: &Shop) -> (i64, i64) {
    placed_by(shop, "CARD").await
}

/// Has a token of the customer's tried.
pub async fn pay(shop: &Shop, order: i64, token: &str) -> Response {
    shop.orders().post(&format!("/api/orders/{order}/payments"), json!({"method": "CARD", "token": token})).await
}

/// What the page needs on which the customer pays.
pub async fn session(shop: &Shop, payment: i64) -> Response {
    shop.orders().post(&format!("/api/payments/{payment}/session"), json!({})).await
}

/// Gives money back by hand: all of it, or an amount.
pub async fn refund(shop: &Shop, payment: i64, amount: Option<&str>) -> Response {
    let body = match amount {
        Some(amount) => json!({"amount": number(amount), "reason": "scratched"}),
        None => json!({"reason": "scratched"}),
    };
    shop.orders().post(&format!("/api/payments/{payment}/refunds"), body).await
}

/// Cancels an order.
pub async fn cancel(shop: &Shop, order: i64) {
    shop.orders().post(&format!("/api/orders/{order}/cancel"), json!({})).await.is(200);
}

/// Says that the customer came back from the provider's page.
pub async fn confirm(shop: &Shop, payment: i64, body: Value) -> Response {
    shop.orders().post(&format!("/api/payments/{payment}/confirm"), body).await
}

/// Opens the page of a payment and gives the name by which its provider knows it.
pub async fn announced(shop: &Shop, id: i64) -> String {
    session(shop, id).await.is(200);
    text(&payment(shop, id).await["providerId"]).to_owned()
}

/// Has a payment looked at now, as when a lease or a pause is over.
pub async fn is_due_now(shop: &Shop, payment: i64) {
    let due = "UPDATE orders.payments_at_work SET next_attempt_at = clock_timestamp()";
    shop.database.execute(format!("{due} WHERE payment_id = {payment}")).await;
}

/// Has somebody look at a payment, whatever became of it, and waits until that is done.
pub async fn is_looked_at(shop: &Shop, payment: i64) {
    let due = "INSERT INTO orders.payments_at_work (payment_id, order_id, next_attempt_at)
               SELECT id, order_id, clock_timestamp() FROM orders.payments WHERE id = ";
    let again = "ON CONFLICT (payment_id) DO UPDATE SET next_attempt_at = EXCLUDED.next_attempt_at";
    shop.database.execute(format!("{due}{payment} {again}")).await;
    // A lease is shorter than any time to which it is put off.
    let soon = "SELECT count(*) FROM orders.payments_at_work
                WHERE next_attempt_at < clock_timestamp() + INTERVAL '8 seconds' AND payment_id = ";
    poll::eventually(&format!("payment {payment} to be looked at"), async || {
        poll::equal(shop.database.number(format!("{soon}{payment}")).await, 0)
    })
    .await;
}

/// Waits until nothing is to be done about any payment, and nobody has to look at one.
pub async fn nobody_is_at_work(shop: &Shop) {
    poll::eventually("nobody to have to look any more", async || {
        poll::equal(shop.database.number("SELECT count(*) FROM orders.payments_at_work").await, 0)
    })
    .await;
}

/// Kind and detail of what does not fit, oldest first.
pub async fn findings(shop: &Shop) -> Vec<String> {
    shop.database.texts("SELECT kind || ': ' || detail FROM orders.payment_findings ORDER BY id").await
}

/// A payment as it is.
pub async fn payment(shop: &Shop, id: i64) -> Value {
    shop.orders().get(&format!("/api/payments/{id}")).await.is(200).json()
}

/// Waits until a payment comes to this status.
pub async fn becomes(shop: &Shop, id: i64, status: &str) -> Value {
    poll::eventually(&format!("payment {id} to be {status}"), async || {
        let payment = payment(shop, id).await;
        if payment["status"] == status { Ok(payment) } else { Err(payment.to_string()) }
    })
    .await
}

/// Status and amounts of a payment: authorized, captured, refunded.
pub fn amounts(payment: &Value) -> String {
    let amount = |field: &str| payment[field].to_string();
    format!("{} {} {} {}", text(&payment["status"]), amount("authorized"), amount("captured"), amount("refunded"))
}

/// Kind, amount, status and cause of each operation.
pub fn operations(payment: &Value) -> Vec<String> {
    let operation = |it: &Value| {
        let word = |field: &str| text(&it[field]).to_owned();
        format!("{} {} {} {}", word("kind"), it["amount"], word("status"), word("cause"))
    };
    payment["operations"].as_array().into_iter().flatten().map(operation).collect()
}

/// What the payment of an order comes to.
pub async fn order_payment(shop: &Shop, id: i64) -> String {
    let order = shop.orders().get(&format!("/api/orders/{id}")).await.is(200).json();
    text(&order["payment"]["status"]).to_owned()
}

/// The name by which the provider knows a payment.
pub async fn reference(shop: &Shop, payment: i64) -> String {
    shop.database.texts(format!("SELECT reference::text FROM orders.payments WHERE id = {payment}")).await.concat()
}

/// Waits until nothing is under way, and compares what either side knows.
pub async fn books_are_equal(shop: &Shop, sandbox: &Sandbox) {
    poll::eventually("nothing to be under way", async || {
        let open = "SELECT count(*) FROM orders.payment_operations WHERE status IN ('PREPARED', 'SENT', 'UNKNOWN')";
        poll::equal(shop.database.number(open).await, 0)
    })
    .await;
    let line = "reference::text || ' ' || (captured * 100)::bigint || ' ' || (refunded * 100)::bigint";
    let ours = shop.database.texts(format!("SELECT {line} FROM orders.payments ORDER BY reference")).await;
    let theirs = ours.iter().map(|line| {
        let reference = line.split(' ').next().unwrap_or_default();
        let totals = sandbox.totals(reference);
        format!("{reference} {} {}", totals.captured, totals.refunded)
    });
    assert_eq!(ours, theirs.collect::<Vec<_>>(), "reference, captured, refunded");
    for reference in sandbox.references() {
        assert!(ours.iter().any(|line| line.starts_with(&reference)), "{reference} took money that no payment knows");
    }
    sandbox.assert_no_breach();
    shop.assert_invariants().await;
}

/// Delivers what has happened to the shop, as its provider would; gives of each whether a payment is looked at because of it.
pub async fn deliver(shop: &Shop, happened: &[Happened]) -> Vec<bool> {
    let mut looks = Vec::new();
    for one in happened {
        let secret = match one.provider {
            Provider::Stripe => STRIPE_WEBHOOK,
            Provider::Razorpay => RAZORPAY_WEBHOOK,
        };
        let heard = tell(shop, one, secret, payment_sandbox::now()).await.is(200).json();
        looks.push(heard["looks"] == true);
    }
    looks
}

/// Delivers one, signed with this secret at this time.
pub async fn tell(shop: &Shop, one: &Happened, secret: &str, at: u64) -> Response {
    let provider = match one.provider {
        Provider::Stripe => "stripe",
        Provider::Razorpay => "razorpay",
    };
    let call = shop.orders().call(Method::POST, &format!("/api/payments/webhooks/{provider}"));
    let headers = one.headers(secret, at).into_iter().filter(|(name, _)| *name != "content-type");
    let call = headers.fold(call, |call, (name, value)| call.header(name, &value));
    call.body("application/json", one.body.clone()).await
}
