//! Both protocols as a shop meets them.

// Tests only: a test that cannot go on says so by a panic.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod frame;
mod pages;
mod razorpay;
mod stripe;
mod webhooks;

use payment_sandbox::{Options, Sandbox};
use serde_json::Value;
use std::time::Duration;

/// After this long a client has heard nothing.
const PATIENCE: Duration = Duration::from_millis(500);

async fn start() -> Sandbox {
    Sandbox::start(Options::default()).await.unwrap()
}

/// An answer: status and body; 0 if there was none.
type Heard = (u16, Value);

async fn heard(call: reqwest::RequestBuilder) -> Heard {
    match call.send().await {
        Ok(answer) => (answer.status().as_u16(), answer.json().await.unwrap_or_default()),
        Err(_) => (0, Value::Null),
    }
}

fn http() -> reqwest::Client {
    http_client::client().timeout(PATIENCE).build().unwrap()
}

/// Awaits a condition.
async fn until(mut holds: impl FnMut() -> bool) {
    let deadline = tokio::time::Instant::now() + Duration::from_secs(10);
    while !holds() {
        assert!(tokio::time::Instant::now() < deadline, "it never came true");
        tokio::task::yield_now().await;
    }
}

/// Calls Stripe as a shop does.
async fn to_stripe(sandbox: &Sandbox, path: &str, key: &str, body: &str) -> Heard {
    let call = http().post(format!("{}/v1{path}", sandbox.url())).bearer_auth("sk_test_sandbox");
    let call = call.header("stripe-version", "2026-09-30.endive").header("idempotency-key", key);
    heard(call.header("content-type", "application/x-www-form-urlencoded").body(body.to_owned())).await
}

/// Looks at something of Stripe's.
async fn from_stripe(sandbox: &Sandbox, path: &str) -> Heard {
    let call = http().get(format!("{}/v1{path}", sandbox.url())).bearer_auth("sk_test_sandbox");
    heard(call.header("stripe-version", "2026-09-30.endive")).await
}

/// Calls Razorpay as a shop does.
async fn to_razorpay(sandbox: &Sandbox, path: &str, body: Value) -> Heard {
    let call = http().post(format!("{}/v1{path}", sandbox.url()));
    heard(call.basic_auth("rzp_test_sandbox", Some("sandbox-secret")).json(&body)).await
}

/// Asks Razorpay for a refund.
async fn razorpay_refund(sandbox: &Sandbox, payment: &str, key: &str, body: Value) -> Heard {
    let call = http().post(format!("{}/v1/payments/{payment}/refund", sandbox.url()));
    let call = call.header("x-refund-idempotency", key);
    heard(call.basic_auth("rzp_test_sandbox", Some("sandbox-secret")).json(&body)).await
}

/// Looks at something of Razorpay's.
async fn from_razorpay(sandbox: &Sandbox, path: &str) -> Heard {
    let call = http().get(format!("{}/v1{path}", sandbox.url()));
    heard(call.basic_auth("rzp_test_sandbox", Some("sandbox-secret"))).await
}

#[track_caller]
fn assert_breach(sandbox: &Sandbox, expected: &str) {
    let breaches = sandbox.breaches().join("; ");
    assert!(breaches.contains(expected), "{expected} is not in: {breaches}");
}
