//! The protocol as a shop meets it: keys, declines, faults and breaches.

// Tests only: a test that cannot go on says so by a panic.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use payment_sandbox::faults::Fault;
use payment_sandbox::{Options, Sandbox};
use serde_json::Value;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

const KEY: &str = "sk_test_x";

async fn start() -> Sandbox {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    Sandbox::start(Options { address, key: KEY.to_owned(), webhook: None, file: None }).await.unwrap()
}

async fn post(sandbox: &Sandbox, path: &str, key: &str, body: &str) -> (u16, Value) {
    let http = http_client::client().timeout(Duration::from_millis(500)).build().unwrap();
    let call = http.post(format!("{}/v1{path}", sandbox.url())).bearer_auth(KEY).header("stripe-version", "x");
    let call = call.header("content-type", "application/x-www-form-urlencoded").header("idempotency-key", key);
    match call.body(body.to_owned()).send().await {
        Ok(answer) => (answer.status().as_u16(), answer.json().await.unwrap_or_default()),
        Err(_) => (0, Value::Null),
    }
}

const CREATE: &str = "amount=3980&currency=inr&confirm=true&payment_method=pm_card_visa&metadata[reference]=r";

#[tokio::test]
async fn the_same_key_pays_once_whatever_is_heard_of_it() {
    let sandbox = start().await;
    sandbox.plan("POST /v1/payment_intents", Fault::SilenceAfter);
    assert_eq!(post(&sandbox, "/payment_intents", "a", CREATE).await.0, 0);
    let (status, again) = post(&sandbox, "/payment_intents", "a", CREATE).await;
    assert_eq!((status, again["status"].as_str()), (200, Some("succeeded")));
    sandbox.plan("POST /v1/payment_intents", Fault::SilenceBefore);
    assert_eq!(post(&sandbox, "/payment_intents", "b", CREATE).await.0, 0);
    assert_eq!(post(&sandbox, "/payment_intents", "b", CREATE).await.0, 200);
    let received: u64 = sandbox.ledger().intents.values().map(|intent| intent.received).sum();
    assert_eq!((received, sandbox.ledger().intents.len()), (2 * 3980, 2));
    assert_eq!(sandbox.breaches(), [""; 0]);
}

#[tokio::test]
async fn an_error_is_kept_under_its_key_also_where_the_money_moved() {
    let sandbox = start().await;
    sandbox.plan("POST /v1/payment_intents", Fault::ErrorAfter);
    for _ in 0..2 {
        assert_eq!(post(&sandbox, "/payment_intents", "a", CREATE).await.0, 500);
    }
    assert_eq!(sandbox.ledger().intents.len(), 1, "it was done all the same");
    let declined = CREATE.replace("pm_card_visa", "pm_card_chargeDeclined");
    let (status, answer) = post(&sandbox, "/payment_intents", "b", &declined).await;
    assert_eq!((status, answer["error"]["code"].as_str()), (402, Some("card_declined")));
    assert_eq!(answer["error"]["payment_intent"]["status"], "requires_payment_method");
}

#[tokio::test]
async fn what_stripe_would_not_take_is_a_breach() {
    let sandbox = start().await;
    post(&sandbox, "/payment_intents", "a", "amount=1&currency=INR&colour=red").await;
    post(&sandbox, "/payment_intents", "a", "amount=2&currency=inr").await;
    let breaches = sandbox.breaches().join("; ");
    for expected in ["unknown field colour", "not in small letters", "a key was reused"] {
        assert!(breaches.contains(expected), "{breaches}");
    }
}
