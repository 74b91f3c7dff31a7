//! Our books of a day against those of the payment providers, in both directions, and what operators do about what does not
//! fit.

use e2e::money::{
    TOTAL, becomes, books_are_equal, deliver, operations, pay, payment, placed, placed_by, reference, sandbox,
};
use e2e::poll;
use e2e::samples::{int, number, text};
use e2e::shop::Shop;
use payment_sandbox::{Fault, Sandbox};
use reqwest::Method;
use serde_json::{Value, json};
use std::time::Duration;
use time::OffsetDateTime;
use uuid::Uuid;

const FINDINGS: &str = "/api/admin/payments/findings";

async fn findings(shop: &Shop, query: &str) -> Vec<Value> {
    shop.orders().get(&format!("{FINDINGS}{query}")).await.is(200).array()
}

/// Kind, provider and amounts of each open finding, oldest first.
async fn open(shop: &Shop) -> Vec<String> {
    let line = |it: &Value| format!("{} {} {} {}", text(&it["kind"]), text(&it["provider"]), it["ours"], it["theirs"]);
    findings(shop, "?open=true").await.iter().rev().map(line).collect()
}

/// Holds today's books against the providers'.
async fn reconcile(shop: &Shop) -> Value {
    let today = OffsetDateTime::now_utc().date();
    let path = format!("/api/admin/payments/reconcile?day={today}");
    shop.orders().call(Method::POST, &path).await.is(200).json()
}

/// What came of it at one provider.
fn of<'v>(reconciled: &'v Value, provider: &str) -> &'v Value {
    let all = reconciled["providers"].as_array().unwrap();
    all.iter().find(|it| it["provider"] == provider).unwrap()
}

/// Somebody else takes money with the shop's key at Stripe, under a name of ours or none.
async fn taken_elsewhere(sandbox: &Sandbox, reference: Option<&str>) -> String {
    let name = reference.map(|reference| format!("&metadata[reference]={reference}")).unwrap_or_default();
    let body =
        format!("amount=700&currency=inr&payment_method_types[0]=card&confirm=true&payment_method=pm_card_visa{name}");
    let call = http_client::client().build().unwrap().post(format!("{}/v1/payment_intents", sandbox.url()));
    let call = call.header("authorization", "Bearer sk_test_sandbox").header("stripe-version", "x");
    let call = call.header("idempotency-key", Uuid::now_v7().to_string());
    let answer = call.header("content-type", "application/x-www-form-urlencoded").body(body).send().await.unwrap();
    let intent: Value = serde_json::from_str(&answer.text().await.unwrap()).unwrap();
    text(&intent["id"]).to_owned()
}

/// Pays an order by UPI past the shop, which hears nothing of it.
async fn paid_by_upi(shop: &Shop, sandbox: &Sandbox) -> (i64, String) {
    let (_, of_order) = placed_by(shop, "UPI").await;
    shop.orders().post(&format!("/api/payments/{of_order}/session"), json!({})).await.is(200);
    let order = text(&payment(shop, of_order).await["providerId"]).to_owned();
    let paid = sandbox.razorpay().pays(&order, "success@razorpay", "upi").unwrap();
    (of_order, paid.razorpay_payment_id)
}

