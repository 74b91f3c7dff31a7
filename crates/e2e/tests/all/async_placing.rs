//! `Prefer: respond-async`: an order is accepted at once, also while inventory-service is away, and placed afterwards.

use crate::metrics::shows;
use e2e::broker::event;
use e2e::client::{Call, Response};
use e2e::poll;
use e2e::samples::{HEADSET, LAPTOP, MOUSE, int, order, text};
use e2e::shop::Shop;
use serde_json::{Value, json};
use std::time::{Duration, Instant};

const ORDERS: &str = "/api/orders";

/// An order without prices, as the database has it.
const UNPLACED: &str = "SELECT COUNT(*) FROM orders.orders WHERE total_amount IS NULL";

fn accept(shop: &Shop, lines: &[(i64, i64)]) -> Call {
    shop.orders().post(ORDERS, order(lines)).header("prefer", "respond-async")
}

async fn accepted(shop: &Shop, lines: &[(i64, i64)]) -> i64 {
    int(&accept(shop, lines).await.is(202).json()["id"])
}

fn path(id: i64, call: &str) -> String {
    format!("{ORDERS}/{id}{call}")
}

/// Waits until an order is cancelled; gives by whom and why, for the customer and for operators.
async fn cancelled(shop: &Shop, id: i64) -> (String, String, String) {
    let order = shop.order_becomes(id, "CANCELLED").await;
    assert_unplaced(&order);
    assert_eq!(shop.timeline(id).await, ["PENDING", "CANCELLED"]);
    let last = shop.orders().get(&path(id, "/timeline")).await.is(200).array().pop().unwrap();
    let note = last["internalNote"].as_str().unwrap_or_default().to_owned();
    (text(&last["actor"]).to_owned(), text(&last["reason"]).to_owned(), note)
}

#[track_caller]
fn assert_unplaced(order: &Value) {
    assert_eq!(order.get("totalAmount"), Some(&Value::Null), "{order}");
    for item in order["items"].as_array().unwrap() {
        for field in ["productName", "price", "subtotal"] {
            assert_eq!(item.get(field), Some(&Value::Null), "{order}");
        }
    }
}

/// One that is accepted and cannot be placed yet.
async fn unplaced(shop: &mut Shop) -> i64 {
    shop.inventory_services[0].kill();
    accepted(shop, &[(LAPTOP, 2)]).await
}

#[tokio::test]
async fn an_order_is_accepted_without_inventory_service_and_placed_when_it_is_back() {
    let mut shop = Shop::open().await;
    let mut tap = shop.broker.as_ref().unwrap().tap().await;
    shop.inventory_services[0].kill();
    let trace = "4bf92f3577b34da6a3ce929d0e0e4736";
    let traceparent = format!("00-{trace}-00f067aa0ba902b7-01");
    let started = Instant::now();
    let answer = accept(&shop, &[(LAPTOP, 2), (MOUSE, 3)]).header("traceparent", &traceparent).await.is(202);
    assert!(started.elapsed() < Duration::from_secs(1), "answered after {:?}", started.elapsed());
    let order = answer.json();
    let id = int(&order["id"]);
    assert_eq!(answer.header("location"), path(id, ""));
    assert_eq!(answer.header("preference-applied"), "respond-async");
    assert_eq!((&order["status"], &order["items"][1]["quantity"]), (&json!("PENDING"), &json!(3)));
    assert_unplaced(&order);
    let found = shop.orders().get(&path(id, "")).await.is(200);
    assert_eq!((&found.text, found.header("etag")), (&answer.text, answer.header("etag")));
    let by_reference = format!("?reference={}", text(&order["reference"]));
    for list in ["", "?status=PENDING", "/customer/ada@example.com", &by_reference] {
        assert_eq!(shop.orders().get(&format!("{ORDERS}{list}")).await.is(200).array()[0], order, "{list}");
    }
    assert_eq!(shop.timeline(id).await, ["PENDING"]);

    shop.inventory_services[0].start().await;
    let placed = shop.order_becomes(id, "CONFIRMED").await;
    assert_eq!(placed["totalAmount"].to_string(), "5089.95");
    assert_eq!(placed["items"][0]["price"].to_string(), "2499.99");
    assert_eq!(placed["items"][0]["id"], order["items"][0]["id"]);
    assert!(text(&placed["items"][1]["productName"]).contains("Mouse"), "{placed}");
    assert_eq!(shop.timeline(id).await, ["PENDING", "CONFIRMED"]);
    tap.heard("order.confirmed", 1).await;
    shop.assert_invariants().await;
    assert_eq!((shop.database.stock(LAPTOP).await, shop.database.stock(MOUSE).await), (48, 197));
    let created = tap.heard("order.created", 1).await;
    assert_eq!(created.len(), 1);
    assert_eq!(text(&created[0].event()["traceparent"])[3..35], *trace);
    assert_eq!(created[0].event()["data"]["totalAmount"].to_string(), "5089.95");
}

