//! What happens is told, signed by each provider in its way.

use crate::{start, to_razorpay, to_stripe, until};
use axum::body::Bytes;
use axum::http::{HeaderMap, StatusCode, Uri};
use payment_sandbox::{Happened, Provider, Sandbox, Webhooks, now};
use serde_json::{Value, json};
use std::sync::{Arc, Mutex};

fn kinds(sandbox: &Sandbox) -> Vec<String> {
    sandbox.happened().into_iter().map(|happened| happened.kind).collect()
}

/// Whether the signature of a delivery is right.
fn is_signed(happened: &Happened, secret: &str, at: u64) -> bool {
    let headers = happened.headers(secret, at);
    let signature = &headers[1].1;
    let (text, hex) = match happened.provider {
        Provider::Stripe => (format!("{at}.{}", happened.body), signature.split_once(",v1=").unwrap().1),
        Provider::Razorpay => (happened.body.clone(), signature.as_str()),
    };
    let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, secret.as_bytes());
    let tag = data_encoding::HEXLOWER.decode(hex.as_bytes()).unwrap();
    ring::hmac::verify(&key, text.as_bytes(), &tag).is_ok()
}

#[tokio::test]
async fn stripe_tells_every_step() {
    let sandbox = start().await;
    let body = "amount=3980&currency=inr&capture_method=manual";
    let (_, intent) = to_stripe(&sandbox, "/payment_intents", "a", body).await;
    let id = intent["id"].as_str().unwrap();
    assert!(sandbox.stripe().pays(id, "pm_card_chargeDeclined").is_err());
    sandbox.stripe().pays(id, "pm_card_threeDSecure2Required").unwrap();
    sandbox.stripe().acts(id, true).unwrap();
    to_stripe(&sandbox, &format!("/payment_intents/{id}/capture"), "b", "").await;
    let refund = sandbox.stripe().refunds(id, Some(100)).unwrap();
    sandbox.stripe().refund_fails(&refund.id).unwrap();
    let dispute = sandbox.stripe().disputes(id).unwrap();
    let happened = sandbox.happened();
    let kinds: Vec<&str> = happened.iter().map(|it| it.kind.as_str()).collect();
    let payment = ["created", "payment_failed", "requires_action", "amount_capturable_updated", "succeeded"];
    let payment = payment.map(|kind| format!("payment_intent.{kind}"));
    assert_eq!(kinds[..5], payment);
    assert_eq!(kinds[5..], ["refund.created", "refund.updated", "refund.failed", "charge.dispute.created"]);
    for one in &happened {
        let body: Value = serde_json::from_str(&one.body).unwrap();
        assert_eq!((body["object"].as_str(), body["id"].as_str()), (Some("event"), Some(one.id.as_str())));
        assert_eq!((body["type"].as_str(), body["livemode"].as_bool()), (Some(one.kind.as_str()), Some(false)));
        assert!(is_signed(one, "whsec_x", 7));
    }
    let last: Value = serde_json::from_str(&happened[8].body).unwrap();
    assert_eq!(last["data"]["object"]["id"], dispute.id);
    let snapshot: Value = serde_json::from_str(&happened[0].body).unwrap();
    assert_eq!(snapshot["data"]["object"]["status"], "requires_payment_method", "as it was then");
    assert_eq!(sandbox.happened(), []);
}

