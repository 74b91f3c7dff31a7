//! Stripe's own rules.

use crate::{Heard, assert_breach, from_stripe, heard, http, start, to_stripe};
use payment_sandbox::stripe::Status;
use payment_sandbox::{Options, Sandbox, Totals};
use serde_json::Value;
use std::time::Duration;

async fn opened(sandbox: &Sandbox, key: &str, more: &str) -> String {
    let body = format!("amount=3980&currency=inr&metadata[reference]={key}{more}");
    let (status, intent) = to_stripe(sandbox, "/payment_intents", key, &body).await;
    assert_eq!(status, 200, "{intent}");
    intent["id"].as_str().unwrap().to_owned()
}

async fn confirmed(sandbox: &Sandbox, id: &str, key: &str, payment_method: &str) -> Heard {
    to_stripe(sandbox, &format!("/payment_intents/{id}/confirm"), key, &format!("payment_method={payment_method}"))
        .await
}

fn code((status, answer): &Heard) -> (u16, &str) {
    (*status, answer["error"]["code"].as_str().unwrap_or_default())
}

#[tokio::test]
async fn a_payment_goes_from_one_status_to_the_next() {
    let sandbox = start().await;
    let id = opened(&sandbox, "a", "&capture_method=manual&automatic_payment_methods[enabled]=true").await;
    let (_, intent) = from_stripe(&sandbox, &format!("/payment_intents/{id}")).await;
    assert_eq!(intent["status"], "requires_payment_method");
    assert!(intent["client_secret"].as_str().unwrap().starts_with(&id));
    let (status, intent) = confirmed(&sandbox, &id, "b", "pm_card_mastercard").await;
    assert_eq!((status, intent["status"].as_str()), (200, Some("requires_capture")));
    assert_eq!((&intent["amount_capturable"], &intent["amount_received"]), (&3980.into(), &0.into()));
    let capture = format!("/payment_intents/{id}/capture");
    let too_much = to_stripe(&sandbox, &capture, "c", "amount_to_capture=3981").await;
    assert_eq!(code(&too_much), (400, "amount_too_large"));
    let (_, intent) = to_stripe(&sandbox, &capture, "d", "amount_to_capture=3000").await;
    assert_eq!((intent["status"].as_str(), &intent["amount_received"]), (Some("succeeded"), &3000.into()));
    assert!(intent["latest_charge"].as_str().unwrap().starts_with("ch_"));
    let again = to_stripe(&sandbox, &capture, "e", "").await;
    assert_eq!(code(&again), (400, "payment_intent_unexpected_state"));
    assert_eq!(again.1["error"]["payment_intent"]["status"], "succeeded");
    let cancel = to_stripe(&sandbox, &format!("/payment_intents/{id}/cancel"), "f", "").await;
    assert_eq!(code(&cancel), (400, "payment_intent_unexpected_state"));
    assert_eq!(sandbox.totals("a"), Totals { captured: 3000, refunded: 0 });
    assert_eq!(sandbox.references(), ["a"]);
    assert_eq!(code(&from_stripe(&sandbox, "/payment_intents/pi_x").await), (404, "resource_missing"));
    sandbox.assert_no_breach();
}

#[tokio::test]
async fn a_payment_can_be_called_off_until_it_is_taken() {
    let sandbox = start().await;
    let id = opened(&sandbox, "a", "&capture_method=manual&confirm=true&payment_method=pm_card_visa").await;
    let cancel = format!("/payment_intents/{id}/cancel");
    let (_, intent) = to_stripe(&sandbox, &cancel, "b", "cancellation_reason=abandoned").await;
    let seen = (intent["status"].as_str(), intent["cancellation_reason"].as_str(), &intent["amount_capturable"]);
    assert_eq!(seen, (Some("canceled"), Some("abandoned"), &0.into()));
    assert_eq!(code(&confirmed(&sandbox, &id, "c", "pm_card_visa").await), (400, "payment_intent_unexpected_state"));
    let id = opened(&sandbox, "d", "&capture_method=manual&confirm=true&payment_method=pm_card_visa").await;
    let expired = sandbox.stripe().expires(&id).unwrap();
    assert_eq!((expired.status, expired.cancellation_reason.as_deref()), (Status::Canceled, Some("automatic")));
    assert_eq!(sandbox.references(), [""; 0]);
}