#[tokio::test]
async fn equal_books_need_no_look_and_what_was_not_heard_is_taken_over() {
    let sandbox = sandbox().await;
    let shop = Shop::plan().paid_by(&sandbox).open().await;
    let (id, by_card) = placed(&shop).await;
    pay(&shop, id, "pm_card_visa").await.is(200);
    shop.order_becomes(id, "CONFIRMED").await;
    let equal = reconcile(&shop).await;
    let stripe = json!({"provider": "STRIPE", "payments": 1, "refunds": 0, "foreign": 0, "lookedAt": 0});
    assert_eq!((&equal["findings"], of(&equal, "STRIPE")), (&json!(0), &stripe));
    assert_eq!(equal["day"], OffsetDateTime::now_utc().date().to_string());

    let (by_upi, paid) = paid_by_upi(&shop, &sandbox).await;
    let late = reconcile(&shop).await;
    assert_eq!((&late["findings"], &of(&late, "RAZORPAY")["payments"]), (&json!(0), &json!(1)));
    assert_eq!(payment(&shop, by_upi).await["status"], "CAPTURED", "taken over at once");
    let again = reconcile(&shop).await;
    assert_eq!((&of(&again, "STRIPE")["lookedAt"], &of(&again, "RAZORPAY")["lookedAt"]), (&json!(0), &json!(0)));

    // Refunds in the dashboards of both, of which no webhook tells.
    let intent = text(&payment(&shop, by_card).await["providerId"]).to_owned();
    sandbox.stripe().refunds(&intent, Some(998)).unwrap();
    sandbox.razorpay().refunds(&paid, Some(500)).unwrap();
    let refunds = reconcile(&shop).await;
    assert_eq!(refunds["findings"], 2, "{refunds}");
    assert_eq!(open(&shop).await, ["THERE_ONLY STRIPE null 9.98", "THERE_ONLY RAZORPAY null 5.00"]);
    assert!(operations(&payment(&shop, by_upi).await).contains(&"REFUND 5.00 SUCCEEDED EXTERNAL".to_owned()));
    assert_eq!(reconcile(&shop).await["findings"], 0, "nothing is found twice");
    books_are_equal(&shop, &sandbox).await;
}

#[tokio::test]
async fn money_that_belongs_to_no_payment_is_found_once() {
    let sandbox = sandbox().await;
    let shop = Shop::plan().paid_by(&sandbox).open().await;
    let (id, of_order) = placed(&shop).await;
    pay(&shop, id, "pm_card_visa").await.is(200);
    let lost = taken_elsewhere(&sandbox, Some(&Uuid::now_v7().to_string())).await;
    let twice = taken_elsewhere(&sandbox, Some(&reference(&shop, of_order).await)).await;
    taken_elsewhere(&sandbox, None).await;
    let found = reconcile(&shop).await;
    assert_eq!((&found["findings"], &of(&found, "STRIPE")["foreign"]), (&json!(2), &json!(1)), "{found}");
    let all = findings(&shop, "").await;
    let of_object = |object: &str| all.iter().find(|it| it["objectId"] == object).unwrap();
    for (object, payment) in [(&lost, Value::Null), (&twice, json!(of_order))] {
        let it = of_object(object);
        assert_eq!((&it["kind"], &it["theirs"]), (&json!("CAPTURED_WITHOUT_ORDER"), &number("7.00")), "{it}");
        assert_eq!((&it["paymentId"], &it["resolvedAt"], &it["note"]), (&payment, &Value::Null, &Value::Null));
    }
    assert_eq!(reconcile(&shop).await["findings"], 0);
    let resolve = format!("{FINDINGS}/{}/resolve", of_object(&lost)["id"]);
    shop.orders().post(&resolve, json!({"note": "Given back by hand"})).await.is(200);
    assert_eq!(reconcile(&shop).await["findings"], 0, "nor when somebody has seen to it");
}

