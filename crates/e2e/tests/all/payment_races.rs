//! Payments at which many work at once, at two instances: money moves once, whoever wins.

use e2e::client::Response;
use e2e::money::{
    CENTS, announced, becomes, books_are_equal, deliver, is_due_now, is_looked_at, operations, pay, payment, placed,
    reference, sandbox,
};
use e2e::poll;
use e2e::samples::number;
use e2e::shop::Shop;
use payment_sandbox::Fault;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::future::IntoFuture;
use std::sync::Arc;
use tokio::sync::Barrier;
use tokio::task::JoinSet;

fn statuses(answers: &[Response]) -> BTreeMap<u16, usize> {
    let mut counted = BTreeMap::new();
    answers.iter().for_each(|answer| *counted.entry(answer.status).or_default() += 1);
    counted
}

/// Has an order paid at one instance and cancelled at the other, at the same moment.
async fn paid_and_cancelled(shop: &Shop, order: i64, round: usize) {
    let barrier = Arc::new(Barrier::new(2));
    let [one, other] = [round % 2, (round + 1) % 2].map(|index| shop.order_services[index].client().clone());
    let pays = one.post(&format!("/api/orders/{order}/payments"), json!({"method": "CARD", "token": "pm_card_visa"}));
    let cancels = other.post(&format!("/api/orders/{order}/cancel"), json!({}));
    let at_the_barrier = [pays, cancels].map(|call| {
        let barrier = Arc::clone(&barrier);
        tokio::spawn(async move {
            barrier.wait().await;
            call.await
        })
    });
    let [paid, cancelled] = at_the_barrier;
    cancelled.await.unwrap().is(200);
    let paid = paid.await.unwrap();
    assert!([200, 409].contains(&paid.status), "{}", paid.text);
}

#[tokio::test]
async fn an_order_that_is_paid_and_cancelled_at_once_costs_nothing() {
    let sandbox = sandbox().await;
    let shop = Shop::plan().paid_by(&sandbox).pairs(2).open().await;
    let mut of_orders = Vec::new();
    for turn in 0..25 {
        let round = async |round| {
            let (order, id) = placed(&shop).await;
            if round % 3 > 0 {
                announced(&shop, id).await;
            }
            paid_and_cancelled(&shop, order, round).await;
            (order, id)
        };
        let first = 4 * turn;
        let four = tokio::join!(round(first), round(first + 1), round(first + 2), round(first + 3));
        of_orders.extend([four.0, four.1, four.2, four.3]);
    }
    books_are_equal(&shop, &sandbox).await;
    let mut ends: BTreeMap<String, usize> = BTreeMap::new();
    for (order, id) in of_orders {
        let totals = sandbox.totals(&reference(&shop, id).await);
        assert_eq!(totals.captured, totals.refunded, "order {order}");
        let shown = payment(&shop, id).await;
        let status = shown["status"].as_str().unwrap_or_default().to_owned();
        assert!(["VOIDED", "REFUNDED"].contains(&status.as_str()), "{shown}");
        assert_eq!(shop.timeline(order).await.last().unwrap(), "CANCELLED");
        *ends.entry(status).or_default() += 1;
    }
    assert_eq!(ends.values().sum::<usize>(), 100, "{ends:?}");
}

