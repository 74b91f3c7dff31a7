//! What is the same for both protocols: keys, faults, and a port that is away.

use crate::{
    assert_breach, from_razorpay, from_stripe, heard, http, razorpay_refund, start, to_razorpay, to_stripe, until,
};
use payment_sandbox::{Fault, Options, Sandbox, Totals};
use serde_json::json;
use std::time::Duration;

const PAY: &str = "amount=3980&currency=inr&confirm=true&payment_method=pm_card_visa&metadata[reference]=r";

/// An order of Razorpay that is paid; gives the payment.
async fn paid(sandbox: &Sandbox, receipt: &str) -> String {
    let body = json!({"amount": 3980, "currency": "INR", "receipt": receipt, "unique_receipt": true,
        "payment": {"capture": "automatic"}});
    let (_, order) = to_razorpay(sandbox, "/orders", body).await;
    let paid = sandbox.razorpay().pays(order["id"].as_str().unwrap(), "success@razorpay", "upi").unwrap();
    paid.razorpay_payment_id
}

#[tokio::test]
async fn the_same_key_acts_once_whatever_is_heard_of_it() {
    let sandbox = start().await;
    sandbox.plan("POST /v1/payment_intents", Fault::SilenceAfter);
    assert_eq!(to_stripe(&sandbox, "/payment_intents", "a", PAY).await.0, 0);
    let (status, again) = to_stripe(&sandbox, "/payment_intents", "a", PAY).await;
    assert_eq!((status, again["status"].as_str()), (200, Some("succeeded")));
    sandbox.plan("POST /v1/payment_intents", Fault::SilenceBefore);
    assert_eq!(to_stripe(&sandbox, "/payment_intents", "b", PAY).await.0, 0);
    assert_eq!(to_stripe(&sandbox, "/payment_intents", "b", PAY).await.0, 200);
    assert_eq!(sandbox.totals("r"), Totals { captured: 2 * 3980, refunded: 0 });

    let payment = paid(&sandbox, "x").await;
    for fault in [Fault::SilenceAfter, Fault::SilenceBefore] {
        let key = format!("key-{fault:?}-x");
        sandbox.plan("POST /v1/payments", fault);
        assert_eq!(razorpay_refund(&sandbox, &payment, &key, json!({"amount": 1000})).await.0, 0);
        let (_, first) = razorpay_refund(&sandbox, &payment, &key, json!({"amount": 1000})).await;
        let (_, second) = razorpay_refund(&sandbox, &payment, &key, json!({"amount": 1000})).await;
        assert_eq!((first["entity"].as_str(), &first), (Some("refund"), &second));
    }
    assert_eq!(sandbox.totals("x"), Totals { captured: 3980, refunded: 2000 });
    sandbox.assert_no_breach();
}

#[tokio::test]
async fn stripe_keeps_an_error_under_its_key_and_razorpay_does_not() {
    let sandbox = start().await;
    for (fault, intents) in [(Fault::Error, 0), (Fault::ErrorAfter, 1)] {
        sandbox.plan("POST /v1/payment_intents", fault);
        for _ in 0..2 {
            assert_eq!(to_stripe(&sandbox, "/payment_intents", &format!("{fault:?}"), PAY).await.0, 500);
        }
        assert_eq!(sandbox.stripe().all_intents().len(), intents);
    }
    let payment = paid(&sandbox, "x").await;
    for (fault, refunds) in [(Fault::Error, [0, 1]), (Fault::ErrorAfter, [2, 2])] {
        sandbox.plan("POST /v1/payments", fault);
        let key = format!("key-of-{fault:?}");
        for (status, refunds) in [500, 200].into_iter().zip(refunds) {
            assert_eq!(razorpay_refund(&sandbox, &payment, &key, json!({"amount": 1000})).await.0, status);
            assert_eq!(sandbox.razorpay().all_refunds().len(), refunds);
        }
    }
}

