//! Money that comes when it is late, twice, or to a payment that was closed: it pays the order while that waits, and else it goes
//! back.

use e2e::money::{
    TOTAL, announced, becomes, books_are_equal, cancel, confirm, deliver, findings, is_due_now, is_looked_at,
    operations, pay, payment, placed, placed_by, sandbox,
};
use e2e::notices::reaches;
use e2e::poll;
use e2e::samples::{int, text};
use e2e::shop::Shop;
use payment_sandbox::Fault;
use serde_json::json;

/// Messages which say that money has come in.
const PAID_MAILS: &str = "SELECT count(*) FROM orders.notifications WHERE kind = 'order-paid'";

/// An order is cancelled that is not paid in this time.
const WINDOW: (&str, &str) = ("PAYMENT_WINDOW_SECONDS", "5");

#[tokio::test]
async fn what_failed_and_succeeds_later_pays_the_order_in_time() {
    let sandbox = sandbox().await;
    let shop = Shop::plan().paid_by(&sandbox).open().await;
    let (order, id) = placed(&shop).await;
    let failed = pay(&shop, order, "pm_card_chargeDeclined").await.is(200).json();
    assert_eq!(failed["status"], "FAILED");
    sandbox.happened();
    sandbox.stripe().pays(text(&failed["providerId"]), "pm_card_visa").unwrap();
    deliver(&shop, &sandbox.happened()).await;
    becomes(&shop, id, "CAPTURED").await;
    shop.order_becomes(order, "CONFIRMED").await;
    books_are_equal(&shop, &sandbox).await;
}

#[tokio::test]
async fn what_succeeds_when_the_time_is_over_goes_back() {
    let sandbox = sandbox().await;
    let (name, seconds) = WINDOW;
    let shop = Shop::plan().paid_by(&sandbox).order_variable(name, seconds).open().await;
    let (order, id) = placed_by(&shop, "UPI").await;
    let there = announced(&shop, id).await;
    sandbox.razorpay().pays(&there, "failure@razorpay", "upi").unwrap_err();
    let attempt = sandbox.razorpay().all_payments().pop().unwrap();
    shop.order_becomes(order, "CANCELLED").await;
    sandbox.happened();
    sandbox.razorpay().ends(&attempt.id, true).unwrap();
    deliver(&shop, &sandbox.happened()).await;
    becomes(&shop, id, "REFUNDED").await;
    assert_eq!(shop.timeline(order).await, ["PENDING", "CANCELLED"]);
    reaches(&shop, order, ("order-refunded", "EMAIL"), "SKIPPED").await;
    assert_eq!(shop.database.number(PAID_MAILS).await, 0, "no order goes on because of it");
    books_are_equal(&shop, &sandbox).await;
}

#[tokio::test]
async fn a_customer_who_pays_while_the_payment_is_being_closed_has_paid() {
    let sandbox = sandbox().await;
    let (name, seconds) = WINDOW;
    let shop = Shop::plan().paid_by(&sandbox).order_variable(name, seconds).open().await;
    let (order, id) = placed(&shop).await;
    let intent = announced(&shop, id).await;
    // It was looked at and nothing was paid; now it is about to be closed.
    sandbox.plan(&format!("POST /v1/payment_intents/{intent}/cancel"), Fault::HeldBefore);
    poll::eventually("the payment to be about to be closed", async || poll::equal(sandbox.held(), 1)).await;
    sandbox.stripe().pays(&intent, "pm_card_visa").unwrap();
    sandbox.release();
    let paid = becomes(&shop, id, "CAPTURED").await;
    assert!(operations(&paid).contains(&format!("VOID {TOTAL} REFUSED ORDER_CANCELLED")), "{paid}");
    shop.order_becomes(order, "CONFIRMED").await;
    assert_eq!(shop.timeline(order).await, ["PENDING", "PAID", "CONFIRMED"]);
    books_are_equal(&shop, &sandbox).await;
}

#[tokio::test]
async fn a_customer_who_pays_just_before_the_time_is_over_has_paid() {
    let sandbox = sandbox().await;
    let (name, seconds) = WINDOW;
    let shop = Shop::plan().paid_by(&sandbox).order_variable(name, seconds).open().await;
    let (order, id) = placed(&shop).await;
    let intent = announced(&shop, id).await;
    // No webhook comes; the look at the end of the time finds it.
    sandbox.stripe().pays(&intent, "pm_card_visa").unwrap();
    shop.order_becomes(order, "CONFIRMED").await;
    assert_eq!(sandbox.called().iter().filter(|called| called.call.ends_with("/cancel")).count(), 0);
    becomes(&shop, id, "CAPTURED").await;
    books_are_equal(&shop, &sandbox).await;
}

#[tokio::test]
async fn an_order_that_is_cancelled_while_the_bank_asks_is_not_paid() {
    let sandbox = sandbox().await;
    let shop = Shop::plan().paid_by(&sandbox).open().await;
    let (by_card, of_card) = placed(&shop).await;
    let asked = pay(&shop, by_card, "pm_card_threeDSecure2Required").await.is(200).json();
    let (by_upi, of_upi) = placed_by(&shop, "UPI").await;
    let begun = sandbox.razorpay().begins(&announced(&shop, of_upi).await, "upi").unwrap();
    assert_eq!(confirm(&shop, of_upi, json!({})).await.is(200).json()["status"], "ACTION_REQUIRED");
    cancel(&shop, by_card).await;
    cancel(&shop, by_upi).await;
    becomes(&shop, of_card, "VOIDED").await;
    sandbox.stripe().acts(text(&asked["providerId"]), true).unwrap_err();
    // Nobody can close a payment at Razorpay: it is watched, and what comes goes back.
    sandbox.razorpay().ends(&begun.id, true).unwrap();
    is_due_now(&shop, of_upi).await;
    becomes(&shop, of_upi, "REFUNDED").await;
    books_are_equal(&shop, &sandbox).await;
}