#[tokio::test]
async fn razorpay_tells_every_step() {
    let sandbox = start().await;
    let opened = async |receipt: &str, capture: &str| {
        let body = json!({"amount": 3980, "currency": "INR", "receipt": receipt, "payment": {"capture": capture}});
        to_razorpay(&sandbox, "/orders", body).await.1["id"].as_str().unwrap().to_owned()
    };
    let order = opened("a", "automatic").await;
    assert!(sandbox.razorpay().pays(&order, "failure@razorpay", "upi").is_err());
    let paid = sandbox.razorpay().pays(&order, "success@razorpay", "upi").unwrap();
    let happened = sandbox.happened();
    let told: Vec<&str> = happened.iter().map(|it| it.kind.as_str()).collect();
    assert_eq!(told, ["payment.failed", "payment.authorized", "payment.captured", "order.paid"]);
    let last: Value = serde_json::from_str(&happened[3].body).unwrap();
    assert_eq!((last["entity"].as_str(), &last["contains"]), (Some("event"), &json!(["payment", "order"])));
    assert_eq!(last["payload"]["payment"]["entity"]["id"], paid.razorpay_payment_id);
    assert_eq!(last["payload"]["order"]["entity"]["status"], "paid");
    for one in &happened {
        assert!(is_signed(one, "secret", 0));
        assert_eq!(one.headers("secret", 0)[2], ("x-razorpay-event-id", one.id.clone()));
        assert!(!one.body.contains(&one.id), "the id stands outside of what is signed");
    }
    let refund = sandbox.razorpay().refunds(&paid.razorpay_payment_id, Some(100)).unwrap();
    sandbox.razorpay().refund_fails(&refund.id).unwrap();
    assert_eq!(kinds(&sandbox), ["refund.created", "refund.processed", "refund.failed"]);
    let order = opened("b", "manual").await;
    let paid = sandbox.razorpay().pays(&order, "success@razorpay", "card").unwrap();
    sandbox.razorpay().goes_back(&paid.razorpay_payment_id).unwrap();
    assert_eq!(kinds(&sandbox), ["payment.authorized", "refund.created", "refund.processed"]);
}

#[tokio::test]
async fn webhooks_go_out_at_once_and_again_until_they_are_taken() {
    type Taken = Arc<Mutex<Vec<(String, HeaderMap, Bytes)>>>;
    let taken = Taken::default();
    let taking = Arc::clone(&taken);
    let take = move |uri: Uri, headers: HeaderMap, body: Bytes| {
        let mut taken = taking.lock().unwrap();
        taken.push((uri.path().to_owned(), headers, body));
        let status = if taken.len() == 1 { StatusCode::INTERNAL_SERVER_ERROR } else { StatusCode::OK };
        async move { status }
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let shop = tokio::spawn(async move { axum::serve(listener, axum::Router::new().fallback(take)).await });

    let sandbox = start().await;
    let url = format!("http://{address}/hooks");
    let (stripe_secret, razorpay_secret) = ("whsec_x".to_owned(), "rzp_x".to_owned());
    sandbox.deliver_to(Some(Webhooks { url, stripe_secret, razorpay_secret }));
    to_stripe(&sandbox, "/payment_intents", "a", "amount=3980&currency=inr").await;
    until(|| taken.lock().unwrap().len() == 2).await;
    let body = json!({"amount": 3980, "currency": "INR", "receipt": "a", "payment": {"capture": "manual"}});
    let (_, order) = to_razorpay(&sandbox, "/orders", body).await;
    sandbox.razorpay().pays(order["id"].as_str().unwrap(), "success@razorpay", "upi").unwrap();
    until(|| taken.lock().unwrap().len() == 3).await;
    assert_eq!(sandbox.happened(), []);

    let taken = taken.lock().unwrap();
    let paths: Vec<&str> = taken.iter().map(|(path, ..)| path.as_str()).collect();
    assert_eq!(paths, ["/hooks/stripe", "/hooks/stripe", "/hooks/razorpay"]);
    assert_eq!(taken[0].2, taken[1].2, "the same event again");
    let text = |index: usize, name: &str| taken[index].1[name].to_str().unwrap().to_owned();
    let of = |index: usize, provider| {
        let body = String::from_utf8(taken[index].2.to_vec()).unwrap();
        Happened { provider, id: String::new(), kind: String::new(), body }
    };
    let signature = text(1, "stripe-signature");
    let at: u64 = signature.split_once(',').unwrap().0.strip_prefix("t=").unwrap().parse().unwrap();
    assert!(now() - at < 60);
    assert_eq!(of(1, Provider::Stripe).headers("whsec_x", at)[1].1, signature);
    assert_eq!(of(2, Provider::Razorpay).headers("rzp_x", 0)[1].1, text(2, "x-razorpay-signature"));
    assert!(text(2, "x-razorpay-event-id").starts_with("evt_"));
    shop.abort();
}
