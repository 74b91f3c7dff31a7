//! Payments on delivery: asked for with an order, collected at the door, given back by hand and when an order is cancelled.
//! Orders that ask for none are as they always were.

use e2e::client::Response;
use e2e::money::{TOTAL, amounts, operations, order_by, order_payment, payment};
use e2e::samples::{LAPTOP, MOUSE, int, number, order, text};
use e2e::shop::Shop;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use tokio::task::JoinSet;

fn to_be_paid_at_the_door() -> Value {
    order_by("CASH_ON_DELIVERY")
}

/// Places an order that is to be paid at the door, and waits until it is confirmed; gives its number and its payment's.
async fn confirmed(shop: &Shop) -> (i64, i64) {
    let placed = shop.orders().post("/api/orders", to_be_paid_at_the_door()).await.is(201).json();
    let id = int(&placed["id"]);
    shop.order_becomes(id, "CONFIRMED").await;
    (id, int(&placed["payment"]["id"]))
}

async fn collect(shop: &Shop, id: i64, body: Value) -> Response {
    shop.orders().post(&format!("/api/payments/{id}/collect"), body).await
}

async fn refund(shop: &Shop, id: i64, body: Value) -> Response {
    shop.orders().post(&format!("/api/payments/{id}/refunds"), body).await
}

/// Makes the call so often at once, at every instance; gives how often each status was answered.
async fn at_once(shop: &Shop, times: usize, path: &str, body: Value) -> BTreeMap<u16, usize> {
    let clients = shop.order_services.iter().map(|service| service.client()).cycle();
    let calls = clients.take(times).map(|client| client.post(path, body.clone()).into_future());
    let mut statuses = BTreeMap::new();
    for answer in calls.collect::<JoinSet<_>>().join_all().await {
        *statuses.entry(answer.status).or_default() += 1;
    }
    statuses
}

#[tokio::test]
async fn an_order_is_paid_at_the_door() {
    let shop = Shop::open().await;
    let mut tap = shop.broker().tap().await;
    let placed = shop.orders().post("/api/orders", to_be_paid_at_the_door()).await.is(201);
    let (id, of_order) = (int(&placed.json()["id"]), placed.json()["payment"].clone());
    let expected =
        json!({"id": 1, "status": "ON_DELIVERY", "method": "CASH_ON_DELIVERY", "amount": number(TOTAL), "payBy": null});
    assert_eq!((&of_order, &placed.json()["status"]), (&expected, &json!("PENDING")));
    let confirmed = shop.order_becomes(id, "CONFIRMED").await;
    assert_eq!(confirmed["payment"], expected, "it waits for no money");
    assert_eq!(shop.timeline(id).await, ["PENDING", "CONFIRMED"]);

    let opened = payment(&shop, 1).await;
    assert_eq!((amounts(&opened), operations(&opened).len()), ("CREATED 0.00 0.00 0.00".to_owned(), 0));
    assert_eq!(
        (&opened["orderId"], &opened["currency"], &opened["amount"]),
        (&json!(id), &json!("INR"), &number(TOTAL))
    );

    shop.orders().put(&format!("/api/orders/{id}/status"), json!({"status": "DELIVERED"})).await.is(200);
    let collected = collect(&shop, 1, json!({"amount": number(TOTAL), "reason": "Receipt 4711"})).await.is(200).json();
    assert_eq!((text(&collected["kind"]), text(&collected["reason"])), ("CAPTURE", "Receipt 4711"));
    let paid = payment(&shop, 1).await;
    assert_eq!(amounts(&paid), format!("CAPTURED {TOTAL} {TOTAL} 0.00"));
    assert_eq!(operations(&paid), [format!("CAPTURE {TOTAL} SUCCEEDED CHECKOUT")]);
    assert_eq!(order_payment(&shop, id).await, "PAID");
    tap.heard("payment.captured", 1).await;
    let event = tap.all().iter().find(|message| message.routing_key == "payment.captured").unwrap().event();
    assert_eq!(event["subject"], confirmed["reference"]);
    let data = &event["data"];
    assert_eq!((&data["orderId"], &data["amount"], &data["cause"]), (&json!(id), &number(TOTAL), &json!("CHECKOUT")));
    shop.assert_invariants().await;
}

