//! Everything that can go wrong between a shop and its provider, with every kind of call: what was decided is done once, and
//! the provider's books are ours.

use e2e::money::{books_are_equal, findings, is_due_now, pay, sandbox};
use e2e::money_moves::{ALL, Kind, Move};
use e2e::poll;
use e2e::shop::Shop;
use payment_sandbox::{Fault, Sandbox};
use serde_json::json;
use std::time::Duration;

/// Has each kind of call meet the fault once. Whatever the provider did or did not do, the same is asked again under the same key
/// until it is known, and done once.
async fn once_each(fault: Fault) {
    let sandbox = sandbox().await;
    let shop = Shop::plan().paid_by(&sandbox).open().await;
    for (kind, by) in ALL {
        let it = Move::new(&shop, &sandbox, kind, by).await;
        sandbox.plan(&it.call(), fault);
        it.begins(&shop).await;
        it.ends(&shop, &sandbox).await;
        assert_eq!(it.requests(&sandbox).len(), 1, "{kind:?} by {by}: one request under one key");
    }
    assert_eq!(findings(&shop).await, Vec::<String>::new());
    books_are_equal(&shop, &sandbox).await;
}

#[tokio::test]
async fn silence_before_anything_was_done() {
    once_each(Fault::SilenceBefore).await;
}

#[tokio::test]
async fn silence_when_it_was_done() {
    once_each(Fault::SilenceAfter).await;
}

#[tokio::test]
async fn an_error_although_it_was_done() {
    once_each(Fault::ErrorAfter).await;
}

#[tokio::test]
async fn too_many_calls() {
    once_each(Fault::TooMany).await;
}

#[tokio::test]
async fn an_answer_that_takes_its_time() {
    once_each(Fault::Slow(Duration::from_millis(300))).await;
}

#[tokio::test]
async fn an_effect_that_comes_after_nobody_waits_any_more() {
    once_each(Fault::Slow(Duration::from_millis(1600))).await;
}

#[tokio::test]
async fn an_answer_that_is_cut() {
    once_each(Fault::Cut).await;
}

#[tokio::test]
async fn a_connection_that_is_refused() {
    let sandbox = sandbox().await;
    let shop = Shop::plan().paid_by(&sandbox).open().await;
    for (kind, by) in ALL {
        let it = Move::new(&shop, &sandbox, kind, by).await;
        sandbox.close().await;
        let answer = it.begins(&shop).await;
        if kind == Kind::Create {
            answer.unavailable();
        }
        sandbox.open().await.unwrap();
        it.ends(&shop, &sandbox).await;
        assert_eq!(it.requests(&sandbox).len(), 1, "{kind:?} by {by}: one request under one key");
    }
    books_are_equal(&shop, &sandbox).await;
}

/// Whether the provider answers an error again to the same key.
fn keeps_errors(it: &Move) -> bool {
    it.by == "CARD"
}

#[tokio::test]
async fn an_error_and_nothing_was_done() {
    let sandbox = sandbox().await;
    let shop = Shop::plan().paid_by(&sandbox).open().await;
    for (kind, by) in ALL {
        let it = Move::new(&shop, &sandbox, kind, by).await;
        sandbox.plan(&it.call(), Fault::Error);
        it.begins(&shop).await;
        if keeps_errors(&it) && kind == Kind::Confirm {
            let failed = it.comes_to(&shop, "FAILED").await;
            assert_eq!(failed["errorCode"], "provider_error");
            pay(&shop, it.order, "pm_card_visa").await.is(200);
        }
        if keeps_errors(&it) && kind == Kind::Refund {
            given_up_after_an_hour(&shop, &sandbox, &it).await;
        }
        it.ends(&shop, &sandbox).await;
        let requests = if keeps_errors(&it) { 2 } else { 1 };
        assert_eq!(
            it.requests(&sandbox).len(),
            requests,
            "{kind:?} by {by}: a new key only where the old one is used up"
        );
    }
    books_are_equal(&shop, &sandbox).await;
}

