//! Promise P3: an order whose stock was released by hand is not sent, whenever the release is heard of.

use e2e::broker::{Tap, event};
use e2e::poll;
use e2e::samples::{HEADSET, LAPTOP, MOUSE, int, order, text};
use e2e::shop::Shop;
use serde_json::{Value, json};
use shared_types::topology::{INVENTORY_ORDER_EVENTS, ORDER_LOST_STOCK};
use time::format_description::well_known::Rfc3339;
use time::{Duration, OffsetDateTime};
use uuid::Uuid;

const SORRY: &str = "We are sorry: the goods are not available any more.";

/// A shop whose inventory-service does not hear of new orders: their stock stays HELD.
async fn deaf_shop() -> Shop {
    let shop = Shop::open().await;
    shop.broker().unbind(INVENTORY_ORDER_EVENTS.name, "order.created").await;
    shop
}

/// Order-service does not hear that stock was released.
async fn deafer_shop() -> Shop {
    let shop = deaf_shop().await;
    shop.broker().unbind(ORDER_LOST_STOCK.name, "reservation.released").await;
    shop
}

async fn release(shop: &Shop, order: &Value, status: u16) {
    let path = format!("/api/inventory/reservations/{}/release", text(&order["reference"]));
    shop.inventory().post(&path, json!({})).await.is(status);
}

/// Inventory-service hears of the order after all.
async fn hear_late(shop: &Shop, tap: &mut Tap<'_>) {
    let created = tap.heard("order.created", 1).await.remove(0);
    shop.broker().send(INVENTORY_ORDER_EVENTS.name, &created.body).await;
}

/// An event about the reservation of an order.
fn reservation_event(kind: &str, order: &Value, age: Duration) -> Value {
    let mut event = event(kind, text(&order["reference"]), json!({"reference": order["reference"]}));
    event["time"] = json!((OffsetDateTime::now_utc() - age).format(&Rfc3339).unwrap());
    event
}

/// Publishes an event and waits until order-service has dealt with it.
async fn publish(shop: &Shop, event: &Value) {
    shop.broker().publish(text(&event["type"]), &event.to_string()).await;
    let dealt_with = format!("SELECT COUNT(*) FROM orders.inbox WHERE event_id = '{}'", text(&event["id"]));
    poll::eventually("the event to be dealt with", async || {
        poll::equal(shop.database.number(dealt_with.as_str()).await, 1)
    })
    .await;
}

/// Waits until the shop was told as often of lost stock.
async fn shop_is_told(shop: &Shop, times: i64) {
    let told = "SELECT COUNT(*) FROM orders.notifications WHERE kind = 'stock-released'";
    poll::eventually("the shop to be told", async || poll::equal(shop.database.number(told).await, times)).await;
}

async fn refused_to_ship(shop: &Shop, order: &Value, kind: &str) {
    let path = format!("/api/orders/{}/status", int(&order["id"]));
    let refused = shop.orders().put(&path, json!({"status": "SHIPPED"})).await.is(409).json();
    assert_eq!(refused["type"], kind);
}

#[tokio::test]
async fn an_order_whose_stock_is_released_by_hand_is_cancelled() {
    let shop = deaf_shop().await;
    let mut tap = shop.broker().tap().await;
    let first = shop.place(&[(HEADSET, 5)]).await;
    release(&shop, &first, 200).await;
    shop.order_becomes(int(&first["id"]), "CANCELLED").await;
    let timeline = shop.orders().get(&format!("/api/orders/{}/timeline", int(&first["id"]))).await.is(200).json();
    assert_eq!((text(&timeline[1]["actor"]), text(&timeline[1]["reason"])), ("inventory-service", SORRY));
    let told = tap.heard("order.cancelled", 1).await.remove(0).event();
    assert_eq!(told["data"]["reason"], SORRY);
    shop_is_told(&shop, 1).await;
    let lost = tap.heard("order.stock-lost", 1).await.remove(0);
    for personal in ["Lovelace", "ada@example.com", "7946", "Square"] {
        assert!(!lost.body.contains(personal), "{}", lost.body);
    }
    refused_to_ship(&shop, &first, "/problems/invalid-transition").await;
    // The pieces are sold again, once.
    shop.place(&[(HEADSET, 8)]).await;
    hear_late(&shop, &mut tap).await;
    tap.heard("reservation.refused", 1).await;
    release(&shop, &first, 200).await;
    assert_eq!(shop.timeline(int(&first["id"])).await, ["PENDING", "CANCELLED"]);
    assert_eq!(tap.heard("order.stock-lost", 1).await.len(), 1);
    assert_eq!(shop.database.stock(HEADSET).await, 0);
}

#[tokio::test]
async fn an_order_whose_stock_was_released_before_it_was_heard_of_is_cancelled_when_it_is() {
    let shop = deafer_shop().await;
    let mut tap = shop.broker().tap().await;
    let placed = shop.place(&[(LAPTOP, 5)]).await;
    release(&shop, &placed, 200).await;
    tap.heard("reservation.released", 1).await;
    for _ in 0..2 {
        refused_to_ship(&shop, &placed, "/problems/stock-released").await;
    }
    assert_eq!(shop.timeline(int(&placed["id"])).await, ["PENDING"]);
    hear_late(&shop, &mut tap).await;
    shop.order_becomes(int(&placed["id"]), "CANCELLED").await;
    shop_is_told(&shop, 1).await;
    let refused = tap.heard("reservation.refused", 1).await.remove(0);
    let again = reservation_event("reservation.refused", &placed, Duration::ZERO);
    shop.broker().publish("reservation.refused", &refused.body).await;
    publish(&shop, &again).await;
    assert_eq!(shop.timeline(int(&placed["id"])).await, ["PENDING", "CANCELLED"]);
    assert_eq!(tap.heard("order.stock-lost", 1).await.len(), 1);
    assert_eq!(shop.database.stock(LAPTOP).await, 50);
    shop.assert_invariants().await;
}