#[tokio::test]
async fn an_order_that_asks_for_no_payment_has_none() {
    let shop = Shop::plan().without_broker().open().await;
    let placed = shop.place(&[(MOUSE, 1)]).await;
    let id = int(&placed["id"]);
    assert_eq!(placed["payment"], Value::Null);
    let rows = "SELECT count(*) FROM orders.payments";
    assert_eq!(shop.database.number(rows).await, 0);
    assert!(shop.orders().get(&format!("/api/orders/{id}/payments")).await.is(200).array().is_empty());
    let columns = "SELECT count(*) FROM orders.orders WHERE payment_status IS NULL AND stock_committed IS NULL";
    shop.orders().put(&format!("/api/orders/{id}/status"), json!({"status": "SHIPPED"})).await.is(200);
    assert_eq!(shop.database.number(columns).await, 1);
    shop.orders().get("/api/payments/1").await.problem(404, "not-found");
}

#[tokio::test]
async fn what_cannot_be_asked_for_is_named() {
    let shop = Shop::plan().without_broker().open().await;
    for (asked, field) in [
        (json!({}), "payment.method"),
        (json!({"method": "BARTER"}), "payment.method"),
        (json!({"method": "CARD"}), "payment.method"),
        (json!({"method": "CASH_ON_DELIVERY", "provider": "STRIPE"}), "payment.provider"),
        (json!({"method": "CASH_ON_DELIVERY", "card": "4242424242424242"}), "payment.card"),
    ] {
        let mut body = order(&[(MOUSE, 1)]);
        body["payment"] = asked;
        let refused = shop.orders().post("/api/orders", body.clone()).await;
        assert_eq!(refused.fields_at_fault(), [field], "{body}");
    }
    let later = shop.orders().post("/api/orders", to_be_paid_at_the_door()).header("prefer", "respond-async").await;
    assert_eq!(later.fields_at_fault(), ["payment"]);
    assert_eq!(shop.database.number("SELECT count(*) FROM orders.orders").await, 0);

    let shop = Shop::plan().without_broker().order_variable("SHOP_CURRENCY", "").open().await;
    let refused = shop.orders().post("/api/orders", to_be_paid_at_the_door()).await;
    assert_eq!(refused.fields_at_fault(), ["payment"], "a shop without a currency");
}

#[tokio::test]
async fn the_same_key_asks_for_one_payment() {
    let shop = Shop::open().await;
    let place = async || shop.orders().post("/api/orders", to_be_paid_at_the_door()).key("once").await.is(201);
    let (first, again) = (place().await, place().await);
    assert_eq!(first.text, again.text);
    let id = int(&first.json()["id"]);
    shop.order_becomes(id, "CONFIRMED").await;
    let open = async |key: &str| {
        let body = json!({"method": "CASH_ON_DELIVERY"});
        shop.orders().post(&format!("/api/orders/{id}/payments"), body).key(key).await.is(200).json()
    };
    assert_eq!((open("a").await, open("b").await["id"].clone()), (open("a").await, json!(1)));
    let collect = async || shop.orders().post("/api/payments/1/collect", json!({})).key("collect").await.is(200).text;
    assert_eq!(collect().await, collect().await);
    shop.orders().post("/api/payments/1/collect", json!({})).await.problem(409, "already-paid");
    shop.orders()
        .post(&format!("/api/orders/{id}/payments"), json!({"method": "CASH_ON_DELIVERY"}))
        .await
        .problem(409, "already-paid");
    assert_eq!(shop.database.number("SELECT count(*) FROM orders.payments").await, 1);
    assert_eq!(shop.database.number("SELECT count(*) FROM orders.payment_operations").await, 1);
    shop.assert_invariants().await;
}