#[tokio::test]
async fn orders_are_accepted_while_inventory_service_hangs() {
    let shop = Shop::open().await;
    shop.inventory_services[0].pause();
    let mut ids = Vec::new();
    for _ in 0..10 {
        let started = Instant::now();
        ids.push(accepted(&shop, &[(MOUSE, 1)]).await);
        assert!(started.elapsed() < Duration::from_secs(1), "answered after {:?}", started.elapsed());
    }
    shop.inventory_services[0].resume();
    for id in ids {
        shop.order_becomes(id, "CONFIRMED").await;
    }
    shop.assert_invariants().await;
    assert_eq!(shop.database.stock(MOUSE).await, 190);
}

#[tokio::test]
async fn what_cannot_be_placed_is_cancelled_with_the_reason() {
    let shop = Shop::open().await;
    let mut tap = shop.broker().tap().await;
    let short = accepted(&shop, &[(MOUSE, 1), (HEADSET, 9)]).await;
    let unknown = accepted(&shop, &[(999, 1)]).await;
    let (actor, reason, note) = cancelled(&shop, short).await;
    assert_eq!(actor, "order-service");
    assert_eq!(reason, "We are sorry: we do not have enough of what you ordered.");
    assert_eq!(note, "Insufficient stock: HEADSET-001: 9 requested, 8 available");
    let (_, reason, note) = cancelled(&shop, unknown).await;
    assert_eq!(reason, "We are sorry: something you ordered is not sold any more.");
    assert_eq!(note, "Unknown product: product 999 does not exist");
    for told in tap.heard("order.cancelled", 2).await {
        assert!(!told.body.contains("available") && !told.body.contains("does not exist"), "{}", told.body);
    }
    shop.assert_invariants().await;
    assert!(tap.all().iter().all(|message| message.routing_key == "order.cancelled"), "{:?}", tap.all());
    assert_eq!((shop.database.stock(HEADSET).await, shop.database.stock(MOUSE).await), (8, 200));
    shows(shop.orders(), "async_placements_total{outcome=\"refused\"}", 2.0).await;
}

#[tokio::test]
async fn an_order_is_given_up_after_a_time() {
    let mut shop = Shop::plan().order_variable("ASYNC_PLACEMENT_GIVE_UP_SECONDS", "1").open().await;
    let id = unplaced(&mut shop).await;
    let (actor, reason, note) = cancelled(&shop, id).await;
    assert_eq!(actor, "order-service");
    assert_eq!(reason, "We are sorry: we could not place your order in time.");
    assert!(note.starts_with("gave up after 1 s: ") && note.contains("inventory-service"), "{note}");
    shop.inventory_services[0].start().await;
    shop.assert_invariants().await;
    assert_eq!(shop.database.stock(LAPTOP).await, 50);
}

#[tokio::test]
async fn attempts_come_at_growing_distances() {
    let mut shop = Shop::plan().without_broker().open().await;
    unplaced(&mut shop).await;
    // At the least 0.25, 0.5 and 1 s lie between them.
    poll::eventually("four attempts", async || {
        let attempts = "SELECT attempts::bigint FROM orders.pending_placements";
        poll::equal(shop.database.number(attempts).await, 4)
    })
    .await;
    let early = "SELECT COUNT(*) FROM orders.orders WHERE clock_timestamp() < created_at + INTERVAL '1.75 s'";
    assert_eq!(shop.database.number(early).await, 0, "they came too soon");
}

#[tokio::test]
async fn the_preference_is_one_of_many_and_others_are_ignored() {
    let shop = Shop::plan().without_broker().open().await;
    let post = |prefer: &str| shop.orders().post(ORDERS, order(&[(MOUSE, 1)])).header("prefer", prefer);
    for prefer in ["wait=5, respond-async", "Respond-Async", "respond-async; x=1, return=minimal"] {
        assert_eq!(post(prefer).await.is(202).header("preference-applied"), "respond-async", "{prefer}");
    }
    for prefer in ["return=minimal", "wait=5", "respond-asynchronously"] {
        let answer = post(prefer).await.is(201);
        assert_eq!(answer.find_header("preference-applied"), None, "{prefer}");
        assert_eq!(answer.json()["totalAmount"].to_string(), "29.99", "{prefer}");
    }
    let refused = accept(&shop, &[(MOUSE, 0), (0, 1)]).await;
    assert_eq!(refused.fields_at_fault(), ["items[0].quantity", "items[1].productId"]);
    assert_eq!(shop.database.number("SELECT COUNT(*) FROM orders.orders").await, 6);
}