#[tokio::test]
async fn a_decline_is_kept_under_its_key_and_is_not_the_end() {
    let sandbox = start().await;
    let declined = [
        ("pm_card_chargeDeclined", "card_declined", "generic_decline"),
        ("pm_card_chargeDeclinedInsufficientFunds", "card_declined", "insufficient_funds"),
        ("pm_card_visa_chargeDeclinedInsufficientFunds", "card_declined", "insufficient_funds"),
        ("pm_card_chargeDeclinedExpiredCard", "expired_card", "expired_card"),
    ];
    let id = opened(&sandbox, "a", "").await;
    for (token, code, decline_code) in declined {
        for _ in 0..2 {
            let (status, answer) = confirmed(&sandbox, &id, token, token).await;
            let error = &answer["error"];
            assert_eq!((status, error["type"].as_str()), (402, Some("card_error")));
            assert_eq!((error["code"].as_str(), error["decline_code"].as_str()), (Some(code), Some(decline_code)));
            assert_eq!(error["payment_intent"]["status"], "requires_payment_method");
            assert_eq!(error["payment_intent"]["last_payment_error"]["code"], code);
        }
    }
    assert_eq!(code(&confirmed(&sandbox, &id, "b", "").await), (404, "resource_missing"));
    let path = format!("/payment_intents/{id}/confirm");
    assert_eq!(code(&to_stripe(&sandbox, &path, "c", "").await), (400, "payment_intent_unexpected_state"));
    let (_, intent) = confirmed(&sandbox, &id, "d", "pm_card_visa").await;
    assert_eq!((intent["status"].as_str(), &intent["last_payment_error"]), (Some("succeeded"), &Value::Null));
    let body = "amount=3980&currency=inr&confirm=true&payment_method=pm_card_chargeDeclined";
    let (status, answer) = to_stripe(&sandbox, "/payment_intents", "e", body).await;
    assert_eq!((status, answer["error"]["payment_intent"]["object"].as_str()), (402, Some("payment_intent")));
}

#[tokio::test]
async fn a_bank_may_ask_the_customer() {
    let sandbox = start().await;
    let id = opened(&sandbox, "a", "").await;
    let (_, intent) = confirmed(&sandbox, &id, "b", "pm_card_threeDSecure2Required&return_url=https://shop/x").await;
    assert_eq!(intent["status"], "requires_action");
    let next = &intent["next_action"];
    assert_eq!(next["type"], "redirect_to_url");
    assert_eq!(next["redirect_to_url"]["url"], format!("{}/bank/{id}", sandbox.url()));
    assert_eq!(next["redirect_to_url"]["return_url"], "https://shop/x");
    let refused = sandbox.stripe().acts(&id, false).unwrap();
    assert_eq!(refused.status, Status::RequiresPaymentMethod);
    assert_eq!(refused.decline.unwrap().code, "payment_intent_authentication_failure");
    sandbox.stripe().pays(&id, "pm_card_threeDSecure2Required").unwrap();
    assert_eq!(sandbox.stripe().acts(&id, true).unwrap().received, 3980);
    assert!(sandbox.stripe().acts(&id, true).is_err());
}

#[tokio::test]
async fn no_more_goes_back_than_was_taken() {
    let sandbox = start().await;
    let id = opened(&sandbox, "a", "").await;
    let whole = format!("payment_intent={id}");
    assert_eq!(to_stripe(&sandbox, "/refunds", "b", &whole).await.0, 400, "nothing was taken yet");
    confirmed(&sandbox, &id, "c", "pm_card_visa").await;
    let part = format!("{whole}&amount=1000&reason=requested_by_customer&metadata[reference]=x");
    let (_, refund) = to_stripe(&sandbox, "/refunds", "d", &part).await;
    assert_eq!((refund["status"].as_str(), &refund["amount"]), (Some("succeeded"), &1000.into()));
    let more = to_stripe(&sandbox, "/refunds", "e", &format!("{whole}&amount=2981")).await;
    assert_eq!(code(&more), (400, "amount_too_large"));
    assert_eq!(sandbox.stripe().refunds(&id, None).unwrap().amount, 2980, "in the dashboard");
    assert_eq!(code(&to_stripe(&sandbox, "/refunds", "f", &whole).await), (400, "charge_already_refunded"));
    assert_eq!(sandbox.totals("a"), Totals { captured: 3980, refunded: 3980 });
    let (_, list) = from_stripe(&sandbox, &format!("/refunds?payment_intent={id}")).await;
    assert_eq!(
        (list["data"][0]["amount"].as_u64(), list["data"][1]["id"].as_str()),
        (Some(2980), refund["id"].as_str())
    );
    sandbox.stripe().refund_fails(refund["id"].as_str().unwrap()).unwrap();
    assert_eq!(sandbox.totals("a"), Totals { captured: 3980, refunded: 2980 });
    let (_, failed) = from_stripe(&sandbox, &format!("/refunds/{}", refund["id"].as_str().unwrap())).await;
    assert_eq!((failed["status"].as_str(), failed["failure_reason"].is_string()), (Some("failed"), true));
    assert_eq!(to_stripe(&sandbox, "/refunds", "g", &part).await.1["amount"], 1000, "the failed one frees its amount");
    sandbox.assert_no_breach();
}