#[tokio::test]
async fn of_two_methods_that_both_succeed_the_closed_one_gives_its_money_back() {
    let sandbox = sandbox().await;
    let shop = Shop::plan().paid_by(&sandbox).open().await;
    let (order, upi) = placed_by(&shop, "UPI").await;
    let there = announced(&shop, upi).await;
    let card = pay(&shop, order, "pm_card_visa").await.is(201).json();
    assert_eq!(card["status"], "CAPTURED");
    shop.order_becomes(order, "CONFIRMED").await;
    assert_eq!(payment(&shop, upi).await["status"], "VOIDED");
    sandbox.happened();
    sandbox.razorpay().pays(&there, "success@razorpay", "upi").unwrap();
    deliver(&shop, &sandbox.happened()).await;
    let back = becomes(&shop, upi, "REFUNDED").await;
    assert!(operations(&back).contains(&format!("REFUND {TOTAL} SUCCEEDED LATE")), "{back}");
    reaches(&shop, order, ("order-refunded", "EMAIL"), "SKIPPED").await;
    assert_eq!(shop.database.number(PAID_MAILS).await, 2, "of the card, by mail and by SMS");
    let shown = shop.orders().get(&format!("/api/orders/{order}")).await.is(200).json();
    assert_eq!((int(&shown["payment"]["id"]), text(&shown["payment"]["status"])), (int(&card["id"]), "PAID"));
    books_are_equal(&shop, &sandbox).await;
}

#[tokio::test]
async fn money_that_came_twice_and_cannot_go_back_is_left_to_people() {
    let sandbox = sandbox().await;
    let shop = Shop::plan().paid_by(&sandbox).open().await;
    let (order, upi) = placed_by(&shop, "UPI").await;
    let there = announced(&shop, upi).await;
    pay(&shop, order, "pm_card_visa").await.is(201);
    shop.order_becomes(order, "CONFIRMED").await;
    let twice = sandbox.razorpay().pays(&there, "success@razorpay", "upi").unwrap();
    // Somebody gives most of it back there. Razorpay gives no less back than one rupee, and half a rupee is left.
    sandbox.razorpay().refunds(&twice.razorpay_payment_id, Some(5948)).unwrap();
    is_looked_at(&shop, upi).await;
    let refused = becomes(&shop, upi, "PART_REFUNDED").await;
    assert!(operations(&refused).contains(&"REFUND 0.50 REFUSED LATE".to_owned()), "{refused}");
    for _ in 0..2 {
        is_looked_at(&shop, upi).await;
    }
    assert_eq!(
        findings(&shop).await,
        ["THERE_ONLY: a refund that was made at the provider", "STATUS: a refund of what nobody is owed was refused"]
    );
    let asked = sandbox.called().into_iter().filter(|called| called.call.ends_with("/refund")).count();
    assert_eq!(asked, 1, "it would only be refused again");

    let invariants = async || shop.orders().get("/api/admin/invariants").await.is(200).text;
    let holds = "{\"holds\":true}";
    assert_eq!(invariants().await, holds, "half a rupee is owed, and people are told");
    let ended = async |status: &str| {
        let set = format!("UPDATE orders.payment_operations SET status = '{status}' WHERE amount = 0.50");
        shop.database.execute(set).await;
    };
    ended("DROPPED").await;
    assert!(invariants().await.contains("total 59.98, taken 119.96, given back 59.48"), "nobody gives it back");
    ended("REFUSED").await;
    shop.database
        .execute("UPDATE orders.payment_findings SET resolved_at = now(), resolved_by = 'ada', note = 'known'")
        .await;
    assert_eq!(invariants().await, holds, "what was given back there is no discount on what was sold");
    let by_hand = json!({"reason": "Bank transfer 4711", "by": "HAND"});
    shop.orders().post(&format!("/api/payments/{upi}/refunds"), by_hand).await.is(200);
    becomes(&shop, upi, "REFUNDED").await;
    assert_eq!(invariants().await, holds);
}

#[tokio::test]
async fn a_method_under_way_is_not_left_for_another() {
    let sandbox = sandbox().await;
    let shop = Shop::plan().paid_by(&sandbox).open().await;
    let (order, upi) = placed_by(&shop, "UPI").await;
    let begun = sandbox.razorpay().begins(&announced(&shop, upi).await, "upi").unwrap();
    // Nobody here knows that the customer has begun; the look before the change shows it.
    pay(&shop, order, "pm_card_visa").await.problem(409, "payment-open");
    sandbox.razorpay().ends(&begun.id, true).unwrap();
    pay(&shop, order, "pm_card_visa").await.problem(409, "already-paid");
    becomes(&shop, upi, "CAPTURED").await;
    shop.order_becomes(order, "CONFIRMED").await;
    books_are_equal(&shop, &sandbox).await;
}
