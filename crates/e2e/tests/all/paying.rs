//! Payments by Stripe: paid with a token or on a page, declined, confirmed by the customer's bank, given back, closed. The
//! provider is a stand-in with a ledger of its own, which is compared with ours.

use e2e::money::{
    CENTS, TOTAL, amounts, announced, becomes, books_are_equal, deliver, operations, order_payment, pay, payment,
    placed, reference, sandbox,
};
use e2e::poll;
use e2e::samples::{MOUSE, int, number, text};
use e2e::shop::Shop;
use payment_sandbox::Fault;
use serde_json::{Value, json};

#[tokio::test]
async fn an_order_is_paid_by_card_and_then_confirmed() {
    let sandbox = sandbox().await;
    let shop = Shop::plan().paid_by(&sandbox).open().await;
    let (id, of_order) = placed(&shop).await;
    let fresh = shop.orders().get(&format!("/api/orders/{id}")).await.is(200).json();
    assert_eq!((&fresh["status"], &fresh["payment"]["status"]), (&json!("PENDING"), &json!("DUE")));
    assert!(fresh["payment"]["payBy"].is_string());
    let paid = pay(&shop, id, "pm_card_visa").await.is(200).json();
    assert_eq!(amounts(&paid), format!("CAPTURED {TOTAL} {TOTAL} 0.00"));
    assert_eq!(
        operations(&paid),
        [
            format!("CREATE {TOTAL} SUCCEEDED CHECKOUT"),
            format!("CONFIRM {TOTAL} SUCCEEDED CHECKOUT"),
            format!("CAPTURE {TOTAL} SUCCEEDED CHECKOUT")
        ]
    );
    let confirmed = shop.order_becomes(id, "CONFIRMED").await;
    assert_eq!((&confirmed["payment"]["status"], &confirmed["payment"]["payBy"]), (&json!("PAID"), &Value::Null));
    assert_eq!(shop.timeline(id).await, ["PENDING", "PAID", "CONFIRMED"]);
    assert_eq!(sandbox.totals(&reference(&shop, of_order).await).captured, CENTS);
    let kept = "SELECT count(*) FROM orders.payment_operations WHERE token IS NOT NULL";
    assert_eq!(shop.database.number(kept).await, 0, "the token is forgotten once it was tried");
    pay(&shop, id, "pm_card_visa").await.problem(409, "already-paid");
    books_are_equal(&shop, &sandbox).await;
}

#[tokio::test]
async fn a_decline_is_not_the_end() {
    let sandbox = sandbox().await;
    let shop = Shop::plan().paid_by(&sandbox).open().await;
    let (id, of_order) = placed(&shop).await;
    let declined = pay(&shop, id, "pm_card_chargeDeclined").await.is(200).json();
    assert_eq!((&declined["status"], &declined["errorCode"]), (&json!("FAILED"), &json!("card_declined")));
    assert_eq!(order_payment(&shop, id).await, "DUE");
    let unknown = pay(&shop, id, "pm_nobody_knows").await.is(200).json();
    assert_eq!((&unknown["status"], &unknown["errorCode"]), (&json!("FAILED"), &json!("resource_missing")));
    let paid = pay(&shop, id, "pm_card_visa").await.is(200).json();
    assert_eq!((&paid["id"], &paid["status"]), (&json!(of_order), &json!("CAPTURED")));
    assert_eq!(paid["errorCode"], Value::Null, "what failed before is told by its operation");
    let confirms: Vec<Value> =
        paid["operations"].as_array().unwrap().iter().filter(|it| it["kind"] == "CONFIRM").cloned().collect();
    let statuses: Vec<&str> = confirms.iter().map(|it| text(&it["status"])).collect();
    assert_eq!(statuses, ["REFUSED", "REFUSED", "SUCCEEDED"], "each attempt under a key of its own");
    shop.order_becomes(id, "CONFIRMED").await;
    books_are_equal(&shop, &sandbox).await;
}