#[tokio::test]
async fn what_is_not_placed_can_be_cancelled_and_nothing_else() {
    // An attempt that was under way when the order was cancelled may hold its stock after all: that goes back when the
    // window is over, which must be within the patience of this test.
    let mut shop = Shop::plan().window(10).open().await;
    let id = unplaced(&mut shop).await;
    for status in ["CONFIRMED", "SHIPPED", "DELIVERED"] {
        let refused = shop.orders().put(&path(id, "/status"), json!({"status": status})).await;
        refused.problem(409, "not-placed-yet");
    }
    shop.orders().put(&path(id, "/status"), json!({"status": "PENDING"})).await.is(200);
    assert_eq!(shop.timeline(id).await, ["PENDING"]);
    let cancel = || shop.orders().post(&path(id, "/cancel"), json!({"reason": "too slow"})).key("cancel-1");
    let answer = cancel().await.is(200);
    assert_unplaced(&answer.json());
    assert_eq!(cancel().await.is(200).text, answer.text);
    assert_eq!(shop.database.number("SELECT COUNT(*) FROM orders.pending_placements").await, 0);
    let refused = shop.orders().put(&path(id, "/status"), json!({"status": "SHIPPED"})).await;
    refused.problem(409, "invalid-transition");
    shop.inventory_services[0].start().await;
    // An order accepted later is placed: whatever was to become of the first has become of it by now.
    let later = accepted(&shop, &[(MOUSE, 1)]).await;
    shop.order_becomes(later, "CONFIRMED").await;
    assert_eq!(cancelled(&shop, id).await, ("api".to_owned(), "too slow".to_owned(), String::new()));
    shop.assert_invariants().await;
    assert_eq!(shop.database.stock(LAPTOP).await, 50);
}

#[tokio::test]
async fn a_message_does_not_confirm_what_is_not_placed() {
    let mut shop = Shop::open().await;
    let id = unplaced(&mut shop).await;
    let order = shop.orders().get(&path(id, "")).await.is(200).json();
    let reference = text(&order["reference"]);
    let early = event("reservation.committed", reference, json!({"reference": reference})).to_string();
    shop.broker().publish("reservation.committed", &early).await;
    poll::eventually("the message to be dealt with", async || {
        poll::equal(shop.database.number("SELECT COUNT(*) FROM orders.inbox").await, 1)
    })
    .await;
    assert_eq!(shop.timeline(id).await, ["PENDING"]);
    shop.inventory_services[0].start().await;
    shop.order_becomes(id, "CONFIRMED").await;
    shop.assert_invariants().await;
}

#[tokio::test]
async fn a_repeat_gets_the_first_answer_in_both_ways() {
    let mut shop = Shop::open().await;
    shop.inventory_services[0].kill();
    let first = accept(&shop, &[(LAPTOP, 2)]).key("order-1").await.is(202);
    let client = shop.orders().clone();
    let plain = || client.post(ORDERS, order(&[(LAPTOP, 2)])).key("order-1");
    let same = |again: &Response| {
        assert_eq!((again.status, &again.text), (202, &first.text));
        assert_eq!(again.header("location"), first.header("location"));
        assert_eq!(again.header("idempotency-replayed"), "true");
    };
    same(&accept(&shop, &[(LAPTOP, 2)]).key("order-1").await);
    same(&plain().await);
    accept(&shop, &[(LAPTOP, 3)]).key("order-1").await.problem(422, "idempotency-key-reused");
    shop.orders().post(ORDERS, order(&[(MOUSE, 1)])).key("order-1").await.problem(422, "idempotency-key-reused");
    shop.inventory_services[0].start().await;
    shop.order_becomes(int(&first.json()["id"]), "CONFIRMED").await;
    same(&plain().await);
    let placed = shop.orders().post(ORDERS, order(&[(MOUSE, 1)])).key("order-2").await.is(201);
    let again = accept(&shop, &[(MOUSE, 1)]).key("order-2").await;
    assert_eq!((again.status, &again.text), (201, &placed.text));
    assert_eq!(again.find_header("preference-applied"), None);
    shop.assert_invariants().await;
    assert_eq!((shop.database.stock(LAPTOP).await, shop.database.stock(MOUSE).await), (48, 199));
    assert_eq!(shop.database.number(UNPLACED).await, 0);
}