#[tokio::test]
async fn fifty_refunds_at_once_give_back_no_more_than_came() {
    let sandbox = sandbox().await;
    let shop = Shop::plan().paid_by(&sandbox).pairs(2).open().await;
    let (order, id) = placed(&shop).await;
    pay(&shop, order, "pm_card_visa").await.is(200);
    shop.order_becomes(order, "CONFIRMED").await;
    let body = json!({"amount": number("2.00"), "reason": "scratched"});
    let (mut answers, mut left) = (Vec::new(), (0..50).collect::<Vec<usize>>());
    // So many at once for one order: some may have to come again, and do so under their key.
    while !left.is_empty() {
        let calls = left.iter().map(|call| {
            let client = shop.order_services[call % 2].client();
            let refund = client.post(&format!("/api/payments/{id}/refunds"), body.clone());
            let (call, refund) = (*call, refund.key(&format!("refund-{call}")).into_future());
            async move { (call, refund.await) }
        });
        let (away, answered): (Vec<_>, Vec<_>) =
            calls.collect::<JoinSet<_>>().join_all().await.into_iter().partition(|(_, answer)| answer.status == 503);
        answers.extend(answered.into_iter().map(|(_, answer)| answer));
        left = away.into_iter().map(|(call, _)| call).collect();
    }
    let counted = statuses(&answers);
    let taken = counted.get(&200).copied().unwrap_or_default() + counted.get(&202).copied().unwrap_or_default();
    assert_eq!((taken, counted.get(&409)), (29, Some(&21)), "{counted:?}");
    books_are_equal(&shop, &sandbox).await;
    assert_eq!(sandbox.totals(&reference(&shop, id).await).refunded, 5800);
    assert_eq!(sandbox.stripe().all_refunds().len(), 29);
    let refunds = operations(&payment(&shop, id).await);
    assert_eq!(refunds.iter().filter(|it| *it == "REFUND 2.00 SUCCEEDED MANUAL").count(), 29, "{refunds:?}");
}

#[tokio::test]
async fn webhooks_returns_and_due_looks_at_once_take_the_money_once() {
    let sandbox = sandbox().await;
    let shop = Shop::plan().paid_by(&sandbox).pairs(2).open().await;
    let mut tap = shop.broker().tap().await;
    for _ in 0..5 {
        let (order, id) = placed(&shop).await;
        let intent = announced(&shop, id).await;
        sandbox.happened();
        sandbox.stripe().pays(&intent, "pm_card_visa").unwrap();
        let happened = sandbox.happened();
        let returns = shop.order_services.iter().map(|service| service.client()).cycle().take(6);
        let returns =
            returns.map(|client| client.post(&format!("/api/payments/{id}/confirm"), json!({})).into_future());
        let returns = returns.collect::<JoinSet<_>>();
        let (answers, ..) = tokio::join!(returns.join_all(), deliver(&shop, &happened), is_due_now(&shop, id));
        assert_eq!(statuses(&answers), BTreeMap::from([(200, 6)]));
        let paid = becomes(&shop, id, "CAPTURED").await;
        let captures = operations(&paid).into_iter().filter(|it| it.starts_with("CAPTURE ")).count();
        assert_eq!(captures, 1, "{paid}");
        shop.order_becomes(order, "CONFIRMED").await;
        assert_eq!(shop.timeline(order).await, ["PENDING", "PAID", "CONFIRMED"]);
        assert_eq!(sandbox.totals(&reference(&shop, id).await).captured, CENTS);
    }
    tap.heard("payment.captured", 5).await;
    books_are_equal(&shop, &sandbox).await;
    let told = "SELECT count(*) FROM orders.outbox WHERE event_type = 'payment.captured'";
    assert_eq!(shop.database.number(told).await, 0, "and nothing more is to be told");
}

#[tokio::test]
async fn two_who_open_another_payment_at_once_open_one() {
    let sandbox = sandbox().await;
    let shop = Shop::plan().paid_by(&sandbox).pairs(2).open().await;
    let (order, _) = placed(&shop).await;
    let clients = shop.order_services.iter().map(|service| service.client()).cycle();
    let path = format!("/api/orders/{order}/payments");
    let calls = clients.take(10).map(|client| client.post(&path, json!({"method": "UPI"})).into_future());
    let answers = calls.collect::<JoinSet<_>>().join_all().await;
    assert_eq!(statuses(&answers), BTreeMap::from([(200, 9), (201, 1)]));
    let all: Vec<Value> = shop.orders().get(&path).await.is(200).array();
    let seen: Vec<&str> = all.iter().filter_map(|it| it["status"].as_str()).collect();
    assert_eq!(seen, ["VOIDED", "CREATED"]);
}