#[tokio::test]
async fn a_bank_asks_its_customer_and_the_order_waits() {
    let sandbox = sandbox().await;
    let shop = Shop::plan().paid_by(&sandbox).open().await;
    let (id, of_order) = placed(&shop).await;
    let asked = pay(&shop, id, "pm_card_threeDSecure2Required").await.is(200).json();
    assert_eq!(asked["status"], "ACTION_REQUIRED");
    let session = shop.orders().post(&format!("/api/payments/{of_order}/session"), json!({})).await.is(200).json();
    assert!(text(&session["actionUrl"]).starts_with(&sandbox.url()), "{session}");
    sandbox.stripe().acts(text(&asked["providerId"]), true).unwrap();
    let confirmed = shop.orders().post(&format!("/api/payments/{of_order}/confirm"), json!({})).await.is(200).json();
    assert_eq!(confirmed["status"], "CAPTURED");
    shop.order_becomes(id, "CONFIRMED").await;
    books_are_equal(&shop, &sandbox).await;
}

#[tokio::test]
async fn a_customer_pays_on_a_page_and_a_webhook_says_so() {
    let sandbox = sandbox().await;
    let shop = Shop::plan().paid_by(&sandbox).open().await;
    let (id, of_order) = placed(&shop).await;
    let answer = shop.orders().post(&format!("/api/payments/{of_order}/session"), json!({})).await.is(200);
    assert_eq!(answer.header("cache-control"), "no-store");
    let session = answer.json();
    assert_eq!(session["publishableKey"], "pk_test_sandbox");
    let intent = text(&payment(&shop, of_order).await["providerId"]).to_owned();
    assert!(text(&session["clientSecret"]).starts_with(&intent));
    sandbox.happened();
    sandbox.stripe().pays(&intent, "pm_card_visa").unwrap();
    let happened = sandbox.happened();
    assert!(!happened.is_empty());
    deliver(&shop, &happened).await;
    deliver(&shop, &happened).await;
    becomes(&shop, of_order, "CAPTURED").await;
    shop.order_becomes(id, "CONFIRMED").await;
    let events = i64::try_from(happened.len()).unwrap();
    assert_eq!(shop.database.number("SELECT count(*) FROM orders.payment_events").await, events);
    books_are_equal(&shop, &sandbox).await;
}

#[tokio::test]
async fn money_goes_back_in_parts_and_never_more_than_came() {
    let sandbox = sandbox().await;
    let shop = Shop::plan().paid_by(&sandbox).open().await;
    let (id, of_order) = placed(&shop).await;
    pay(&shop, id, "pm_card_visa").await.is(200);
    shop.order_becomes(id, "CONFIRMED").await;
    let refund = async |body: Value| shop.orders().post(&format!("/api/payments/{of_order}/refunds"), body).await;
    let part = refund(json!({"amount": 9.98, "reason": "scratched"})).await.is(200).json();
    assert_eq!((&part["status"], &part["amount"]), (&json!("SUCCEEDED"), &number("9.98")));
    assert_eq!(order_payment(&shop, id).await, "PART_REFUNDED");
    refund(json!({"amount": 50.01, "reason": "all of it"})).await.problem(409, "refund-exceeds-payment");
    refund(json!({"reason": "the rest"})).await.is(200);
    assert_eq!(amounts(&payment(&shop, of_order).await), format!("REFUNDED {TOTAL} {TOTAL} {TOTAL}"));
    refund(json!({"reason": "more"})).await.problem(409, "refund-exceeds-payment");
    books_are_equal(&shop, &sandbox).await;
}

#[tokio::test]
async fn a_cancelled_order_has_its_money_given_back_or_its_payment_closed() {
    let sandbox = sandbox().await;
    let shop = Shop::plan().paid_by(&sandbox).open().await;
    let (paid, of_paid) = placed(&shop).await;
    pay(&shop, paid, "pm_card_visa").await.is(200);
    let (declined, of_declined) = placed(&shop).await;
    pay(&shop, declined, "pm_card_chargeDeclined").await.is(200);
    let (untouched, of_untouched) = placed(&shop).await;
    for order in [paid, declined, untouched] {
        shop.orders().post(&format!("/api/orders/{order}/cancel"), json!({})).await.is(200);
    }
    assert_eq!(amounts(&becomes(&shop, of_paid, "REFUNDED").await), format!("REFUNDED {TOTAL} {TOTAL} {TOTAL}"));
    becomes(&shop, of_declined, "VOIDED").await;
    becomes(&shop, of_untouched, "VOIDED").await;
    assert_eq!(sandbox.stripe().all_intents().len(), 2, "nobody was told of the third");
    books_are_equal(&shop, &sandbox).await;
}