#[tokio::test]
async fn a_key_in_use_is_a_conflict() {
    let sandbox = start().await;
    let payment = paid(&sandbox, "x").await;
    sandbox.plan("POST /v1/payment_intents", Fault::HeldBefore);
    sandbox.plan("POST /v1/payments", Fault::HeldBefore);
    // The clients go away, the calls stay.
    let first = [
        to_stripe(&sandbox, "/payment_intents", "a", PAY).await.0,
        razorpay_refund(&sandbox, &payment, "key-of-one", json!({})).await.0,
    ];
    assert_eq!((first, sandbox.held()), ([0, 0], 2));
    let (status, answer) = to_stripe(&sandbox, "/payment_intents", "a", PAY).await;
    assert_eq!((status, answer["error"]["code"].as_str()), (409, Some("idempotency_key_in_use")));
    assert_eq!(razorpay_refund(&sandbox, &payment, "key-of-one", json!({})).await.0, 409);
    assert_eq!(sandbox.stripe().all_intents(), []);
    sandbox.release();
    until(|| sandbox.held() == 0 && sandbox.totals("r").captured == 3980 && sandbox.totals("x").refunded == 3980).await;
    assert_eq!(to_stripe(&sandbox, "/payment_intents", "a", PAY).await.0, 200);
    assert_eq!(razorpay_refund(&sandbox, &payment, "key-of-one", json!({})).await.0, 200);
    sandbox.assert_no_breach();
}

#[tokio::test]
async fn a_key_stands_for_one_request() {
    let sandbox = start().await;
    let payment = paid(&sandbox, "x").await;
    to_stripe(&sandbox, "/payment_intents", "a", PAY).await;
    let same = "metadata[reference]=r&currency=inr&confirm=true&payment_method=pm_card_visa&amount=3980";
    assert_eq!(to_stripe(&sandbox, "/payment_intents", "a", same).await.0, 200, "in another order");
    razorpay_refund(&sandbox, &payment, "key-of-one", json!({"amount": 1000, "notes": {"a": "b"}})).await;
    sandbox.assert_no_breach();
    let (status, answer) = to_stripe(&sandbox, "/payment_intents", "a", "amount=99&currency=inr").await;
    assert_eq!((status, answer["error"]["type"].as_str()), (400, Some("idempotency_error")));
    let (status, answer) = razorpay_refund(&sandbox, &payment, "key-of-one", json!({"amount": 1001})).await;
    assert_eq!((status, answer["error"]["code"].as_str()), (400, Some("BAD_REQUEST_ERROR")));
    assert_breach(&sandbox, "POST /v1/payment_intents: a key was used again for another request");
    assert_breach(&sandbox, "/refund: a key was used again for another request");
    assert_eq!(sandbox.totals("x").refunded, 1000);
}

#[tokio::test]
async fn an_old_key_is_a_breach_and_a_forgotten_one_acts_again() {
    let sandbox = start().await;
    to_stripe(&sandbox, "/payment_intents", "a", PAY).await;
    sandbox.ages(Duration::from_secs(23 * 3600 - 60));
    to_stripe(&sandbox, "/payment_intents", "a", PAY).await;
    sandbox.assert_no_breach();
    sandbox.ages(Duration::from_secs(120));
    to_stripe(&sandbox, "/payment_intents", "a", PAY).await;
    assert_breach(&sandbox, "a call after 23 hours under an old key");
    assert_eq!(sandbox.totals("r").captured, 3980);
    sandbox.prune_keys();
    to_stripe(&sandbox, "/payment_intents", "a", PAY).await;
    assert_eq!(sandbox.totals("r").captured, 2 * 3980);
}