/// A refund that the provider does not show is not asked for under another key until an hour has passed.
async fn given_up_after_an_hour(shop: &Shop, sandbox: &Sandbox, it: &Move) {
    let asked = |times: usize| {
        let calls = sandbox.called().into_iter().filter(|called| called.call == it.call()).count();
        if calls >= times { Ok(calls) } else { Err(calls.to_string()) }
    };
    let before = asked(0).unwrap();
    poll::eventually("the same to be asked again", async || asked(before + 1)).await;
    assert_eq!(it.requests(sandbox).len(), 1);
    let refund = shop.orders().post(&format!("/api/payments/{}/refunds", it.payment), json!({"reason": "again"})).await;
    refund.problem(409, "refund-exceeds-payment");
    let aged = "UPDATE orders.payment_operations SET first_sent_at = first_sent_at - INTERVAL '61 minutes'";
    shop.database.execute(format!("{aged} WHERE status IN ('SENT', 'UNKNOWN')")).await;
    sandbox.ages(Duration::from_secs(61 * 60));
    is_due_now(shop, it.payment).await;
    it.comes_to(shop, "CAPTURED").await;
    poll::eventually("the refund to be given up", async || {
        let refused = "SELECT error_code FROM orders.payment_operations WHERE kind = 'REFUND' AND status = 'REFUSED'";
        poll::equal(shop.database.texts(refused).await, vec!["provider_error".to_owned()])
    })
    .await;
    it.begins(shop).await.is(200);
}

#[tokio::test]
async fn everything_that_can_go_wrong_while_promised_money_is_taken_or_given_back() {
    let sandbox = sandbox().await;
    let shop = Shop::plan().paid_by(&sandbox).order_variable("PAYMENT_CAPTURE", "shipment").open().await;
    let faults = [
        Fault::SilenceBefore,
        Fault::SilenceAfter,
        Fault::Error,
        Fault::ErrorAfter,
        Fault::TooMany,
        Fault::Slow(Duration::from_millis(1600)),
        Fault::Cut,
    ];
    for kind in [Kind::Capture, Kind::Release] {
        for fault in faults {
            let it = Move::new(&shop, &sandbox, kind, "CARD").await;
            sandbox.plan(&it.call(), fault);
            it.begins(&shop).await;
            if fault == Fault::Error && kind == Kind::Capture {
                let refused =
                    "SELECT count(*) FROM orders.payment_operations WHERE kind = 'CAPTURE' AND status = 'REFUSED'";
                poll::eventually("it to be refused", async || poll::equal(shop.database.number(refused).await, 1))
                    .await;
                // The goods go out, and what is promised is asked for again.
                let shipped = json!({"status": "SHIPPED"});
                shop.orders().put(&format!("/api/orders/{}/status", it.order), shipped).await.is(200);
            }
            it.ends(&shop, &sandbox).await;
            let requests = if fault == Fault::Error { 2 } else { 1 };
            assert_eq!(it.requests(&sandbox).len(), requests, "{kind:?}, {fault:?}");
        }
    }
    books_are_equal(&shop, &sandbox).await;
}

#[tokio::test]
async fn an_answer_with_another_amount() {
    let sandbox = sandbox().await;
    let shop = Shop::plan().paid_by(&sandbox).open().await;
    for (kind, by) in ALL {
        let it = Move::new(&shop, &sandbox, kind, by).await;
        sandbox.plan(&it.call(), Fault::WrongAmount);
        it.begins(&shop).await;
        // A refund is looked at, which shows the right amount; anything else needs somebody who looks.
        if kind != Kind::Refund {
            it.comes_to(&shop, "REVIEW").await;
            assert_eq!(findings(&shop).await.len(), 1, "{kind:?} by {by}");
            shop.database.execute("DELETE FROM orders.payment_findings").await;
            let body = json!({"decision": "ACCEPT", "note": "The amount is right"});
            shop.orders().post(&format!("/api/payments/{}/review", it.payment), body).await.is(200);
        }
        it.ends(&shop, &sandbox).await;
        assert_eq!(it.requests(&sandbox).len(), 1, "{kind:?} by {by}: one request under one key");
    }
    assert_eq!(findings(&shop).await, Vec::<String>::new());
    books_are_equal(&shop, &sandbox).await;
}
