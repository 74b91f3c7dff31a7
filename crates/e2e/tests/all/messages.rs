//! Promises P5 and P6: messages that come twice, out of order, or make no sense.

use e2e::broker::event;
use e2e::poll;
use e2e::samples::{LAPTOP, MOUSE, int, reservation, text};
use e2e::shop::Shop;
use serde_json::{Value, json};
use shared_types::topology::{INVENTORY_ORDER_EVENTS, ORDER_RESERVATION_EVENTS};
use uuid::Uuid;

/// An `order.cancelled` as order-service writes it.
fn cancelled(order: i64, reference: &str) -> Value {
    event("order.cancelled", reference, json!({"orderId": order, "reference": reference}))
}

/// An `order.created` as order-service writes it.
fn created(order: i64, reference: &str) -> Value {
    let data = json!({
        "orderId": order, "reference": reference, "customerName": "Ada", "customerEmail": "ada@example.com",
        "totalAmount": 29.99, "items": [{"productId": MOUSE, "productName": "Mouse", "quantity": 1, "price": 29.99}],
    });
    event("order.created", reference, data)
}

async fn publish(shop: &Shop, event: &Value) {
    shop.broker().publish(text(&event["type"]), &event.to_string()).await;
}

/// Waits until a service's inbox holds all of these events.
async fn dealt_with(shop: &Shop, schema: &str, events: &[&Value]) {
    let ids: Vec<String> = events.iter().map(|event| format!("'{}'", text(&event["id"]))).collect();
    let count = format!("SELECT COUNT(*) FROM {schema}.inbox WHERE event_id IN ({})", ids.join(", "));
    poll::eventually("the events to be dealt with", async || {
        poll::equal(shop.database.number(count.as_str()).await, events.len() as i64)
    })
    .await;
}

async fn dead_letters(shop: &Shop, schema: &str, count: i64) -> Vec<String> {
    poll::eventually(&format!("{count} dead letters"), async || {
        let query = format!("SELECT COUNT(*) FROM {schema}.dead_letters");
        poll::equal(shop.database.number(query).await, count)
    })
    .await;
    let row = "consumer || '|' || event_type || '|' || attempts || '|' || reason";
    shop.database.texts(format!("SELECT {row} FROM {schema}.dead_letters ORDER BY id")).await
}

#[tokio::test]
async fn a_cancellation_delivered_again_returns_stock_once() {
    let shop = Shop::open().await;
    let mut tap = shop.broker().tap().await;
    let placed = shop.place(&[(LAPTOP, 5)]).await;
    let (id, reference) = (int(&placed["id"]), text(&placed["reference"]));
    shop.orders().post(&format!("/api/orders/{id}/cancel"), json!({})).await.is(200);
    shop.reservation_becomes(reference, "RELEASED").await;
    let original = tap.heard("order.cancelled", 1).await.remove(0);
    for _ in 0..3 {
        shop.broker().publish("order.cancelled", &original.body).await;
    }
    let same_again = cancelled(id, reference);
    publish(&shop, &same_again).await;
    // The queue is worked on in order: behind this one, everything before it is done.
    let last = cancelled(id, reference);
    publish(&shop, &last).await;
    dealt_with(&shop, "inventory", &[&same_again, &last]).await;
    assert_eq!(shop.database.stock(LAPTOP).await, 50);
    let releases = "SELECT COUNT(*) FROM inventory.stock_movements WHERE reason = 'RELEASE'";
    assert_eq!(shop.database.number(releases).await, 1);
    shop.assert_invariants().await;
    assert_eq!(tap.heard("reservation.released", 1).await.len(), 1, "an effect that did not happen is not announced");
}

#[tokio::test]
async fn a_creation_delivered_again_commits_once() {
    let shop = Shop::open().await;
    let mut tap = shop.broker().tap().await;
    let placed = shop.place(&[(LAPTOP, 5)]).await;
    let id = int(&placed["id"]);
    shop.order_becomes(id, "CONFIRMED").await;
    let created_body = tap.heard("order.created", 1).await.remove(0).body;
    let committed_body = tap.heard("reservation.committed", 1).await.remove(0).body;
    for _ in 0..3 {
        shop.broker().publish("order.created", &created_body).await;
        shop.broker().publish("reservation.committed", &committed_body).await;
    }
    let again = event("reservation.committed", "x", json!({"reference": placed["reference"]}));
    publish(&shop, &again).await;
    dealt_with(&shop, "orders", &[&again]).await;
    assert_eq!(shop.timeline(id).await, ["PENDING", "CONFIRMED"]);
    assert_eq!(shop.database.stock(LAPTOP).await, 45);
    shop.assert_invariants().await;
}