#[tokio::test]
async fn what_a_provider_does_not_show_and_what_it_shows_otherwise_is_found() {
    let sandbox = sandbox().await;
    let shop = Shop::plan().paid_by(&sandbox).open().await;
    let (gone, of_gone) = placed(&shop).await;
    pay(&shop, gone, "pm_card_visa").await.is(200);
    let (refunded, of_refunded) = placed(&shop).await;
    pay(&shop, refunded, "pm_card_visa").await.is(200);
    let reason = json!({"amount": 9.98, "reason": "scratched"});
    shop.orders().post(&format!("/api/payments/{of_refunded}/refunds"), reason).await.is(200);
    let (less, of_less) = placed(&shop).await;
    pay(&shop, less, "pm_card_visa").await.is(200);
    let taken = text(&payment(&shop, of_gone).await["providerId"]).to_owned();
    let renamed = format!(
        "UPDATE orders.payments SET provider_id = 'pi_gone', reference = '{}' WHERE id = {of_gone}",
        Uuid::now_v7()
    );
    shop.database.execute(renamed).await;
    let refund = sandbox.stripe().all_refunds().remove(0);
    sandbox.stripe().refund_fails(&refund.id).unwrap();
    // A refund that is in our books only.
    let operation = format!(
        "INSERT INTO orders.payment_operations
             (id, payment_id, provider, kind, amount, status, cause, cause_id, made_by, provider_ref)
         VALUES ('{}', {of_less}, 'STRIPE', 'REFUND', 1, 'SUCCEEDED', 'MANUAL', gen_random_uuid(), 'x', 're_gone')",
        Uuid::now_v7()
    );
    shop.database.execute(operation).await;
    let back = format!("UPDATE orders.payments SET refund_reserved = 1, refunded = 1 WHERE id = {of_less}");
    shop.database.execute(back).await;

    let found = reconcile(&shop).await;
    let mut kinds: Vec<String> = open(&shop).await;
    kinds.sort();
    let expected = [
        "AMOUNT STRIPE 1.00 0.00".to_owned(),
        format!("CAPTURED_WITHOUT_ORDER STRIPE null {TOTAL}"),
        format!("HERE_ONLY STRIPE {TOTAL} null"),
        "STATUS STRIPE 9.98 0.00".to_owned(),
    ];
    assert_eq!(kinds, expected, "{found}");
    let object = findings(&shop, "").await.into_iter().find(|it| it["kind"] == "CAPTURED_WITHOUT_ORDER").unwrap();
    assert_eq!(object["objectId"], json!(taken));
    assert!(operations(&payment(&shop, of_refunded).await).contains(&"REFUND 9.98 REVERSED MANUAL".to_owned()));
    assert_eq!(reconcile(&shop).await["findings"], 0);
}

#[tokio::test]
async fn amounts_that_do_not_fit_are_found_and_the_payment_waits_for_people() {
    let sandbox = sandbox().await;
    let shop = Shop::plan().paid_by(&sandbox).open().await;
    let (id, of_order) = placed(&shop).await;
    pay(&shop, id, "pm_card_visa").await.is(200);
    shop.order_becomes(id, "CONFIRMED").await;
    sandbox.always("GET /v1/payment_intents", Fault::WrongAmount);
    assert_eq!(reconcile(&shop).await["findings"], 1);
    assert_eq!(open(&shop).await, [format!("AMOUNT STRIPE {TOTAL} 59.99")]);
    becomes(&shop, of_order, "REVIEW").await;
    assert_eq!(reconcile(&shop).await["findings"], 0);
    sandbox.clear_faults();

    sandbox.close().await;
    let path = format!("/api/admin/payments/reconcile?day={}", OffsetDateTime::now_utc().date());
    shop.orders().call(Method::POST, &path).await.unavailable();
}

#[tokio::test]
async fn days_that_are_over_are_done_once_by_themselves() {
    let sandbox = sandbox().await;
    taken_elsewhere(&sandbox, Some(&Uuid::now_v7().to_string())).await;
    sandbox.ages(Duration::from_secs(86_400));
    let shop = Shop::plan().paid_by(&sandbox).pairs(2).order_variable("RECONCILE_AT", "00:00").open().await;
    let days = async |which: &str| {
        shop.database.texts(format!("SELECT day::text FROM orders.reconciled_days WHERE {which}")).await
    };
    let yesterday = OffsetDateTime::now_utc().date().previous_day().unwrap().to_string();
    poll::within(Duration::from_secs(30), "yesterday to be done", async || {
        poll::equal(days("done_at IS NOT NULL").await, vec![yesterday.clone()])
    })
    .await;
    assert_eq!(open(&shop).await, ["CAPTURED_WITHOUT_ORDER STRIPE null 7.00"]);
    let lists = sandbox.called().into_iter().filter(|it| it.call == "GET /v1/payment_intents").count();
    assert_eq!(lists, 1, "by one of them");

    // Who was away for longer makes up for it.
    let earlier = "UPDATE orders.reconciled_days SET day = day - 2";
    shop.database.execute(earlier).await;
    poll::within(Duration::from_secs(30), "the days between to be done", async || {
        poll::equal(days("done_at IS NOT NULL").await.len(), 3)
    })
    .await;
    assert_eq!(days("done_at IS NULL").await, [""; 0]);
}

