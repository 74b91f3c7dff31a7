//! The pages of customers: a person clicks them, a program asks for JSON.

use crate::{from_stripe, heard, http, start, to_razorpay, to_stripe};
use payment_sandbox::Sandbox;
use serde_json::{Value, json};

async fn page(sandbox: &Sandbox, path: &str) -> (u16, String) {
    let answer = http().get(format!("{}{path}", sandbox.url())).send().await.unwrap();
    (answer.status().as_u16(), answer.text().await.unwrap())
}

async fn opened(sandbox: &Sandbox) -> String {
    let body = "amount=3980&currency=inr&metadata[reference]=<b>";
    to_stripe(sandbox, "/payment_intents", "a", body).await.1["id"].as_str().unwrap().to_owned()
}

/// Sends a form as a browser does.
async fn clicked(sandbox: &Sandbox, path: &str, form: &str) -> reqwest::Response {
    let client = http_client::client().redirect(reqwest::redirect::Policy::none()).build().unwrap();
    let call = client.post(format!("{}{path}", sandbox.url())).header("accept", "text/html,*/*");
    let call = call.header("content-type", "application/x-www-form-urlencoded").body(form.to_owned());
    call.send().await.unwrap()
}

#[tokio::test]
async fn a_card_is_chosen_and_the_bank_asks() {
    let sandbox = start().await;
    let id = opened(&sandbox).await;
    assert!(page(&sandbox, "/").await.1.contains(&format!("<a href=\"/pay/{id}\">{id}</a> 39.80 INR &lt;b&gt;")));
    assert!(page(&sandbox, &format!("/pay/{id}")).await.1.contains("pm_card_chargeDeclined"));
    let declined = clicked(&sandbox, &format!("/pay/{id}"), "payment_method=pm_card_chargeDeclined").await;
    assert_eq!(declined.status(), 402);
    let asked = clicked(&sandbox, &format!("/pay/{id}"), "payment_method=pm_card_threeDSecure2Required").await;
    assert!(asked.text().await.unwrap().contains(&format!("/bank/{id}")));
    assert!(page(&sandbox, &format!("/bank/{id}")).await.1.contains("Do not pay"));
    let refused = clicked(&sandbox, &format!("/bank/{id}"), "answer=no").await;
    assert!(refused.text().await.unwrap().contains("not paid"));
    let body = "payment_method=pm_card_threeDSecure2Required&return_url=https://shop.example/back";
    to_stripe(&sandbox, &format!("/payment_intents/{id}/confirm"), "b", body).await;
    let back = clicked(&sandbox, &format!("/bank/{id}"), "answer=pay").await;
    let location = back.headers()["location"].to_str().unwrap().to_owned();
    assert!(location.starts_with(&format!("https://shop.example/back?payment_intent={id}&")), "{location}");
    assert!(location.ends_with("redirect_status=succeeded"), "{location}");
    assert_eq!(from_stripe(&sandbox, &format!("/payment_intents/{id}")).await.1["status"], "succeeded");
    assert_eq!(page(&sandbox, "/pay/pi_x").await.0, 404);
    sandbox.assert_no_breach();
}

#[tokio::test]
async fn an_order_is_paid_at_its_checkout() {
    let sandbox = start().await;
    let body = json!({"amount": 3980, "currency": "INR", "receipt": "a", "payment": {"capture": "automatic"}});
    let (_, order) = to_razorpay(&sandbox, "/orders", body).await;
    let path = format!("/checkout/{}", order["id"].as_str().unwrap());
    let (status, text) = page(&sandbox, &path).await;
    assert_eq!((status, text.contains("39.80 INR"), text.contains("success@razorpay")), (200, true, true));
    let failed = clicked(&sandbox, &path, "vpa=failure@razorpay&method=netbanking").await;
    assert_eq!(failed.status(), 400);
    let unknown = clicked(&sandbox, &path, "vpa=somebody@upi").await;
    assert_eq!(unknown.status(), 400);
    let call = http().post(format!("{}{path}", sandbox.url())).body("vpa=success%40razorpay");
    let (status, paid) = heard(call).await;
    assert_eq!((status, &paid["razorpay_order_id"]), (200, &order["id"]));
    assert_eq!(paid["razorpay_signature"].as_str().unwrap().len(), 64);
    let again = clicked(&sandbox, &path, "vpa=success@razorpay").await;
    assert!(again.text().await.unwrap().contains("Payment already done"));
    assert_eq!(page(&sandbox, "/checkout/order_x").await.0, 404);
    let (_, totals) = heard(http().get(format!("{}/totals", sandbox.url()))).await;
    assert_eq!(totals, json!({"a": {"captured": 3980, "refunded": 0}}));
}

#[tokio::test]
async fn it_says_that_it_is_ready() {
    let sandbox = start().await;
    let (status, ready) = heard(http().get(format!("{}/health/ready", sandbox.url()))).await;
    assert_eq!((status, ready), (200, Value::from_iter([("status".to_owned(), json!("UP"))])));
}