#[tokio::test]
async fn a_release_from_before_the_order_was_placed_changes_nothing() {
    let shop = deaf_shop().await;
    let mut tap = shop.broker().tap().await;
    let placed = shop.place(&[(LAPTOP, 5)]).await;
    publish(&shop, &reservation_event("reservation.released", &placed, Duration::seconds(30))).await;
    assert_eq!(shop.timeline(int(&placed["id"])).await, ["PENDING"], "the stock of an earlier attempt was released");
    hear_late(&shop, &mut tap).await;
    shop.order_becomes(int(&placed["id"]), "CONFIRMED").await;
    shop.assert_invariants().await;
}

#[tokio::test]
async fn an_accepted_order_gets_its_stock_anew_whatever_was_released() {
    let mut shop = Shop::open().await;
    shop.inventory_services[0].kill();
    let accepted = shop.orders().post("/api/orders", order(&[(LAPTOP, 5)])).header("prefer", "respond-async");
    let accepted = accepted.await.is(202).json();
    for kind in ["reservation.released", "reservation.refused"] {
        publish(&shop, &reservation_event(kind, &accepted, Duration::ZERO)).await;
    }
    assert_eq!(shop.timeline(int(&accepted["id"])).await, ["PENDING"]);
    shop.inventory_services[0].start().await;
    shop.order_becomes(int(&accepted["id"]), "CONFIRMED").await;
    shop.assert_invariants().await;
}

#[tokio::test]
async fn stock_that_is_committed_cannot_be_released_and_a_cancelled_order_loses_none() {
    let shop = Shop::open().await;
    let mut tap = shop.broker().tap().await;
    let placed = shop.place(&[(LAPTOP, 5)]).await;
    let id = int(&placed["id"]);
    shop.order_becomes(id, "CONFIRMED").await;
    release(&shop, &placed, 409).await;
    shop.orders().post(&format!("/api/orders/{id}/cancel"), json!({})).await.is(200);
    tap.heard("reservation.released", 1).await;
    publish(&shop, &reservation_event("reservation.released", &placed, Duration::ZERO)).await;
    assert_eq!(shop.timeline(id).await, ["PENDING", "CONFIRMED", "CANCELLED"]);
    shop_is_told(&shop, 0).await;
    shop.assert_invariants().await;
}

#[tokio::test]
async fn an_order_that_has_left_the_house_stays_and_the_shop_is_told_once() {
    let shop = Shop::open().await;
    let placed = shop.place(&[(MOUSE, 1)]).await;
    let id = int(&placed["id"]);
    shop.order_becomes(id, "CONFIRMED").await;
    shop.orders().put(&format!("/api/orders/{id}/status"), json!({"status": "SHIPPED"})).await.is(200);
    // An instance of an earlier build sent it without asking for its stock.
    for kind in ["reservation.released", "reservation.refused"] {
        publish(&shop, &reservation_event(kind, &placed, Duration::ZERO)).await;
    }
    shop_is_told(&shop, 1).await;
    assert_eq!(shop.timeline(id).await, ["PENDING", "CONFIRMED", "SHIPPED"]);
    let invariants = shop.orders().get("/api/admin/invariants").await.json();
    assert!(invariants.to_string().contains("order-has-its-stock"), "{invariants}");
}

#[tokio::test]
async fn an_order_that_moves_on_by_hand_has_its_stock_committed() {
    let mut shop = Shop::plan().without_broker().open().await;
    let placed = shop.place(&[(MOUSE, 1)]).await;
    let path = format!("/api/orders/{}/status", int(&placed["id"]));
    shop.orders().put(&path, json!({"status": "SHIPPED"})).await.is(200);
    shop.reservation_becomes(text(&placed["reference"]), "COMMITTED").await;
    release(&shop, &placed, 409).await;
    let unknown = shop.place(&[(MOUSE, 1)]).await;
    let gone = format!(
        "UPDATE inventory.reservations SET id = '{}' WHERE id = '{}'",
        Uuid::now_v7(),
        text(&unknown["reference"])
    );
    let mut by_hand = shop.database.lock("SET LOCAL session_replication_role = replica").await;
    sqlx::query(sqlx::AssertSqlSafe(gone)).execute(&mut *by_hand).await.unwrap();
    by_hand.commit().await.unwrap();
    refused_to_ship(&shop, &unknown, "/problems/stock-released").await;
    // Who cannot be asked may have released it. An order that has its stock is not held up, and none from being cancelled.
    let (unsure, off) = (shop.place(&[(MOUSE, 1)]).await, shop.place(&[(MOUSE, 1)]).await);
    shop.inventory_services[0].kill();
    let status = |order: &Value| format!("/api/orders/{}/status", int(&order["id"]));
    shop.orders().put(&status(&unsure), json!({"status": "CONFIRMED"})).await.unavailable();
    shop.orders().put(&status(&placed), json!({"status": "DELIVERED"})).await.is(200);
    shop.orders().put(&status(&off), json!({"status": "CANCELLED"})).await.is(200);
    assert_eq!(shop.timeline(int(&unsure["id"])).await, ["PENDING"]);
}