#[tokio::test]
async fn an_order_that_is_not_paid_in_time_is_cancelled_and_its_stock_comes_back() {
    let sandbox = sandbox().await;
    let shop = Shop::plan().paid_by(&sandbox).order_variable("PAYMENT_WINDOW_SECONDS", "5").open().await;
    let before = shop.database.stock(MOUSE).await;
    let (id, of_order) = placed(&shop).await;
    pay(&shop, id, "pm_card_chargeDeclined").await.is(200);
    let (silent, of_silent) = placed(&shop).await;
    shop.order_becomes(id, "CANCELLED").await;
    shop.order_becomes(silent, "CANCELLED").await;
    becomes(&shop, of_order, "VOIDED").await;
    becomes(&shop, of_silent, "VOIDED").await;
    poll::eventually("the stock to be back", async || poll::equal(shop.database.stock(MOUSE).await, before)).await;
    let timeline = shop.orders().get(&format!("/api/orders/{id}/timeline")).await.is(200).array();
    let last = timeline.last().unwrap();
    let by_itself = ("We have not received your payment.", "order-service");
    assert_eq!((text(&last["reason"]), text(&last["actor"])), by_itself);
    books_are_equal(&shop, &sandbox).await;
}

#[tokio::test]
async fn what_is_paid_after_all_goes_back() {
    let sandbox = sandbox().await;
    let shop = Shop::plan().paid_by(&sandbox).open().await;
    let (id, of_order) = placed(&shop).await;
    shop.orders().post(&format!("/api/payments/{of_order}/session"), json!({})).await.is(200);
    let intent = text(&payment(&shop, of_order).await["providerId"]).to_owned();
    // The customer pays between the decision to close the payment and its closing.
    sandbox.plan("POST /v1/payment_intents", Fault::SilenceBefore);
    shop.orders().post(&format!("/api/orders/{id}/cancel"), json!({})).await.is(200);
    sandbox.stripe().pays(&intent, "pm_card_visa").unwrap();
    let back = becomes(&shop, of_order, "REFUNDED").await;
    assert!(operations(&back).contains(&format!("REFUND {TOTAL} SUCCEEDED ORDER_CANCELLED")), "{back}");
    books_are_equal(&shop, &sandbox).await;
}

#[tokio::test]
async fn another_method_takes_the_place_of_one_that_nobody_is_paying() {
    let sandbox = sandbox().await;
    let shop = Shop::plan().paid_by(&sandbox).open().await;
    let (id, card) = placed(&shop).await;
    pay(&shop, id, "pm_card_chargeDeclined").await.is(200);
    let door = shop.orders().post(&format!("/api/orders/{id}/payments"), json!({"method": "CASH_ON_DELIVERY"})).await;
    assert_ne!(door.is(201).json()["id"], json!(card));
    assert_eq!(payment(&shop, card).await["status"], "VOIDED");
    // Its stock may only now be committed.
    shop.order_becomes(id, "CONFIRMED").await;
    assert_eq!(shop.timeline(id).await.last().unwrap(), "CONFIRMED");

    let (busy, _) = placed(&shop).await;
    pay(&shop, busy, "pm_card_threeDSecure2Required").await.is(200);
    let refused = json!({"method": "CASH_ON_DELIVERY"});
    shop.orders().post(&format!("/api/orders/{busy}/payments"), refused).await.problem(409, "payment-open");
    books_are_equal(&shop, &sandbox).await;
}

#[tokio::test]
async fn another_method_is_opened_on_the_version_that_the_client_knows() {
    let sandbox = sandbox().await;
    let shop = Shop::plan().paid_by(&sandbox).open().await;
    let (id, card) = placed(&shop).await;
    announced(&shop, card).await;
    let committed = "SELECT count(*) FROM orders.orders WHERE stock_committed";
    poll::eventually("the stock to be committed", async || poll::equal(shop.database.number(committed).await, 1)).await;
    let known = shop.orders().get(&format!("/api/orders/{id}")).await.is(200).header("etag").to_owned();
    let open = async || {
        let body = json!({"method": "CASH_ON_DELIVERY"});
        shop.orders().post(&format!("/api/orders/{id}/payments"), body).header("if-match", &known).await
    };
    // Its provider has to close the other first, which changes the order.
    open().await.is(201);
    becomes(&shop, card, "VOIDED").await;
    open().await.problem(412, "precondition-failed");
    books_are_equal(&shop, &sandbox).await;
}

