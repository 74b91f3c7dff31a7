//! What does not fit is decided about once: the same is not put to review again, and something else is.

use e2e::client::Response;
use e2e::money::{
    TOTAL, amounts, announced, becomes, books_are_equal, findings, is_looked_at, operations, order_payment, pay,
    payment, placed, placed_by, sandbox,
};
use e2e::samples::{number, text};
use e2e::shop::Shop;
use payment_sandbox::{Fault, Sandbox};
use reqwest::Method;
use serde_json::json;
use time::OffsetDateTime;

const LOOK: &str = "GET /v1/payment_intents";

const LOOK_AT_REFUNDS: &str = "GET /v1/refunds";

/// An order whose payment is under review: from now on its provider shows another amount.
async fn under_review(shop: &Shop, sandbox: &Sandbox) -> (i64, i64) {
    let (order, id) = placed(shop).await;
    pay(shop, order, "pm_card_visa").await.is(200);
    shop.order_becomes(order, "CONFIRMED").await;
    sandbox.always(LOOK, Fault::WrongAmount);
    is_looked_at(shop, id).await;
    assert_eq!(payment(shop, id).await["status"], "REVIEW");
    (order, id)
}

async fn decide(shop: &Shop, payment: i64, decision: &str) -> Response {
    let body = json!({"decision": decision, "note": "The bank was asked"});
    shop.orders().post(&format!("/api/payments/{payment}/review"), body).await
}

#[tokio::test]
async fn what_was_accepted_is_not_put_to_review_again() {
    let sandbox = sandbox().await;
    let shop = Shop::plan().paid_by(&sandbox).open().await;
    let (order, id) = under_review(&shop, &sandbox).await;
    let accepted = decide(&shop, id, "ACCEPT").await.is(200).json();
    assert_eq!(amounts(&accepted), format!("CAPTURED {TOTAL} {TOTAL} 0.00"));
    is_looked_at(&shop, id).await;
    let day = format!("/api/admin/payments/reconcile?day={}", OffsetDateTime::now_utc().date());
    shop.orders().call(Method::POST, &day).await.is(200);
    assert_eq!(amounts(&payment(&shop, id).await), format!("CAPTURED {TOTAL} {TOTAL} 0.00"));
    assert_eq!(order_payment(&shop, order).await, "PAID");
    assert_eq!(findings(&shop).await.len(), 1, "it is found once");
    // Work on it goes on.
    let reason = json!({"amount": number("9.98"), "reason": "scratched"});
    shop.orders().post(&format!("/api/payments/{id}/refunds"), reason).await.is(200);
    assert_eq!(payment(&shop, id).await["status"], "PART_REFUNDED");

    // Something else does not fit: the amount of the refund.
    sandbox.always(LOOK_AT_REFUNDS, Fault::WrongAmount);
    is_looked_at(&shop, id).await;
    assert_eq!(payment(&shop, id).await["status"], "REVIEW");
    let accepted = decide(&shop, id, "ACCEPT").await.is(200).json();
    assert_eq!(amounts(&accepted), format!("PART_REFUNDED {TOTAL} {TOTAL} 9.98"));
    is_looked_at(&shop, id).await;
    assert_eq!(payment(&shop, id).await["status"], "PART_REFUNDED");
    sandbox.clear_faults();
    books_are_equal(&shop, &sandbox).await;
}

#[tokio::test]
async fn what_was_accepted_of_an_open_payment_goes_on_within_its_amount() {
    let sandbox = sandbox().await;
    let shop = Shop::plan().paid_by(&sandbox).open().await;
    let (order, id) = placed(&shop).await;
    let intent = announced(&shop, id).await;
    sandbox.always(LOOK, Fault::WrongAmount);
    is_looked_at(&shop, id).await;
    assert_eq!(order_payment(&shop, order).await, "REVIEW");
    decide(&shop, id, "ACCEPT").await.is(200);
    assert_eq!(order_payment(&shop, order).await, "DUE");
    sandbox.stripe().pays(&intent, "pm_card_visa").unwrap();
    is_looked_at(&shop, id).await;
    assert_eq!(amounts(&payment(&shop, id).await), format!("CAPTURED {TOTAL} {TOTAL} 0.00"));
    shop.order_becomes(order, "CONFIRMED").await;
    sandbox.clear_faults();
    books_are_equal(&shop, &sandbox).await;
}

