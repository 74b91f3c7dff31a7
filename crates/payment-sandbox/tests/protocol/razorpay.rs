//! Razorpay's own rules.

use crate::{Heard, assert_breach, from_razorpay, heard, http, razorpay_refund, start, to_razorpay};
use payment_sandbox::{Sandbox, Totals};
use serde_json::{Value, json};
use std::time::Duration;

async fn opened(sandbox: &Sandbox, receipt: &str, capture: &str) -> String {
    let body = json!({"amount": 3980, "currency": "INR", "receipt": receipt, "unique_receipt": true,
        "notes": {"shop": "x"}, "payment": {"capture": capture, "capture_options": {"manual_expiry_period": 7200}}});
    let (status, order) = to_razorpay(sandbox, "/orders", body).await;
    assert_eq!(status, 200, "{order}");
    order["id"].as_str().unwrap().to_owned()
}

async fn captured(sandbox: &Sandbox, payment: &str, amount: u64) -> Heard {
    to_razorpay(sandbox, &format!("/payments/{payment}/capture"), json!({"amount": amount, "currency": "INR"})).await
}

fn refused((status, answer): &Heard) -> (u16, &str) {
    assert_eq!(answer["error"]["code"], "BAD_REQUEST_ERROR", "{answer}");
    (*status, answer["error"]["description"].as_str().unwrap())
}

#[tokio::test]
async fn an_order_is_paid_in_any_number_of_attempts() {
    let sandbox = start().await;
    let id = opened(&sandbox, "a", "automatic").await;
    let look = async || from_razorpay(&sandbox, &format!("/orders/{id}")).await.1;
    let order = look().await;
    assert_eq!((order["entity"].as_str(), order["status"].as_str()), (Some("order"), Some("created")));
    assert_eq!((&order["amount_due"], &order["amount_paid"], &order["attempts"]), (&3980.into(), &0.into(), &0.into()));
    let failed = sandbox.razorpay().pays(&id, "failure@razorpay", "upi").unwrap_err();
    assert_eq!((failed.status, failed.reason.as_deref()), (400, Some("payment_failed")));
    assert_eq!((look().await["status"].as_str(), &look().await["attempts"]), (Some("attempted"), &1.into()));
    let paid = sandbox.razorpay().pays(&id, "success@razorpay", "netbanking").unwrap();
    let order = look().await;
    assert_eq!(
        (order["status"].as_str(), &order["amount_paid"], &order["attempts"]),
        (Some("paid"), &3980.into(), &2.into())
    );
    let (_, payments) = from_razorpay(&sandbox, &format!("/orders/{id}/payments")).await;
    assert_eq!((payments["entity"].as_str(), &payments["count"]), (Some("collection"), &2.into()));
    let statuses: Vec<&str> =
        payments["items"].as_array().unwrap().iter().map(|it| it["status"].as_str().unwrap()).collect();
    assert_eq!(statuses, ["captured", "failed"], "newest first");
    assert_eq!(payments["items"][1]["error_reason"], "payment_failed");
    let (_, payment) = from_razorpay(&sandbox, &format!("/payments/{}", paid.razorpay_payment_id)).await;
    assert_eq!((payment["method"].as_str(), payment["order_id"].as_str()), (Some("netbanking"), Some(id.as_str())));
    assert!(sandbox.razorpay().pays(&id, "success@razorpay", "upi").is_err(), "it is paid already");
    assert_eq!(sandbox.totals("a"), Totals { captured: 3980, refunded: 0 });
    assert_eq!(sandbox.references(), ["a"]);
    sandbox.assert_no_breach();
}

#[tokio::test]
async fn the_browser_brings_back_a_signed_triple() {
    let sandbox = start().await;
    let id = opened(&sandbox, "a", "automatic").await;
    let paid = sandbox.razorpay().pays(&id, "success@razorpay", "card").unwrap();
    assert_eq!(paid.razorpay_order_id, id);
    let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, b"sandbox-secret");
    let text = format!("{id}|{}", paid.razorpay_payment_id);
    let signature = data_encoding::HEXLOWER.decode(paid.razorpay_signature.as_bytes()).unwrap();
    ring::hmac::verify(&key, text.as_bytes(), &signature).unwrap();
}

#[tokio::test]
async fn a_capture_takes_what_was_authorized_once() {
    let sandbox = start().await;
    let id = opened(&sandbox, "a", "manual").await;
    let payment = sandbox.razorpay().pays(&id, "success@razorpay", "card").unwrap().razorpay_payment_id;
    let (_, shown) = from_razorpay(&sandbox, &format!("/payments/{payment}")).await;
    assert_eq!((shown["status"].as_str(), shown["captured"].as_bool()), (Some("authorized"), Some(false)));
    assert!(sandbox.razorpay().pays(&id, "success@razorpay", "upi").is_err(), "one is authorized");
    assert_eq!(from_razorpay(&sandbox, &format!("/orders/{id}")).await.1["status"], "attempted");
    sandbox.assert_no_breach();
    let less = captured(&sandbox, &payment, 3979).await;
    assert_eq!(refused(&less), (400, "Capture amount must be equal to the amount authorized"));
    assert_breach(&sandbox, "Capture amount must be equal to the amount authorized");
    assert_eq!(captured(&sandbox, &payment, 3980).await.1["status"], "captured");
    assert_eq!(refused(&captured(&sandbox, &payment, 3980).await), (400, "This payment has already been captured"));
    assert_eq!(from_razorpay(&sandbox, &format!("/orders/{id}")).await.1["status"], "paid");
    assert_eq!(refused(&captured(&sandbox, "pay_x", 1).await), (400, "The id provided does not exist"));
}