#[tokio::test]
async fn a_payment_at_the_door_is_not_called_off_without_its_order() {
    let shop = Shop::plan().without_broker().open().await;
    let placed = shop.orders().post("/api/orders", to_be_paid_at_the_door()).await.is(201).json();
    let id = int(&placed["payment"]["id"]);
    // Nothing would end the order: no time is set for its money.
    shop.orders().post(&format!("/api/payments/{id}/void"), json!({})).await.problem(409, "invalid-transition");
    assert_eq!(amounts(&payment(&shop, id).await), "CREATED 0.00 0.00 0.00");
    shop.orders().post(&format!("/api/orders/{}/cancel", placed["id"]), json!({})).await.is(200);
    assert_eq!(payment(&shop, id).await["status"], "VOIDED");
}

#[tokio::test]
async fn a_payment_can_be_asked_for_later() {
    let shop = Shop::open().await;
    let id = int(&shop.place(&[(MOUSE, 2)]).await["id"]);
    shop.order_becomes(id, "CONFIRMED").await;
    let path = format!("/api/orders/{id}/payments");
    let opened = shop.orders().post(&path, json!({"method": "CASH_ON_DELIVERY"})).await.is(201);
    assert_eq!(opened.header("location"), "/api/payments/1");
    assert_eq!(order_payment(&shop, id).await, "ON_DELIVERY");
    assert_eq!(shop.orders().get(&path).await.is(200).array(), [opened.json()]);
    shop.orders().put(&format!("/api/orders/{id}/status"), json!({"status": "SHIPPED"})).await.is(200);
    let other = int(&shop.place(&[(MOUSE, 1)]).await["id"]);
    shop.order_becomes(other, "CONFIRMED").await;
    shop.orders().put(&format!("/api/orders/{other}/status"), json!({"status": "SHIPPED"})).await.is(200);
    let late = shop.orders().post(&format!("/api/orders/{other}/payments"), json!({"method": "CASH_ON_DELIVERY"}));
    late.await.problem(409, "invalid-transition");
    let unknown = shop.orders().post("/api/orders/999/payments", json!({"method": "CASH_ON_DELIVERY"}));
    unknown.await.problem(404, "not-found");
}

#[tokio::test]
async fn nothing_is_collected_before_the_order_is_confirmed_and_no_other_amount() {
    let shop = Shop::plan().without_broker().open().await;
    let placed = shop.orders().post("/api/orders", to_be_paid_at_the_door()).await.is(201).json();
    let id = int(&placed["id"]);
    collect(&shop, 1, json!({})).await.problem(409, "invalid-transition");
    shop.orders().put(&format!("/api/orders/{id}/status"), json!({"status": "CONFIRMED"})).await.is(200);
    for other in ["59.97", "59.99", "0.00", "-59.98"] {
        let refused = collect(&shop, 1, json!({"amount": number(other)})).await;
        assert_eq!(refused.fields_at_fault(), ["amount"], "{other}");
    }
    assert_eq!(amounts(&payment(&shop, 1).await), "CREATED 0.00 0.00 0.00");
    collect(&shop, 1, json!({})).await.is(200);
    collect(&shop, 999, json!({})).await.problem(404, "not-found");
}

#[tokio::test]
async fn money_moves_on_the_version_that_the_client_knows_and_on_no_other() {
    let shop = Shop::open().await;
    let (_, id) = confirmed(&shop).await;
    let path = format!("/api/payments/{id}");
    for (call, body) in [("collect", json!({})), ("refunds", json!({"amount": number("1.00"), "reason": "scratched"}))]
    {
        let known = shop.orders().get(&path).await.is(200);
        let moved = async || {
            shop.orders().post(&format!("{path}/{call}"), body.clone()).header("if-match", known.header("etag")).await
        };
        moved().await.is(200);
        moved().await.problem(412, "precondition-failed");
    }
    assert_eq!(amounts(&payment(&shop, id).await), format!("PART_REFUNDED {TOTAL} {TOTAL} 1.00"));
}

