//! What goes its own way at a provider: refunds that fail later or were made there, keys that it has forgotten, a provider
//! that is away.

use e2e::money::{
    TOTAL, amounts, announced, becomes, books_are_equal, cancel, confirm, deliver, findings, is_due_now, is_looked_at,
    nobody_is_at_work, operations, order_by, order_payment, pay, payment, placed, refund, sandbox, session,
};
use e2e::poll;
use e2e::samples::{MOUSE, int, number, text};
use e2e::shop::Shop;
use payment_sandbox::{Fault, Sandbox};
use serde_json::{Value, json};
use shared_types::topology::INVENTORY_ORDER_EVENTS;
use std::time::Duration;

/// An order that was paid by card and confirmed, its payment and the provider's name of that.
async fn paid(shop: &Shop) -> (i64, i64, String) {
    let (order, id) = placed(shop).await;
    let paid = pay(shop, order, "pm_card_visa").await.is(200).json();
    shop.order_becomes(order, "CONFIRMED").await;
    (order, id, text(&paid["providerId"]).to_owned())
}

#[tokio::test]
async fn a_refund_that_fails_after_it_succeeded_is_found_and_frees_its_money() {
    let sandbox = sandbox().await;
    let shop = Shop::plan().paid_by(&sandbox).open().await;
    let (order, id, _) = paid(&shop).await;
    refund(&shop, id, None).await.is(200);
    assert_eq!(order_payment(&shop, order).await, "REFUNDED");
    sandbox.happened();
    let there = sandbox.stripe().all_refunds().pop().unwrap();
    sandbox.stripe().refund_fails(&there.id).unwrap();
    for _ in 0..2 {
        deliver(&shop, &sandbox.happened()).await;
    }
    let after = becomes(&shop, id, "CAPTURED").await;
    assert!(operations(&after).contains(&format!("REFUND {TOTAL} REVERSED MANUAL")), "{after}");
    assert_eq!(findings(&shop).await, ["STATUS: a refund failed after it had succeeded"]);
    assert_eq!(order_payment(&shop, order).await, "PAID");
    refund(&shop, id, None).await.is(200);
    becomes(&shop, id, "REFUNDED").await;
    books_are_equal(&shop, &sandbox).await;
}

#[tokio::test]
async fn a_refund_of_a_cancelled_order_that_fails_later_is_left_to_people() {
    let sandbox = sandbox().await;
    let shop = Shop::plan().paid_by(&sandbox).open().await;
    let (order, id, _) = paid(&shop).await;
    cancel(&shop, order).await;
    becomes(&shop, id, "REFUNDED").await;
    let there = sandbox.stripe().all_refunds().pop().unwrap();
    sandbox.stripe().refund_fails(&there.id).unwrap();
    for _ in 0..3 {
        is_looked_at(&shop, id).await;
    }
    becomes(&shop, id, "CAPTURED").await;
    assert_eq!(sandbox.stripe().all_refunds().len(), 1, "it would only fail again");
    assert_eq!(findings(&shop).await, ["STATUS: a refund failed after it had succeeded"]);
    books_are_equal(&shop, &sandbox).await;
    let (holds, wrong) =
        ("{\"holds\":true}", "is CANCELLED and PAID, total 59.98, taken 59.98, given back 0.00, by hand 0");
    let invariants = async || shop.orders().get("/api/admin/invariants").await.is(200).text;
    assert_eq!(invariants().await, holds, "its money is owed, and people are told");
    let ended = async |status: &str| {
        let set = format!("UPDATE orders.payment_operations SET status = '{status}' WHERE kind = 'REFUND'");
        shop.database.execute(set).await;
    };
    ended("DROPPED").await;
    assert!(invariants().await.contains(wrong), "nobody was asked to give it back");
    ended("REVERSED").await;
    refund(&shop, id, None).await.is(200);
    becomes(&shop, id, "REFUNDED").await;
    books_are_equal(&shop, &sandbox).await;
    assert_eq!(invariants().await, holds);
}