#[tokio::test]
async fn a_receipt_stands_for_one_order() {
    let sandbox = start().await;
    let first = opened(&sandbox, "a", "automatic").await;
    assert_eq!(opened(&sandbox, "a", "automatic").await, first);
    opened(&sandbox, "b", "automatic").await;
    let (_, found) = from_razorpay(&sandbox, "/orders?receipt=a").await;
    assert_eq!((&found["count"], found["items"][0]["id"].as_str()), (&1.into(), Some(first.as_str())));
    assert_eq!(from_razorpay(&sandbox, "/orders?receipt=c").await.1["items"], json!([]));
    sandbox.assert_no_breach();
    let other = json!({"amount": 100, "currency": "INR", "receipt": "a", "unique_receipt": true});
    assert_eq!(to_razorpay(&sandbox, "/orders", other).await.0, 400);
    let second = json!({"amount": 3980, "currency": "INR", "receipt": "a"});
    assert_ne!(to_razorpay(&sandbox, "/orders", second).await.1["id"], first.as_str());
    assert_breach(&sandbox, "a second order with the same receipt");
}

#[tokio::test]
async fn no_more_goes_back_than_was_captured() {
    let sandbox = start().await;
    let id = opened(&sandbox, "a", "manual").await;
    let payment = sandbox.razorpay().pays(&id, "success@razorpay", "card").unwrap().razorpay_payment_id;
    let early = razorpay_refund(&sandbox, &payment, "key-number-0", json!({})).await;
    assert_eq!(refused(&early), (400, "The payment status should be captured for action to be taken"));
    captured(&sandbox, &payment, 3980).await;
    let part = json!({"amount": 1000, "speed": "normal", "receipt": "r-1", "notes": {"a": "b"}});
    let (_, refund) = razorpay_refund(&sandbox, &payment, "key-number-1", part).await;
    assert_eq!((refund["entity"].as_str(), refund["status"].as_str()), (Some("refund"), Some("processed")));
    let (_, shown) = from_razorpay(&sandbox, &format!("/payments/{payment}")).await;
    let seen = (shown["status"].as_str(), &shown["amount_refunded"], shown["refund_status"].as_str());
    assert_eq!(seen, (Some("captured"), &1000.into(), Some("partial")));
    let more = razorpay_refund(&sandbox, &payment, "key-number-2", json!({"amount": 2981})).await;
    assert_eq!(refused(&more), (400, "The refund amount provided is greater than amount captured"));
    assert_eq!(sandbox.razorpay().refunds(&payment, None).unwrap().amount, 2980, "in the dashboard");
    let (_, shown) = from_razorpay(&sandbox, &format!("/payments/{payment}")).await;
    assert_eq!((shown["status"].as_str(), shown["refund_status"].as_str()), (Some("refunded"), Some("full")));
    let over = razorpay_refund(&sandbox, &payment, "key-number-3", json!({})).await;
    assert_eq!(refused(&over), (400, "The payment has been fully refunded already"));
    assert_eq!(from_razorpay(&sandbox, &format!("/orders/{id}")).await.1["status"], "paid", "for good");
    let (_, refunds) = from_razorpay(&sandbox, &format!("/payments/{payment}/refunds")).await;
    assert_eq!((&refunds["count"], refunds["items"][1]["id"].as_str()), (&2.into(), refund["id"].as_str()));
    assert_eq!(sandbox.totals("a"), Totals { captured: 3980, refunded: 3980 });
    sandbox.razorpay().refund_fails(refund["id"].as_str().unwrap()).unwrap();
    assert_eq!(sandbox.totals("a"), Totals { captured: 3980, refunded: 2980 });
    assert_eq!(razorpay_refund(&sandbox, &payment, "key-number-4", json!({})).await.1["amount"], 1000);
    sandbox.assert_no_breach();
}

#[tokio::test]
async fn a_failed_payment_may_be_authorized_late() {
    let sandbox = start().await;
    for (receipt, capture, end) in [("a", "automatic", "captured"), ("b", "manual", "authorized")] {
        let id = opened(&sandbox, receipt, capture).await;
        let failed = sandbox.razorpay().pays(&id, "failure@razorpay", "upi").unwrap_err().payment.unwrap();
        assert_eq!(sandbox.razorpay().ends(&failed, true).unwrap().status, end);
        assert!(sandbox.razorpay().ends(&failed, false).is_err(), "what is paid does not fail");
    }
    let id = opened(&sandbox, "c", "automatic").await;
    let begun = sandbox.razorpay().begins(&id, "netbanking").unwrap();
    assert_eq!(from_razorpay(&sandbox, &format!("/payments/{}", begun.id)).await.1["status"], "created");
    sandbox.razorpay().pays(&id, "success@razorpay", "card").unwrap();
    let second = sandbox.razorpay().ends(&begun.id, true).unwrap();
    assert_eq!(second.status, "authorized", "one payment of an order is captured");
    assert_eq!(sandbox.totals("c").captured, 3980);
}