#[tokio::test]
async fn what_does_not_fit_moves_nothing_until_somebody_decides() {
    let sandbox = sandbox().await;
    let shop = Shop::plan().paid_by(&sandbox).open().await;
    let (id, of_order) = placed(&shop).await;
    sandbox.plan("POST /v1/payment_intents/", Fault::WrongAmount);
    let odd = pay(&shop, id, "pm_card_visa").await.is(200).json();
    assert_eq!((&odd["status"], &odd["captured"]), (&json!("REVIEW"), &number("0.00")));
    assert_eq!(order_payment(&shop, id).await, "REVIEW");
    pay(&shop, id, "pm_card_visa").await.problem(409, "payment-under-review");
    let review = async |body: Value| shop.orders().post(&format!("/api/payments/{of_order}/review"), body).await;
    review(json!({"decision": "MAYBE", "note": "x"})).await.problem(400, "validation");
    let decided = review(json!({"decision": "ACCEPT", "note": "The bank confirmed it"})).await.is(200).json();
    assert_eq!(amounts(&decided), format!("CAPTURED {TOTAL} {TOTAL} 0.00"));
    shop.order_becomes(id, "CONFIRMED").await;
    review(json!({"decision": "ACCEPT", "note": "again"})).await.problem(409, "invalid-transition");
    books_are_equal(&shop, &sandbox).await;
}

#[tokio::test]
async fn money_can_wait_with_the_bank_until_the_goods_go_out() {
    let sandbox = sandbox().await;
    let shop = Shop::plan().paid_by(&sandbox).order_variable("PAYMENT_CAPTURE", "shipment").open().await;
    let (id, of_order) = placed(&shop).await;
    let promised = pay(&shop, id, "pm_card_visa").await.is(200).json();
    assert_eq!(amounts(&promised), format!("AUTHORIZED {TOTAL} 0.00 0.00"));
    shop.order_becomes(id, "CONFIRMED").await;
    assert_eq!(order_payment(&shop, id).await, "AUTHORIZED");
    shop.orders().put(&format!("/api/orders/{id}/status"), json!({"status": "SHIPPED"})).await.is(200);
    let taken = becomes(&shop, of_order, "CAPTURED").await;
    assert!(operations(&taken).contains(&format!("CAPTURE {TOTAL} SUCCEEDED SHIPMENT")), "{taken}");

    let (by_hand, of_by_hand) = placed(&shop).await;
    let capture = async || shop.orders().post(&format!("/api/payments/{of_by_hand}/capture"), json!({})).await;
    capture().await.problem(409, "invalid-transition");
    pay(&shop, by_hand, "pm_card_visa").await.is(200);
    let part = json!({"amount": number("59.97")});
    let refused = shop.orders().post(&format!("/api/payments/{of_by_hand}/capture"), part).await.is(400);
    assert_eq!(refused.fields_at_fault(), ["amount"]);
    let all = json!({"amount": number(TOTAL), "reason": "The goods are packed"});
    let taken = shop.orders().post(&format!("/api/payments/{of_by_hand}/capture"), all).await.is(200).json();
    assert_eq!(
        (&taken["status"], &taken["operations"][2]["reason"]),
        (&json!("CAPTURED"), &json!("The goods are packed"))
    );
    capture().await.problem(409, "invalid-transition");

    let (cancelled, of_cancelled) = placed(&shop).await;
    pay(&shop, cancelled, "pm_card_visa").await.is(200);
    shop.orders().post(&format!("/api/orders/{cancelled}/cancel"), json!({})).await.is(200);
    assert_eq!(amounts(&becomes(&shop, of_cancelled, "VOIDED").await), format!("VOIDED {TOTAL} 0.00 0.00"));

    let (late, of_late) = placed(&shop).await;
    pay(&shop, late, "pm_card_visa").await.is(200);
    shop.database
        .execute(format!("UPDATE orders.payments SET created_at = created_at - INTERVAL '6 days' WHERE id = {of_late}"))
        .await;
    shop.orders().post(&format!("/api/payments/{of_late}/confirm"), json!({})).await.is(200);
    shop.database.execute("UPDATE orders.payments_at_work SET next_attempt_at = clock_timestamp()").await;
    becomes(&shop, of_late, "CAPTURED").await;
    books_are_equal(&shop, &sandbox).await;
}