#[tokio::test]
async fn never_more_goes_back_than_was_taken() {
    let shop = Shop::plan().pairs(2).open().await;
    let (id, number_of_payment) = confirmed(&shop).await;
    let reason = |amount: &str| json!({"amount": number(amount), "reason": "scratched"});
    refund(&shop, number_of_payment, reason("1.00")).await.problem(409, "refund-exceeds-payment");
    collect(&shop, number_of_payment, json!({})).await.is(200);
    assert_eq!(refund(&shop, number_of_payment, json!({"amount": number("5.00")})).await.fields_at_fault(), ["reason"]);
    refund(&shop, number_of_payment, reason("5.00")).await.is(200);
    assert_eq!(order_payment(&shop, id).await, "PART_REFUNDED");
    refund(&shop, number_of_payment, reason("54.99")).await.problem(409, "refund-exceeds-payment");
    shop.assert_invariants().await;
    // Fifty at once, of a rest of 54.98: ten of 5.00 fit.
    let path = format!("/api/payments/{number_of_payment}/refunds");
    assert_eq!(at_once(&shop, 50, &path, reason("5.00")).await, BTreeMap::from([(200, 10), (409, 40)]));
    let rest = refund(&shop, number_of_payment, json!({"reason": "the rest"})).await.is(200).json();
    assert_eq!(rest["amount"], number("4.98"));
    assert_eq!(amounts(&payment(&shop, number_of_payment).await), format!("REFUNDED {TOTAL} {TOTAL} {TOTAL}"));
    assert_eq!(order_payment(&shop, id).await, "REFUNDED");
    shop.assert_invariants().await;
}

#[tokio::test]
async fn a_cancelled_order_owes_nothing_and_what_was_taken_waits_to_be_paid_out() {
    let shop = Shop::open().await;
    let mut tap = shop.broker().tap().await;
    let (untaken, first) = confirmed(&shop).await;
    shop.orders().post(&format!("/api/orders/{untaken}/cancel"), json!({})).await.is(200);
    assert_eq!(amounts(&payment(&shop, first).await), "VOIDED 0.00 0.00 0.00");
    assert_eq!(order_payment(&shop, untaken).await, "VOIDED");
    collect(&shop, first, json!({})).await.problem(409, "invalid-transition");
    tap.heard("payment.voided", 1).await;

    let (taken, second) = confirmed(&shop).await;
    collect(&shop, second, json!({})).await.is(200);
    let cancel = async || shop.orders().post(&format!("/api/orders/{taken}/cancel"), json!({})).await.is(200);
    cancel().await;
    cancel().await;
    let waits = payment(&shop, second).await;
    let expected = [format!("CAPTURE {TOTAL} SUCCEEDED CHECKOUT"), format!("REFUND {TOTAL} ACCEPTED ORDER_CANCELLED")];
    assert_eq!(operations(&waits), expected);
    let waiting = shop.orders().get("/api/orders?status=CANCELLED&paymentStatus=PAID").await.is(200).array();
    assert_eq!(waiting.iter().map(|order| int(&order["id"])).collect::<Vec<_>>(), [taken]);
    let explained = async || shop.orders().get(&format!("/api/orders/{taken}/explain")).await.is(200).json();
    let (told, refunds) = (explained().await, format!("POST /api/payments/{second}/refunds"));
    assert_eq!((text(&told["waitingFor"]), &told["actions"]), ("an operator to pay its money out", &json!([refunds])));
    let part = refund(&shop, second, json!({"amount": number("1.00"), "reason": "paid out"})).await;
    assert_eq!(part.fields_at_fault(), ["amount"]);
    refund(&shop, second, json!({"reason": "paid out in the shop"})).await.is(200);
    assert_eq!(amounts(&payment(&shop, second).await), format!("REFUNDED {TOTAL} {TOTAL} {TOTAL}"));
    refund(&shop, second, json!({"reason": "again"})).await.problem(409, "refund-exceeds-payment");
    assert_eq!(order_payment(&shop, taken).await, "REFUNDED");
    assert_eq!(explained().await["waitingFor"], Value::Null);
    tap.heard("refund.succeeded", 1).await;
    shop.assert_invariants().await;
}