#[tokio::test]
async fn an_event_whose_id_was_seen_is_skipped_whatever_it_says() {
    let shop = Shop::open().await;
    let hold = async || {
        let id = Uuid::now_v7();
        shop.inventory().post("/api/inventory/reservations", reservation(id, &[(MOUSE, 1)])).await.is(201);
        id.to_string()
    };
    let (first, second) = (hold().await, hold().await);
    let seen = created(7, &first);
    publish(&shop, &seen).await;
    shop.reservation_becomes(&first, "COMMITTED").await;
    let mut same_id = created(8, &second);
    same_id["id"] = seen["id"].clone();
    publish(&shop, &same_id).await;
    let last = created(7, &first);
    publish(&shop, &last).await;
    dealt_with(&shop, "inventory", &[&last]).await;
    let found = shop.inventory().get(&format!("/api/inventory/reservations/{second}")).await.is(200).json();
    assert_eq!(found["status"], "HELD");
}

#[tokio::test]
async fn events_that_another_instance_is_dealing_with_one_by_one_are_left_to_it() {
    let shop = Shop::open().await;
    let id = Uuid::now_v7();
    shop.inventory().post("/api/inventory/reservations", reservation(id, &[(MOUSE, 1)])).await.is(201);
    let events: Vec<Value> = (7..10).map(|order| created(order, &id.to_string())).collect();
    let consumer = INVENTORY_ORDER_EVENTS.name;
    let mut other_instance = Vec::new();
    for event in &events {
        let seen = text(&event["id"]);
        let claim = format!("INSERT INTO inventory.inbox (consumer, event_id) VALUES ('{consumer}', '{seen}')");
        other_instance.push(shop.database.lock(claim).await);
    }
    shop.broker().publish("order.created", &Value::from(events).to_string()).await;
    for transaction in other_instance {
        shop.database.somebody_waits().await;
        transaction.commit().await.unwrap();
    }
    shop.broker().drained(consumer).await;
    let found = shop.inventory().get(&format!("/api/inventory/reservations/{id}")).await.is(200).json();
    assert_eq!(found["status"], "HELD", "it was the other instance's to commit");
    assert!(dead_letters(&shop, "inventory", 0).await.is_empty());
}

#[tokio::test]
async fn cancelled_before_created_ends_released() {
    let shop = Shop::open().await;
    let id = Uuid::now_v7();
    shop.inventory().post("/api/inventory/reservations", reservation(id, &[(MOUSE, 1)])).await.is(201);
    let reference = id.to_string();
    let (off, on) = (cancelled(7, &reference), created(7, &reference));
    publish(&shop, &off).await;
    publish(&shop, &on).await;
    dealt_with(&shop, "inventory", &[&off, &on]).await;
    let found = shop.inventory().get(&format!("/api/inventory/reservations/{id}")).await.is(200).json();
    assert_eq!((&found["status"], shop.database.stock(MOUSE).await), (&json!("RELEASED"), 200));
    assert!(dead_letters(&shop, "inventory", 0).await.is_empty());
    assert!(shop.database.texts("SELECT sku FROM inventory.stock_breaches").await.is_empty());
}

#[tokio::test]
async fn committed_after_cancelled_stays_cancelled() {
    let shop = Shop::open().await;
    let placed = shop.place(&[(LAPTOP, 5)]).await;
    let id = int(&placed["id"]);
    shop.orders().post(&format!("/api/orders/{id}/cancel"), json!({})).await.is(200);
    let late = event("reservation.committed", "x", json!({"reference": placed["reference"]}));
    publish(&shop, &late).await;
    dealt_with(&shop, "orders", &[&late]).await;
    shop.assert_invariants().await;
    assert_eq!(shop.timeline(id).await.last().unwrap(), "CANCELLED");
    let stranger = event("reservation.committed", "x", json!({"reference": Uuid::now_v7()}));
    publish(&shop, &stranger).await;
    dealt_with(&shop, "orders", &[&stranger]).await;
    assert!(dead_letters(&shop, "orders", 0).await.is_empty());
}