#[tokio::test]
async fn operators_see_findings_and_say_what_was_done() {
    let sandbox = sandbox().await;
    let shop = Shop::plan().paid_by(&sandbox).open().await;
    let (id, of_order) = placed(&shop).await;
    pay(&shop, id, "pm_card_visa").await.is(200);
    shop.order_becomes(id, "CONFIRMED").await;
    sandbox.happened();
    let intent = text(&payment(&shop, of_order).await["providerId"]).to_owned();
    let refunds = [100, 200, 300].map(|amount| sandbox.stripe().refunds(&intent, Some(amount)).unwrap());
    deliver(&shop, &sandbox.happened()).await;
    poll::eventually("the refunds to be found", async || poll::equal(findings(&shop, "").await.len(), 3)).await;
    let page = shop.orders().get(&format!("{FINDINGS}?open=true&limit=2")).await.is(200);
    let rest = shop.orders().get(&page.next_page().unwrap()).await.is(200).array();
    let numbers: Vec<i64> = page.array().iter().chain(&rest).map(|it| int(&it["id"])).collect();
    assert!(numbers.is_sorted_by(|a, b| a > b) && numbers.len() == 3, "{numbers:?}");
    let first = rest[0].clone();
    assert_eq!((&first["kind"], &first["paymentId"]), (&json!("THERE_ONLY"), &json!(of_order)));
    assert!(refunds.iter().any(|refund| first["objectId"] == refund.id.as_str()), "{first}");
    shop.orders().get(&format!("{FINDINGS}?open=perhaps")).await.is(400);

    let resolve = format!("{FINDINGS}/{}/resolve", first["id"]);
    let note = || json!({"note": "Agreed with the customer"});
    let resolved = shop.orders().post(&resolve, note()).key("once").await.is(200).json();
    assert_eq!((&resolved["note"], &resolved["id"]), (&json!("Agreed with the customer"), &first["id"]));
    assert!(resolved["resolvedAt"].is_string() && resolved["resolvedBy"].is_string(), "{resolved}");
    assert_eq!(shop.orders().post(&resolve, note()).key("once").await.is(200).json(), resolved);
    shop.orders().post(&resolve, note()).await.problem(409, "already-resolved");
    shop.orders().post(&format!("{FINDINGS}/999999/resolve"), note()).await.is(404);
    assert_eq!(shop.orders().post(&resolve, json!({})).await.fields_at_fault(), ["note"]);
    let card = json!({"note": "paid with 4242 4242 4242 4242"});
    assert_eq!(shop.orders().post(&resolve, card).await.fields_at_fault(), ["note"]);
    assert_eq!(findings(&shop, "?open=false").await, [resolved]);
    assert_eq!(findings(&shop, "?open=true").await.len(), 2);

    // What the order owes is less once each of its refunds was agreed on.
    let broken = async || {
        let holds = shop.orders().get("/api/admin/invariants").await.is(200).json();
        let breaches = holds["breaches"].as_array().into_iter().flatten();
        breaches.map(|breach| text(&breach["invariant"]).to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(broken().await, ["order-money"]);
    for finding in findings(&shop, "?open=true").await {
        shop.orders().post(&format!("{FINDINGS}/{}/resolve", finding["id"]), note()).await.is(200);
    }
    assert_eq!(broken().await, [""; 0]);

    let reconcile = "/api/admin/payments/reconcile";
    for wrong in ["", "?day=", "?day=yesterday", "?day=2026-13-01", "?day=9999-01-01"] {
        let answer = shop.orders().call(Method::POST, &format!("{reconcile}{wrong}")).await;
        assert_eq!(answer.fields_at_fault(), ["day"], "{wrong}");
    }
}