#[tokio::test]
async fn an_order_goes_nowhere_before_what_is_due_is_paid() {
    let shop = Shop::open().await;
    let (id, _) = confirmed(&shop).await;
    // As one will be that is to be paid by card.
    let due = format!(
        "UPDATE orders.orders SET status = 'PENDING', payment_status = 'DUE', stock_committed = TRUE WHERE id = {id}"
    );
    shop.database.execute(due).await;
    for status in ["CONFIRMED", "SHIPPED", "DELIVERED"] {
        let moved = shop.orders().put(&format!("/api/orders/{id}/status"), json!({"status": status}));
        moved.await.problem(409, "payment-required");
    }
    let paid = shop.orders().put(&format!("/api/orders/{id}/status"), json!({"status": "PAID"}));
    paid.await.problem(409, "invalid-transition");
    let explained = shop.orders().get(&format!("/api/orders/{id}/explain")).await.is(200).json();
    assert_eq!(explained["because"], format!("It has to be paid first: {TOTAL} by CASH_ON_DELIVERY."));
    // Its stock is committed once more: it keeps that in mind and waits.
    let reference = shop.orders().get(&format!("/api/orders/{id}")).await.is(200).json()["reference"].clone();
    let event = e2e::broker::event("reservation.committed", text(&reference), json!({"reference": reference}));
    shop.broker().publish("reservation.committed", &event.to_string()).await;
    shop.broker().drained(shared_types::topology::ORDER_RESERVATION_EVENTS.name).await;
    shop.order_becomes(id, "PENDING").await;
    shop.orders().post(&format!("/api/orders/{id}/cancel"), json!({})).await.is(200);
    assert_eq!(order_payment(&shop, id).await, "VOIDED");
}

#[tokio::test]
async fn orders_are_found_by_what_their_payment_comes_to() {
    let shop = Shop::open().await;
    let (first, number_of_payment) = confirmed(&shop).await;
    let (second, _) = confirmed(&shop).await;
    shop.place(&[(LAPTOP, 1)]).await;
    collect(&shop, number_of_payment, json!({})).await.is(200);
    let list = async |query: &str| {
        let found = shop.orders().get(&format!("/api/orders?{query}")).await.is(200).array();
        found.iter().map(|order| int(&order["id"])).collect::<Vec<_>>()
    };
    assert_eq!(list("paymentStatus=ON_DELIVERY").await, [second]);
    assert_eq!(list("paymentStatus=paid&status=CONFIRMED").await, [first]);
    assert_eq!(list("paymentStatus=PAID&customerEmail=ada@example.com").await, [first]);
    assert_eq!(list("paymentStatus=PAID&createdFrom=2026-01-01T00:00:00Z").await, [first]);
    assert_eq!(list("paymentStatus=REFUNDED").await, [0_i64; 0]);
    let refused = shop.orders().get("/api/orders?paymentStatus=RICH").await;
    assert_eq!(refused.fields_at_fault(), ["paymentStatus"]);
}