#[tokio::test]
async fn what_nobody_captures_goes_back_by_itself() {
    let sandbox = start().await;
    let id = opened(&sandbox, "a", "manual").await;
    let payment = sandbox.razorpay().pays(&id, "success@razorpay", "card").unwrap().razorpay_payment_id;
    assert_eq!(sandbox.razorpay().goes_back(&payment).unwrap().amount, 3980);
    let (_, shown) = from_razorpay(&sandbox, &format!("/payments/{payment}")).await;
    let seen = (shown["status"].as_str(), shown["captured"].as_bool(), shown["refund_status"].as_str());
    assert_eq!(seen, (Some("refunded"), Some(false), Some("full")));
    assert_eq!(captured(&sandbox, &payment, 3980).await.0, 400);
    assert_eq!((sandbox.totals("a"), sandbox.references().len()), (Totals::default(), 0), "nothing was taken");
}

#[tokio::test]
async fn lists_are_of_a_time() {
    let sandbox = start().await;
    let old = opened(&sandbox, "a", "automatic").await;
    sandbox.ages(Duration::from_secs(3600));
    let new = opened(&sandbox, "b", "automatic").await;
    let hour_ago = payment_sandbox::now() - 1800;
    let ids = async |query: String| {
        let (_, list) = from_razorpay(&sandbox, &format!("/orders?{query}")).await;
        list["items"].as_array().unwrap().iter().map(|it| it["id"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(ids(format!("from={hour_ago}&count=100")).await, [&*new]);
    assert_eq!(ids(format!("to={hour_ago}")).await, [&*old]);
    assert_eq!(ids("count=1&skip=1".to_owned()).await, [&*old]);
    for order in [&old, &new] {
        let paid = sandbox.razorpay().pays(order, "success@razorpay", "upi").unwrap();
        sandbox.razorpay().refunds(&paid.razorpay_payment_id, None).unwrap();
    }
    assert_eq!(from_razorpay(&sandbox, &format!("/payments?from={hour_ago}")).await.1["count"], 2);
    assert_eq!(from_razorpay(&sandbox, "/refunds?count=1").await.1["count"], 1);
    sandbox.assert_no_breach();
    assert_eq!(from_razorpay(&sandbox, "/payments?count=101").await.0, 400);
}

#[tokio::test]
async fn what_razorpay_would_not_take_is_a_breach() {
    let sandbox = start().await;
    let order = |changed: Value| {
        let mut body = json!({"amount": 3980, "currency": "INR", "receipt": "a"});
        changed.as_object().unwrap().iter().for_each(|(name, value)| body[name] = value.clone());
        body
    };
    let wrong = [
        (json!({"amount": "3980"}), "The amount must be an integer."),
        (json!({"amount": 39.8}), "The amount must be an integer."),
        (json!({"amount": 99}), "Order amount less than minimum amount allowed"),
        (json!({"currency": "inr"}), "The currency must be three capital letters"),
        (json!({"colour": "red"}), "colour is/are not required and should not be sent"),
        (json!({"receipt": "r".repeat(41)}), "The receipt may not be greater than 40 characters."),
        (json!({"payment": {"capture": "later"}}), "payment.capture must be automatic or manual"),
        (json!({"notes": {"a": "b".repeat(257)}}), "notes are at most 15 texts"),
    ];
    for (changed, breach) in wrong {
        let (status, answer) = to_razorpay(&sandbox, "/orders", order(changed)).await;
        assert_eq!((status, answer["error"]["code"].as_str()), (400, Some("BAD_REQUEST_ERROR")), "{breach}");
        assert_breach(&sandbox, breach);
    }
    to_razorpay(&sandbox, "/orders", json!({"amount": 3980, "currency": "INR"})).await;
    assert_breach(&sandbox, "POST /v1/orders: no receipt");
    let id = opened(&sandbox, "a", "automatic").await;
    let payment = sandbox.razorpay().pays(&id, "success@razorpay", "card").unwrap().razorpay_payment_id;
    assert_eq!(razorpay_refund(&sandbox, &payment, "short", json!({})).await.0, 400);
    assert_eq!(to_razorpay(&sandbox, &format!("/payments/{payment}/refund"), json!({})).await.0, 200);
    assert_breach(&sandbox, "no X-Refund-Idempotency");
    let form = http().post(format!("{}/v1/orders", sandbox.url())).body("amount=1");
    heard(form.basic_auth("rzp_test_sandbox", Some("sandbox-secret"))).await;
    assert_breach(&sandbox, "the body is no JSON");
    assert_eq!(from_razorpay(&sandbox, "/orders/x/y/z").await.0, 404);
}