#[tokio::test]
async fn what_is_given_back_after_a_review_goes_back_once_although_it_still_does_not_fit() {
    let sandbox = sandbox().await;
    let shop = Shop::plan().paid_by(&sandbox).open().await;
    let (order, id) = under_review(&shop, &sandbox).await;
    decide(&shop, id, "REFUND").await.is(200);
    let back = becomes(&shop, id, "REFUNDED").await;
    assert!(operations(&back).contains(&format!("REFUND {TOTAL} SUCCEEDED ORDER_CANCELLED")), "{back}");
    shop.order_becomes(order, "CANCELLED").await;
    for _ in 0..2 {
        is_looked_at(&shop, id).await;
    }
    assert_eq!(payment(&shop, id).await["status"], "REFUNDED");
    assert_eq!(sandbox.stripe().all_refunds().len(), 1);
    sandbox.clear_faults();
    books_are_equal(&shop, &sandbox).await;
}

#[tokio::test]
async fn what_is_accepted_on_a_payment_that_another_has_taken_the_place_of_goes_back() {
    let sandbox = sandbox().await;
    let shop = Shop::plan().paid_by(&sandbox).open().await;
    let (order, id) = placed_by(&shop, "UPI").await;
    let there = announced(&shop, id).await;
    let at_the_door = json!({"method": "CASH_ON_DELIVERY"});
    shop.orders().post(&format!("/api/orders/{order}/payments"), at_the_door).await.is(201);
    sandbox.razorpay().pays(&there, "success@razorpay", "upi").unwrap();
    sandbox.always("GET /v1/orders", Fault::WrongAmount);
    is_looked_at(&shop, id).await;
    assert_eq!(payment(&shop, id).await["status"], "REVIEW");
    decide(&shop, id, "ACCEPT").await.is(200);
    let back = becomes(&shop, id, "REFUNDED").await;
    assert!(operations(&back).contains(&format!("REFUND {TOTAL} SUCCEEDED LATE")), "{back}");
    assert_eq!(order_payment(&shop, order).await, "ON_DELIVERY");
    sandbox.clear_faults();
    books_are_equal(&shop, &sandbox).await;
}

#[tokio::test]
async fn a_refund_of_more_than_was_taken_is_taken_over_as_far_as_that_once_it_was_accepted() {
    let sandbox = sandbox().await;
    let shop = Shop::plan().paid_by(&sandbox).open().await;
    let (order, id) = placed(&shop).await;
    let intent = text(&pay(&shop, order, "pm_card_visa").await.is(200).json()["providerId"]).to_owned();
    shop.order_becomes(order, "CONFIRMED").await;
    sandbox.stripe().refunds(&intent, None).unwrap();
    sandbox.always(LOOK_AT_REFUNDS, Fault::WrongAmount);
    is_looked_at(&shop, id).await;
    assert_eq!(amounts(&payment(&shop, id).await), format!("REVIEW {TOTAL} {TOTAL} 0.00"));
    decide(&shop, id, "ACCEPT").await.is(200);
    for _ in 0..2 {
        is_looked_at(&shop, id).await;
    }
    let after = payment(&shop, id).await;
    assert_eq!(amounts(&after), format!("REFUNDED {TOTAL} {TOTAL} {TOTAL}"));
    assert!(operations(&after).contains(&format!("REFUND {TOTAL} SUCCEEDED EXTERNAL")), "{after}");
    sandbox.clear_faults();
    books_are_equal(&shop, &sandbox).await;
}