#[tokio::test]
async fn operators_page_through_the_payments_of_all_orders() {
    let shop = Shop::open().await;
    let mut ids = Vec::new();
    for _ in 0..3 {
        ids.push(confirmed(&shop).await.1);
    }
    collect(&shop, ids[1], json!({})).await.is(200);
    let list = async |query: &str| shop.orders().get(&format!("/api/payments{query}")).await.is(200);
    let numbers = |page: &Response| page.array().iter().map(|it| int(&it["id"])).collect::<Vec<_>>();
    let first = list("?limit=2").await;
    let rest = shop.orders().get(&first.next_page().unwrap()).await.is(200);
    assert_eq!((numbers(&first), numbers(&rest)), (vec![ids[2], ids[1]], vec![ids[0]]));
    let taken = list("?status=captured").await;
    assert_eq!((numbers(&taken), &taken.array()[0]["operations"][0]["kind"]), (vec![ids[1]], &json!("CAPTURE")));
    assert_eq!(shop.orders().get("/api/payments?status=GONE").await.is(400).fields_at_fault(), ["status"]);
}

#[tokio::test]
async fn cancelling_and_collecting_at_once_end_with_no_money_astray() {
    let shop = Shop::open().await;
    for _ in 0..20 {
        let (id, number_of_payment) = confirmed(&shop).await;
        let cancel = shop.orders().post(&format!("/api/orders/{id}/cancel"), json!({}));
        let (cancelled, collected) = tokio::join!(cancel, collect(&shop, number_of_payment, json!({})));
        cancelled.is(200);
        if collected.status == 200 {
            refund(&shop, number_of_payment, json!({"reason": "paid out"})).await.is(200);
        } else {
            collected.problem(409, "invalid-transition");
        }
        let after = payment(&shop, number_of_payment).await;
        assert_eq!(after["captured"], after["refunded"], "{after}");
    }
    shop.assert_invariants().await;
}

#[tokio::test]
async fn the_tables_refuse_what_must_not_be() {
    let shop = Shop::open().await;
    let (id, number_of_payment) = confirmed(&shop).await;
    collect(&shop, number_of_payment, json!({})).await.is(200);
    let set = |amounts: &str| format!("UPDATE orders.payments SET {amounts} WHERE id = {number_of_payment}");
    let second = |closed: &str| {
        format!(
            "INSERT INTO orders.payments (reference, order_id, method, provider, amount, currency, capture, status, closed_at)
             VALUES (gen_random_uuid(), {id}, 'CARD', 'STRIPE', 1, 'INR', 'AUTOMATIC', 'CREATED', {closed})"
        )
    };
    shop.database.execute(second("NULL")).await;
    for (statement, constraint) in [
        (set("refund_reserved = captured + 0.01"), "payments_refund_within_captured"),
        (set("refunded = 0.01"), "payments_refunded_was_reserved"),
        (set("captured = captured + 0.01"), "payments_within_authorized"),
        (set("authorized = amount + 0.01"), "payments_within_amount"),
        (set("released = 0.01"), "payments_within_authorized"),
        (second("NULL"), "payments_one_open"),
        (format!("DELETE FROM orders.payments WHERE id = {number_of_payment}"), "what is in payments stays there"),
        ("DELETE FROM orders.payment_operations".to_owned(), "what is in payment_operations stays there"),
    ] {
        let refused = sqlx::query(sqlx::AssertSqlSafe(statement.clone())).execute(shop.database.pool()).await;
        let refused = refused.expect_err(&statement).to_string();
        assert!(refused.contains(constraint), "{statement}: {refused}");
    }
}

#[tokio::test]
async fn two_who_open_a_payment_at_once_open_one() {
    let shop = Shop::plan().pairs(2).open().await;
    let id = int(&shop.place(&[(MOUSE, 1)]).await["id"]);
    shop.order_becomes(id, "CONFIRMED").await;
    let path = format!("/api/orders/{id}/payments");
    let statuses = at_once(&shop, 8, &path, json!({"method": "CASH_ON_DELIVERY"})).await;
    assert_eq!(statuses, BTreeMap::from([(200, 7), (201, 1)]));
    assert_eq!(shop.database.number("SELECT count(*) FROM orders.payments").await, 1);
}