#[tokio::test]
async fn bad_messages_are_set_aside_and_block_nothing() {
    let shop = Shop::open().await;
    let queue = INVENTORY_ORDER_EVENTS.name;
    let mut newer = created(7, &Uuid::now_v7().to_string());
    newer["dataversion"] = json!(2);
    let mut without_data = created(7, "x");
    without_data["data"] = json!({"orderId": 7});
    shop.broker().publish("order.created", "this is not JSON").await;
    shop.broker().publish("order.created", &newer.to_string()).await;
    shop.broker().publish("order.cancelled", &without_data.to_string()).await;
    shop.broker().publish("order.created", "").await;
    let id = int(&shop.place(&[(LAPTOP, 1)]).await["id"]);
    shop.order_becomes(id, "CONFIRMED").await;
    let letters = dead_letters(&shop, "inventory", 4).await;
    assert!(letters[0].starts_with(&format!("{queue}|order.created|1|cannot be parsed")), "{letters:?}");
    assert!(letters[1].contains("data version 2, newest known is 1"), "{letters:?}");
    assert!(letters[2].contains("missing field"), "{letters:?}");
    let kept = "SELECT convert_from(body, 'UTF8') FROM inventory.dead_letters ORDER BY id LIMIT 1";
    assert_eq!(shop.database.texts(kept).await, ["this is not JSON"], "as it came");
    let known = "SELECT event_id::text FROM inventory.dead_letters WHERE event_id IS NOT NULL ORDER BY id LIMIT 1";
    assert_eq!(shop.database.texts(known).await, [text(&newer["id"])]);
    shop.broker().drained(queue).await;
    shop.assert_invariants().await;
}

#[tokio::test]
async fn bad_messages_for_order_service_are_set_aside_too() {
    let shop = Shop::open().await;
    let queue = ORDER_RESERVATION_EVENTS.name;
    shop.broker().send(queue, "{").await;
    shop.broker().send(queue, &event("order.created", "x", json!({})).to_string()).await;
    let mut no_uuid = event("reservation.committed", "x", json!({"reference": "seven"}));
    no_uuid["id"] = json!("eight");
    shop.broker().send(queue, &no_uuid.to_string()).await;
    let id = int(&shop.place(&[(LAPTOP, 1)]).await["id"]);
    shop.order_becomes(id, "CONFIRMED").await;
    let letters = dead_letters(&shop, "orders", 3).await;
    assert!(letters.iter().all(|letter| letter.starts_with(queue) && letter.contains("|1|")), "{letters:?}");
    shop.broker().drained(queue).await;
    shop.assert_invariants().await;
}

#[tokio::test]
async fn a_bad_event_in_a_message_with_others_harms_only_itself() {
    let shop = Shop::open().await;
    let hold = async || {
        let id = Uuid::now_v7();
        shop.inventory().post("/api/inventory/reservations", reservation(id, &[(MOUSE, 1)])).await.is(201);
        id.to_string()
    };
    let (first, second, third) = (hold().await, hold().await, hold().await);
    let mut bad = created(8, &Uuid::now_v7().to_string());
    bad["data"] = json!({"orderId": 8});
    let good = [created(7, &first), created(9, &second), cancelled(9, &second), created(10, &third)];
    let message = json!([good[0], bad, good[1], good[2], good[3], good[0]]);
    shop.broker().send(INVENTORY_ORDER_EVENTS.name, &message.to_string()).await;
    let [one, two, three, four] = &good;
    dealt_with(&shop, "inventory", &[one, two, three, four]).await;
    for (reference, status) in [(&first, "COMMITTED"), (&second, "RELEASED"), (&third, "COMMITTED")] {
        shop.reservation_becomes(reference, status).await;
    }
    let letters = dead_letters(&shop, "inventory", 1).await;
    assert!(letters[0].contains("|order.created|1|") && letters[0].contains("missing field"), "{letters:?}");
    let kept = "SELECT convert_from(body, 'UTF8') FROM inventory.dead_letters";
    let kept: Value = serde_json::from_str(&shop.database.texts(kept).await[0]).unwrap();
    assert_eq!(kept, bad, "the event alone, not its message");
    shop.broker().drained(INVENTORY_ORDER_EVENTS.name).await;
    assert_eq!(shop.database.stock(MOUSE).await, 198);
}

#[tokio::test]
async fn a_message_that_is_no_readable_array_is_set_aside_as_it_came() {
    let shop = Shop::open().await;
    let broken = format!("[{}", created(7, "x"));
    shop.broker().send(INVENTORY_ORDER_EVENTS.name, &broken).await;
    shop.broker().send(INVENTORY_ORDER_EVENTS.name, "[]").await;
    let letters = dead_letters(&shop, "inventory", 1).await;
    assert!(letters[0].contains("cannot be parsed"), "{letters:?}");
    let kept = "SELECT convert_from(body, 'UTF8') FROM inventory.dead_letters";
    assert_eq!(shop.database.texts(kept).await, [broken]);
    shop.broker().drained(INVENTORY_ORDER_EVENTS.name).await;
}