#[tokio::test]
async fn money_that_a_provider_could_not_give_back_is_paid_out_by_hand() {
    let sandbox = sandbox().await;
    let shop = Shop::plan().paid_by(&sandbox).open().await;
    let (order, id, _) = paid(&shop).await;
    let refunds = format!("/api/payments/{id}/refunds");
    let by_hand = async |more: Value| {
        let mut body = json!({"reason": "Bank transfer 4711", "by": "HAND"});
        body.as_object_mut().unwrap().extend(more.as_object().cloned().unwrap());
        shop.orders().post(&refunds, body).await
    };
    assert_eq!(by_hand(json!({"by": "FOOT"})).await.fields_at_fault(), ["by"]);
    by_hand(json!({})).await.problem(409, "invalid-transition");
    cancel(&shop, order).await;
    becomes(&shop, id, "REFUNDED").await;
    by_hand(json!({})).await.problem(409, "invalid-transition");
    let there = sandbox.stripe().all_refunds().pop().unwrap();
    sandbox.stripe().refund_fails(&there.id).unwrap();
    is_looked_at(&shop, id).await;
    becomes(&shop, id, "CAPTURED").await;
    let explained = async || shop.orders().get(&format!("/api/orders/{order}/explain")).await.is(200).json();
    let told = explained().await;
    assert!(text(&told["because"]).starts_with("Its refund did not go through: 59.98, REVERSED. "), "{told}");
    assert_eq!(told["actions"][1], format!(r#"POST {refunds} {{"by": "HAND"}}"#));

    by_hand(json!({"amount": number("59.99")})).await.problem(409, "refund-exceeds-payment");
    by_hand(json!({"amount": number("50.00")})).await.is(200);
    assert_eq!(order_payment(&shop, order).await, "PART_REFUNDED");
    let done = by_hand(json!({})).await.is(200).json();
    assert_eq!(
        (&done["status"], &done["byHand"], &done["amount"]),
        (&json!("SUCCEEDED"), &json!(true), &number("9.98"))
    );
    by_hand(json!({})).await.problem(409, "invalid-transition");
    assert_eq!(order_payment(&shop, order).await, "REFUNDED");
    let told = explained().await;
    assert_eq!(told["waitingFor"], Value::Null, "{told}");
    assert!(told["chain"].to_string().contains("REFUND of 9.98 by hand, SUCCEEDED"), "{told}");
    for _ in 0..2 {
        is_looked_at(&shop, id).await;
    }
    let today = time::OffsetDateTime::now_utc().date();
    shop.orders().post(&format!("/api/admin/payments/reconcile?day={today}"), json!({})).await.is(200);
    assert_eq!(findings(&shop).await, ["STATUS: a refund failed after it had succeeded"]);
    assert_eq!(sandbox.stripe().all_refunds().len(), 1, "the provider was asked once");
    assert_eq!(amounts(&payment(&shop, id).await), format!("REFUNDED {TOTAL} {TOTAL} {TOTAL}"));
    assert_eq!(shop.orders().get("/api/admin/invariants").await.is(200).text, "{\"holds\":true}");
    shop.assert_invariants().await;
}

#[tokio::test]
async fn a_refund_that_was_made_at_the_provider_is_taken_into_our_books_and_found() {
    let sandbox = sandbox().await;
    let shop = Shop::plan().paid_by(&sandbox).open().await;
    let (order, id, intent) = paid(&shop).await;
    sandbox.happened();
    sandbox.stripe().refunds(&intent, Some(998)).unwrap();
    let happened = sandbox.happened();
    for _ in 0..2 {
        deliver(&shop, &happened).await;
    }
    let after = becomes(&shop, id, "PART_REFUNDED").await;
    assert!(operations(&after).contains(&"REFUND 9.98 SUCCEEDED EXTERNAL".to_owned()), "{after}");
    assert_eq!(findings(&shop).await, ["THERE_ONLY: a refund that was made at the provider"]);
    refund(&shop, id, Some("50.01")).await.problem(409, "refund-exceeds-payment");
    cancel(&shop, order).await;
    becomes(&shop, id, "REFUNDED").await;
    books_are_equal(&shop, &sandbox).await;
}

#[tokio::test]
async fn what_one_refund_did_not_take_goes_back_with_another() {
    let sandbox = sandbox().await;
    let shop = Shop::plan().paid_by(&sandbox).open().await;
    let (order, id, intent) = paid(&shop).await;
    // A part is to go back and nobody knows whether it did; then the order is cancelled, and the rest goes back.
    sandbox.plan("POST /v1/refunds", Fault::Error);
    refund(&shop, id, Some("9.98")).await.is(202);
    cancel(&shop, order).await;
    let of_rest = "SELECT status FROM orders.payment_operations WHERE amount = 50 AND kind = 'REFUND'";
    let hour = "UPDATE orders.payment_operations SET first_sent_at = first_sent_at - INTERVAL '61 minutes'";
    shop.database.execute(format!("{hour} WHERE status IN ('SENT', 'UNKNOWN')")).await;
    is_due_now(&shop, id).await;
    becomes(&shop, id, "REFUNDED").await;
    assert_eq!(shop.database.texts(of_rest).await, ["SUCCEEDED"]);
    let parts: Vec<u64> = sandbox.stripe().all_refunds().iter().map(|it| it.amount).collect();
    assert_eq!((parts.iter().sum::<u64>(), parts.len()), (5998, 2), "{intent}");
    books_are_equal(&shop, &sandbox).await;
}

/// Has a call end in silence, and nobody can look what became of it; then a day passes.
async fn forgotten(shop: &Shop, sandbox: &Sandbox, call: &str, silence: Fault, id: i64, begin: e2e::client::Call) {
    sandbox.plan(call, silence);
    sandbox.always("GET /v1/", Fault::Error);
    begin.await;
    poll::eventually("the outcome to be unknown", async || {
        let unknown = "SELECT count(*) FROM orders.payment_operations WHERE status = 'UNKNOWN'";
        poll::equal(shop.database.number(unknown).await, 1)
    })
    .await;
    // The lock of whoever works on it, so that nobody asks again in between.
    let lock = shop.database.lock(format!("SELECT id FROM orders.payments WHERE id = {id} FOR UPDATE")).await;
    let aged = "UPDATE orders.payment_operations SET first_sent_at = first_sent_at - INTERVAL '23 hours'";
    shop.database.execute(format!("{aged} WHERE status IN ('SENT', 'UNKNOWN')")).await;
    sandbox.ages(Duration::from_secs(23 * 3600 + 60));
    sandbox.prune_keys();
    sandbox.clear_faults();
    lock.rollback().await.unwrap();
    is_due_now(shop, id).await;
}

#[tokio::test]
async fn what_may_be_forgotten_is_only_looked_for() {
    let sandbox = sandbox().await;
    let shop = Shop::plan().paid_by(&sandbox).open().await;
    for (silence, status) in [(Fault::SilenceAfter, "PART_REFUNDED"), (Fault::SilenceBefore, "CAPTURED")] {
        let (_, id, intent) = paid(&shop).await;
        let body = json!({"amount": 9.98, "reason": "scratched"});
        let begin = shop.orders().post(&format!("/api/payments/{id}/refunds"), body);
        forgotten(&shop, &sandbox, "POST /v1/refunds", silence, id, begin).await;
        becomes(&shop, id, status).await;
        books_are_equal(&shop, &sandbox).await;
        let asked =
            sandbox.called().into_iter().filter(|it| it.call == "POST /v1/refunds" && it.body.contains(&intent));
        assert_eq!(asked.count(), 1, "{silence:?}: asked again, it would have been done twice");
        refund(&shop, id, Some("1.00")).await.is(200);
    }
    // A payment that was never announced.
    let (order, id) = placed(&shop).await;
    let begin = shop.orders().post(&format!("/api/payments/{id}/session"), json!({}));
    forgotten(&shop, &sandbox, "POST /v1/payment_intents", Fault::SilenceBefore, id, begin).await;
    becomes(&shop, id, "FAILED").await;
    pay(&shop, order, "pm_card_visa").await.is(200);
    becomes(&shop, id, "CAPTURED").await;
    books_are_equal(&shop, &sandbox).await;
}

#[tokio::test]
async fn a_provider_that_is_away_keeps_nobody_else_waiting() {
    let sandbox = sandbox().await;
    let shop = Shop::plan().paid_by(&sandbox).open().await;
    sandbox.close().await;
    // Placed all the same, and so is what asks for no payment or is paid at the door.
    let (order, id) = placed(&shop).await;
    for _ in 0..6 {
        session(&shop, id).await.unavailable();
    }
    let plain = int(&shop.place(&[(MOUSE, 1)]).await["id"]);
    let at_the_door = shop.orders().post("/api/orders", order_by("CASH_ON_DELIVERY")).await.is(201).json();
    for other in [plain, int(&at_the_door["id"])] {
        shop.order_becomes(other, "CONFIRMED").await;
    }
    assert_eq!(amounts(&payment(&shop, id).await), "CREATED 0.00 0.00 0.00");
    sandbox.open().await.unwrap();
    poll::eventually("the provider to be asked again", async || {
        let answer = session(&shop, id).await;
        if answer.status == 200 { Ok(()) } else { Err(answer.text) }
    })
    .await;
    let intent = announced(&shop, id).await;
    sandbox.stripe().pays(&intent, "pm_card_visa").unwrap();
    confirm(&shop, id, json!({})).await.is(200);
    shop.order_becomes(order, "CONFIRMED").await;
    books_are_equal(&shop, &sandbox).await;
}

#[tokio::test]
async fn a_payment_under_review_moves_no_money_by_itself() {
    let sandbox = sandbox().await;
    let shop = Shop::plan().paid_by(&sandbox).open().await;
    let (order, id, _) = paid(&shop).await;
    // A refund is decided and cannot leave; then the books stop fitting.
    sandbox.plan("POST /v1/refunds", Fault::TooMany);
    assert_eq!(refund(&shop, id, Some("9.98")).await.is(202).json()["status"], "PREPARED");
    let review = "UPDATE orders.payments SET status = 'REVIEW' WHERE id = ";
    shop.database.execute(format!("{review}{id}")).await;
    is_due_now(&shop, id).await;
    nobody_is_at_work(&shop).await;
    assert_eq!(sandbox.stripe().all_refunds().len(), 0);
    refund(&shop, id, Some("1.00")).await.problem(409, "payment-under-review");
    let body = json!({"decision": "ACCEPT", "note": "It fits after all"});
    shop.orders().post(&format!("/api/payments/{id}/review"), body).await.is(200);
    becomes(&shop, id, "PART_REFUNDED").await;
    assert_eq!(order_payment(&shop, order).await, "PART_REFUNDED");
    books_are_equal(&shop, &sandbox).await;
}

#[tokio::test]
async fn promised_money_that_cannot_be_taken_is_found_once() {
    let sandbox = sandbox().await;
    let shop = Shop::plan().paid_by(&sandbox).order_variable("PAYMENT_CAPTURE", "shipment").open().await;
    let (order, id, intent) = paid(&shop).await;
    // The promise ran out, nobody here was told, and the goods go out.
    sandbox.stripe().expires(&intent).unwrap();
    let shipped = json!({"status": "SHIPPED"});
    shop.orders().put(&format!("/api/orders/{order}/status"), shipped).await.is(200);
    let after = becomes(&shop, id, "EXPIRED").await;
    assert!(operations(&after).contains(&format!("CAPTURE {TOTAL} REFUSED SHIPMENT")), "{after}");
    is_looked_at(&shop, id).await;
    assert_eq!(findings(&shop).await, ["STATUS: promised money was refused when it was to be taken"]);
}

#[tokio::test]
async fn stock_that_is_committed_while_the_payment_of_a_paid_order_is_due_again_is_remembered() {
    let sandbox = sandbox().await;
    let shop = Shop::plan().paid_by(&sandbox).order_variable("PAYMENT_CAPTURE", "shipment").open().await;
    // Inventory-service hears of the orders when the test says so.
    shop.broker().unbind(INVENTORY_ORDER_EVENTS.name, "order.created").await;
    let mut tap = shop.broker().tap().await;
    let ((odd, of_odd), (gone, of_gone)) = (placed(&shop).await, placed(&shop).await);
    pay(&shop, odd, "pm_card_visa").await.is(200);
    let promised = pay(&shop, gone, "pm_card_visa").await.is(200).json();
    // What is shown of one payment does not fit, and the promise of the other runs out.
    shop.database.execute(format!("UPDATE orders.payments SET status = 'REVIEW' WHERE id = {of_odd}")).await;
    shop.database.execute(format!("UPDATE orders.orders SET payment_status = 'REVIEW' WHERE id = {odd}")).await;
    sandbox.stripe().expires(text(&promised["providerId"])).unwrap();
    is_looked_at(&shop, of_gone).await;
    assert_eq!(order_payment(&shop, gone).await, "VOIDED");
    for created in tap.heard("order.created", 2).await {
        shop.broker().send(INVENTORY_ORDER_EVENTS.name, &created.body).await;
    }
    let committed = "SELECT count(*) FROM orders.orders WHERE status = 'PAID' AND stock_committed";
    poll::eventually("the stock to be committed", async || poll::equal(shop.database.number(committed).await, 2)).await;

    let accepted = json!({"decision": "ACCEPT", "note": "It fits after all"});
    shop.orders().post(&format!("/api/payments/{of_odd}/review"), accepted).await.is(200);
    let path = format!("/api/orders/{gone}/payments");
    shop.orders().post(&path, json!({"method": "CASH_ON_DELIVERY"})).await.is(201);
    for order in [odd, gone] {
        shop.order_becomes(order, "CONFIRMED").await;
        assert_eq!(shop.timeline(order).await, ["PENDING", "PAID", "CONFIRMED"]);
    }
    shop.assert_invariants().await;
}