#[tokio::test]
async fn some_cards_settle_their_refunds_later() {
    for after in [None, Some(Duration::from_millis(20))] {
        let options = Options { refunds_settle_after: after, ..Options::default() };
        let sandbox = Sandbox::start(options).await.unwrap();
        let mut refunds = Vec::new();
        for (token, at_first) in [("pm_card_refundFail", "succeeded"), ("pm_card_refundPending", "pending")] {
            let id = opened(&sandbox, token, &format!("&confirm=true&payment_method={token}")).await;
            let (_, refund) = to_stripe(&sandbox, "/refunds", &id, &format!("payment_intent={id}")).await;
            assert_eq!(refund["status"], at_first);
            refunds.push(refund["id"].as_str().unwrap().to_owned());
        }
        if after.is_none() {
            refunds.iter().for_each(|id| drop(sandbox.stripe().refund_settles(id).unwrap()));
        }
        let ends = || sandbox.stripe().all_refunds().into_iter().map(|refund| refund.status).collect::<Vec<_>>();
        crate::until(|| ends() == ["failed", "succeeded"]).await;
    }
}

#[tokio::test]
async fn lists_are_newest_first_and_paged() {
    let sandbox = start().await;
    let mut ids = Vec::new();
    for key in ["a", "b", "c"] {
        ids.insert(0, opened(&sandbox, key, "").await);
    }
    let listed = async |query: &str| {
        let (_, list) = from_stripe(&sandbox, &format!("/payment_intents{query}")).await;
        let found: Vec<String> =
            list["data"].as_array().unwrap().iter().map(|it| it["id"].as_str().unwrap().to_owned()).collect();
        (found, list["has_more"].as_bool().unwrap())
    };
    assert_eq!(listed("").await, (ids.clone(), false));
    assert_eq!(listed("?limit=2").await, (ids[..2].to_vec(), true));
    assert_eq!(listed(&format!("?limit=2&starting_after={}", ids[1])).await, (ids[2..].to_vec(), false));
    sandbox.ages(Duration::from_secs(3600));
    ids.insert(0, opened(&sandbox, "d", "").await);
    let hour_ago = payment_sandbox::now() - 1800;
    assert_eq!(listed(&format!("?created[gte]={hour_ago}&limit=100")).await, (ids[..1].to_vec(), false));
    assert_eq!(listed(&format!("?created[lt]={hour_ago}")).await, (ids[1..].to_vec(), false));
    sandbox.assert_no_breach();
    assert_eq!(from_stripe(&sandbox, "/payment_intents?limit=101").await.0, 400);
}

#[tokio::test]
async fn what_stripe_would_not_take_is_a_breach_and_leaves_the_key_free() {
    let sandbox = start().await;
    let wrong = [
        ("amount=39.80&currency=inr", "Invalid integer: 39.80"),
        ("amount=3980&currency=inr&colour=red", "unknown field colour"),
        ("amount=3980&currency=inr&payment_method_types[]=card", "array without an index"),
        ("amount=3980&currency=INR", "the currency is not in small letters"),
    ];
    for (index, (body, breach)) in wrong.into_iter().enumerate() {
        let key = if index < 2 { "a" } else { body };
        let (status, _) = to_stripe(&sandbox, "/payment_intents", key, body).await;
        assert_eq!(status, if index < 2 { 400 } else { 200 }, "{body}");
        assert_breach(&sandbox, breach);
    }
    assert_eq!(to_stripe(&sandbox, "/payment_intents", "a", "amount=3980&currency=inr").await.0, 200);
    assert!(!sandbox.breaches().iter().any(|breach| breach.contains("used again")), "{:?}", sandbox.breaches());

    let url = format!("{}/v1/payment_intents", sandbox.url());
    let call = http().post(format!("{url}?x=pi_1_secret_2")).bearer_auth("sk_test_sandbox");
    heard(call.json(&serde_json::json!({"amount": 3980}))).await;
    for breach in ["the body is no form", "no Stripe-Version", "no Idempotency-Key", "a secret stands in the URL"] {
        assert_breach(&sandbox, breach);
    }
    let small = to_stripe(&sandbox, "/payment_intents", "s", "amount=49&currency=inr").await;
    assert_eq!(code(&small), (400, "amount_too_small"));
    let large = to_stripe(&sandbox, "/payment_intents", "l", "amount=100000000&currency=inr").await;
    assert_eq!(code(&large), (400, "amount_too_large"));
    assert_eq!(code(&to_stripe(&sandbox, "/charges", "u", "").await), (404, "url_invalid"));
    assert_breach(&sandbox, "Unrecognized request URL (POST: /v1/charges)");
}

#[tokio::test]
async fn a_browser_pays_with_the_client_secret_alone() {
    let sandbox = start().await;
    let id = opened(&sandbox, "a", "").await;
    let url = format!("{}/v1/payment_intents/{id}/confirm", sandbox.url());
    let confirm = async |secret: &str| {
        let body = format!("payment_method=pm_card_visa&client_secret={secret}");
        let call = http().post(&url).bearer_auth("pk_test_sandbox").body(body);
        heard(call.header("content-type", "application/x-www-form-urlencoded")).await
    };
    assert_eq!(confirm("wrong").await.0, 400);
    assert_eq!(confirm(&format!("{id}_secret_sandbox")).await.1["status"], "succeeded");
    let list = http().get(format!("{}/v1/payment_intents", sandbox.url())).bearer_auth("pk_test_sandbox");
    assert_eq!(code(&heard(list).await), (401, "secret_key_required"));
    sandbox.assert_no_breach();
}