#[tokio::test]
async fn an_order_that_is_not_paid_does_not_go_out() {
    let sandbox = sandbox().await;
    let shop = Shop::plan().paid_by(&sandbox).order_variable("PAYMENT_REQUIRED", "true").open().await;
    // One that names no method waits for its money, too, and its customer chooses afterwards.
    let unnamed = shop.orders().post("/api/orders", e2e::samples::order(&[(MOUSE, 2)])).await.is(201).json();
    let unnamed_id = int(&unnamed["id"]);
    assert_eq!((&unnamed["payment"]["status"], &unnamed["payment"]["method"]), (&json!("DUE"), &json!("CARD")));
    assert!(unnamed["payment"]["payBy"].is_string(), "{unnamed}");
    let payments = format!("/api/orders/{unnamed_id}/payments");
    let chosen = shop.orders().post(&payments, json!({"method": "CASH_ON_DELIVERY"})).await.is(201).json();
    assert_eq!(chosen["status"], "CREATED");
    shop.order_becomes(unnamed_id, "CONFIRMED").await;
    assert_eq!(order_payment(&shop, unnamed_id).await, "ON_DELIVERY");
    let (id, of_order) = placed(&shop).await;
    for status in ["CONFIRMED", "SHIPPED", "DELIVERED"] {
        let moved = shop.orders().put(&format!("/api/orders/{id}/status"), json!({"status": status})).await;
        moved.problem(409, "payment-required");
    }
    let due = shop.orders().get("/api/orders?paymentStatus=DUE").await.is(200).array();
    assert_eq!(due.len(), 1);
    let voided = shop.orders().post(&format!("/api/payments/{of_order}/void"), json!({})).await.is(200).json();
    assert_eq!(voided["status"], "VOIDED");
    pay(&shop, id, "pm_card_visa").await.is(201);
    shop.order_becomes(id, "CONFIRMED").await;
    books_are_equal(&shop, &sandbox).await;
}

#[tokio::test]
async fn what_the_provider_would_not_take_is_refused_before_stock_is_held() {
    let sandbox = sandbox().await;
    let shop = Shop::plan().paid_by(&sandbox).open().await;
    shop.inventory().patch("/api/inventory/products/2", json!({"price": 500_000.00})).await.is(200);
    let before = shop.database.stock(MOUSE).await;
    shop.orders().post("/api/orders", e2e::money::order_by("CARD")).await.problem(409, "payment-too-large");
    poll::eventually("the stock to be back", async || poll::equal(shop.database.stock(MOUSE).await, before)).await;
    shop.orders().post("/api/orders", e2e::money::order_by("UPI")).await.is(201);
}

#[tokio::test]
async fn an_order_gets_a_number_of_payments_and_no_more() {
    let sandbox = sandbox().await;
    let shop = Shop::plan().paid_by(&sandbox).open().await;
    let (id, _) = placed(&shop).await;
    let open =
        async |method: &str| shop.orders().post(&format!("/api/orders/{id}/payments"), json!({"method": method})).await;
    for number in 1..20 {
        open(if number % 2 == 1 { "WALLET" } else { "CARD" }).await.is(201);
    }
    open("CARD").await.problem(409, "too-many-payments");
    open("WALLET").await.is(200);
}

#[tokio::test]
async fn only_what_is_under_review_is_decided_about() {
    let sandbox = sandbox().await;
    let shop = Shop::plan().paid_by(&sandbox).open().await;
    let (_, at_the_door) = e2e::money::placed_by(&shop, "CASH_ON_DELIVERY").await;
    let decision = json!({"decision": "accept", "note": "x"});
    let review = shop.orders().post(&format!("/api/payments/{at_the_door}/review"), decision).await;
    review.problem(409, "invalid-transition");
}