#[tokio::test]
async fn answers_go_wrong_as_planned() {
    let sandbox = start().await;
    let payment = paid(&sandbox, "x").await;
    let (_, intent) = to_stripe(&sandbox, "/payment_intents", "a", PAY).await;
    let paths = [format!("/payment_intents/{}", intent["id"].as_str().unwrap()), format!("/payments/{payment}")];
    for path in &paths {
        let is_stripe = path.starts_with("/payment_intents");
        let look =
            async || if is_stripe { from_stripe(&sandbox, path).await } else { from_razorpay(&sandbox, path).await };
        sandbox.plan("GET", Fault::WrongAmount);
        assert_eq!(look().await.1["amount"], 3981);
        sandbox.plan("GET", Fault::Cut);
        assert_eq!(look().await, (200, serde_json::Value::Null), "no JSON");
        sandbox.plan("GET", Fault::TooMany);
        assert_eq!(look().await.0, 429);
        sandbox.plan("GET", Fault::Slow(Duration::from_millis(100)));
        let since = std::time::Instant::now();
        assert_eq!(look().await.1["amount"], 3980);
        assert!(since.elapsed() >= Duration::from_millis(100));
        sandbox.plan("GET", Fault::HeldAfter);
        assert_eq!(look().await.0, 0);
        sandbox.always("GET", Fault::Error);
        assert_eq!([look().await.0, look().await.0], [500, 500]);
        sandbox.clear_faults();
        assert_eq!(look().await.0, 200);
    }
    sandbox.plan("POST /v1/refunds", Fault::TooMany);
    let body = format!("payment_intent={}", intent["id"].as_str().unwrap());
    let call = http().post(format!("{}/v1/refunds", sandbox.url())).bearer_auth("sk_test_sandbox");
    let call = call.header("stripe-version", "x").header("idempotency-key", "b");
    let call = call.header("content-type", "application/x-www-form-urlencoded").body(body.clone());
    let busy = call.send().await.unwrap();
    assert_eq!((busy.status().as_u16(), busy.headers()["retry-after"].to_str().unwrap()), (429, "1"));
    assert_eq!(to_stripe(&sandbox, "/refunds", "b", &body).await.0, 200, "it was not kept under the key");
}

#[tokio::test]
async fn a_port_that_is_away_comes_back() {
    let sandbox = start().await;
    to_stripe(&sandbox, "/payment_intents", "a", PAY).await;
    sandbox.close().await;
    let refused = http().get(sandbox.url()).send().await.unwrap_err();
    assert!(refused.is_connect(), "{refused:?}");
    sandbox.open().await.unwrap();
    assert_eq!(to_stripe(&sandbox, "/payment_intents", "a", PAY).await.0, 200);
    assert_eq!(sandbox.totals("r").captured, 3980);
}

#[tokio::test]
async fn the_ledgers_outlive_the_program() {
    let file = std::env::temp_dir().join(format!("payment-sandbox-{}", std::process::id()));
    let _ = std::fs::remove_file(&file);
    let options = Options { file: Some(file.clone()), ..Options::default() };
    let sandbox = Sandbox::start(options.clone()).await.unwrap();
    to_stripe(&sandbox, "/payment_intents", "a", PAY).await;
    let payment = paid(&sandbox, "x").await;
    razorpay_refund(&sandbox, &payment, "key-of-one", json!({"amount": 1000})).await;
    drop(sandbox);
    // As if the program had been killed while it wrote.
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, format!("{text}[{{\"Intent\":{{\"id\"")).unwrap();
    for _ in 0..2 {
        let sandbox = Sandbox::start(options.clone()).await.unwrap();
        assert_eq!(sandbox.totals("r"), Totals { captured: 3980, refunded: 0 });
        assert_eq!(sandbox.totals("x"), Totals { captured: 3980, refunded: 1000 });
        to_stripe(&sandbox, "/payment_intents", "a", PAY).await;
        razorpay_refund(&sandbox, &payment, "key-of-one", json!({"amount": 1000})).await;
        assert_eq!(sandbox.totals("r").captured + sandbox.totals("x").refunded, 3980 + 1000, "the keys are kept too");
    }
    std::fs::remove_file(&file).unwrap();
}

#[tokio::test]
async fn calls_are_remembered_and_strangers_refused() {
    let sandbox = start().await;
    to_stripe(&sandbox, "/payment_intents", "a", PAY).await;
    sandbox.plan("GET", Fault::SilenceBefore);
    from_stripe(&sandbox, "/payment_intents").await;
    let called = sandbox.called();
    let seen: Vec<_> = called.iter().map(|it| (it.call.as_str(), it.key.as_deref(), it.status)).collect();
    let expected = [("POST /v1/payment_intents", Some("a"), Some(200)), ("GET /v1/payment_intents", None, None)];
    assert_eq!(seen, expected);
    let stripe = http().get(format!("{}/v1/refunds", sandbox.url())).bearer_auth("sk_test_other");
    assert_eq!(heard(stripe).await.0, 401);
    let razorpay = http().get(format!("{}/v1/refunds", sandbox.url())).basic_auth("rzp_test_sandbox", Some("x"));
    let (status, answer) = heard(razorpay).await;
    assert_eq!((status, answer["error"]["code"].as_str()), (401, Some("BAD_REQUEST_ERROR")));
    assert_eq!(sandbox.called().len(), 2);
}