#[tokio::test]
async fn who_decides_about_money_waits_for_whoever_does_so_at_the_moment() {
    let sandbox = sandbox().await;
    let shop = Shop::plan().paid_by(&sandbox).open().await;
    let (order, id) = placed(&shop).await;
    pay(&shop, order, "pm_card_visa").await.is(200);
    shop.order_becomes(order, "CONFIRMED").await;
    // Somebody reserves all of it, and has not committed.
    let reserve = format!("UPDATE orders.payments SET refund_reserved = captured WHERE id = {id}");
    let mut lock = shop.database.lock(reserve).await;
    let refund = json!({"amount": number("2.00"), "reason": "scratched"});
    let call = shop.orders().post(&format!("/api/payments/{id}/refunds"), refund);
    let other = tokio::spawn(call.attempt());
    shop.database.somebody_waits().await;
    let operation = format!(
        "INSERT INTO orders.payment_operations (id, payment_id, provider, kind, amount, status, cause, cause_id, made_by)
         SELECT gen_random_uuid(), id, provider, 'REFUND', captured, 'PREPARED', 'MANUAL', gen_random_uuid(), 'a test'
         FROM orders.payments WHERE id = {id}"
    );
    sqlx::query(sqlx::AssertSqlSafe(operation)).execute(&mut *lock).await.unwrap();
    lock.commit().await.unwrap();
    other.await.unwrap().unwrap().problem(409, "refund-exceeds-payment");
    is_looked_at(&shop, id).await;
    becomes(&shop, id, "REFUNDED").await;
    books_are_equal(&shop, &sandbox).await;
}

#[tokio::test]
async fn the_database_refuses_a_second_open_payment_and_a_refund_beyond_what_came() {
    let sandbox = sandbox().await;
    let shop = Shop::plan().paid_by(&sandbox).open().await;
    let (order, id) = placed(&shop).await;
    let second = format!(
        "INSERT INTO orders.payments (reference, order_id, method, provider, amount, currency, capture, status)
         SELECT gen_random_uuid(), order_id, 'UPI', 'RAZORPAY', amount, currency, capture, 'CREATED'
         FROM orders.payments WHERE id = {id}"
    );
    let beyond = format!("UPDATE orders.payments SET refund_reserved = captured + 1 WHERE order_id = {order}");
    let given = format!("UPDATE orders.payments SET refunded = refund_reserved + 1 WHERE order_id = {order}");
    for (statement, constraint) in [
        (second, "payments_one_open"),
        (beyond, "payments_refund_within_captured"),
        (given, "payments_refunded_was_reserved"),
    ] {
        let refused = sqlx::query(sqlx::AssertSqlSafe(statement)).execute(shop.database.pool()).await.unwrap_err();
        assert_eq!(refused.as_database_error().and_then(|error| error.constraint()), Some(constraint));
    }
}

#[tokio::test]
async fn a_look_that_was_held_up_takes_nothing_back() {
    let sandbox = sandbox().await;
    let shop = Shop::plan().paid_by(&sandbox).order_variable("PROVIDER_TIMEOUT_SECONDS", "30").open().await;
    let (order, id) = placed(&shop).await;
    let intent = announced(&shop, id).await;
    sandbox.happened();
    // Somebody looks at what is not paid, and the answer takes its time.
    sandbox.plan(&format!("GET /v1/payment_intents/{intent}"), Fault::HeldAfter);
    let looking = tokio::spawn(shop.orders().post(&format!("/api/payments/{id}/confirm"), json!({})).attempt());
    poll::eventually("the look to be held", async || poll::equal(sandbox.held(), 1)).await;
    sandbox.stripe().pays(&intent, "pm_card_visa").unwrap();
    deliver(&shop, &sandbox.happened()).await;
    becomes(&shop, id, "CAPTURED").await;
    shop.order_becomes(order, "CONFIRMED").await;
    let before = payment(&shop, id).await;
    sandbox.release();
    let after = looking.await.unwrap().unwrap().is(200).json();
    assert_eq!(after, before, "an older look came after a newer one");
    assert_eq!(shop.timeline(order).await, ["PENDING", "PAID", "CONFIRMED"]);
    books_are_equal(&shop, &sandbox).await;
}
