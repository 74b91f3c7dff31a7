//! Promise P3: no stock stays held without an order for longer than the window, and none is given back that has one.

use e2e::poll;
use e2e::samples::{LAPTOP, MOUSE, int, order, reservation, text};
use e2e::shop::{Plan, Shop};
use serde_json::json;
use uuid::Uuid;

/// A window of two seconds, looked at every second, and nothing heard by message.
fn short_window() -> Plan {
    Shop::plan().without_broker().window(2)
}

#[tokio::test]
async fn stock_held_without_an_order_goes_back() {
    let shop = short_window().open().await;
    let id = Uuid::now_v7();
    shop.inventory().post("/api/inventory/reservations", reservation(id, &[(LAPTOP, 7)])).await.is(201);
    shop.reservation_becomes(&id.to_string(), "RELEASED").await;
    assert_eq!(shop.database.stock(LAPTOP).await, 50);
    let early = "SELECT COUNT(*) FROM inventory.reservations WHERE updated_at < created_at + INTERVAL '2 seconds'";
    assert_eq!(shop.database.number(early).await, 0, "given back before the window was over");
    assert!(shop.database.texts("SELECT sku FROM inventory.stock_breaches").await.is_empty());
}

#[tokio::test]
async fn stock_of_an_order_is_kept_though_its_message_was_lost() {
    let shop = short_window().pairs(2).open().await;
    let placed = shop.place(&[(LAPTOP, 7)]).await;
    assert_eq!(shop.database.execute("DELETE FROM orders.outbox").await, 1);
    shop.reservation_becomes(text(&placed["reference"]), "COMMITTED").await;
    assert_eq!(shop.database.stock(LAPTOP).await, 43);
}

#[tokio::test]
async fn stock_of_a_cancelled_order_goes_back_though_its_message_was_lost() {
    let shop = short_window().open().await;
    let placed = shop.place(&[(LAPTOP, 7)]).await;
    let cancel = format!("/api/orders/{}/cancel", int(&placed["id"]));
    shop.orders().post(&cancel, json!({})).await.is(200);
    assert_eq!(shop.database.execute("DELETE FROM orders.outbox").await, 2);
    shop.reservation_becomes(text(&placed["reference"]), "RELEASED").await;
    assert_eq!(shop.database.stock(LAPTOP).await, 50);
}

#[tokio::test]
async fn an_order_that_comes_too_late_is_refused() {
    let shop = short_window().open().await;
    let lock = shop.database.lock("LOCK TABLE orders.orders IN SHARE MODE").await;
    let client = shop.orders().clone();
    let placing = tokio::spawn(async move { client.post("/api/orders", order(&[(MOUSE, 1)])).await });
    poll::eventually("most of the window to be over", async || {
        let late =
            "SELECT COUNT(*) FROM inventory.reservations WHERE clock_timestamp() > created_at + INTERVAL '1.7 s'";
        poll::equal(shop.database.number(late).await, 1)
    })
    .await;
    lock.rollback().await.unwrap();
    placing.await.unwrap().unavailable();
    poll::eventually("the stock to come back", async || poll::equal(shop.database.stock(MOUSE).await, 200)).await;
    assert_eq!(shop.database.number("SELECT COUNT(*) FROM orders.orders").await, 0);
}

#[tokio::test]
async fn an_order_that_is_being_written_keeps_its_stock() {
    let shop = short_window().open().await;
    // The order stands in its transaction in time, but its event can only be written after the window.
    let lock = shop.database.lock("LOCK TABLE orders.outbox IN EXCLUSIVE MODE").await;
    let client = shop.orders().clone();
    let placing = tokio::spawn(async move { client.post("/api/orders", order(&[(MOUSE, 1)])).key("order-1").await });
    poll::eventually("the window to be over for long", async || {
        let late =
            "SELECT COUNT(*) FROM inventory.reservations WHERE clock_timestamp() > expires_at + INTERVAL '2.5 s'";
        poll::equal(shop.database.number(late).await, 1)
    })
    .await;
    lock.rollback().await.unwrap();
    placing.await.unwrap().unavailable();
    let placed = shop.orders().post("/api/orders", order(&[(MOUSE, 1)])).key("order-1").await.is(201).json();
    shop.reservation_becomes(text(&placed["reference"]), "COMMITTED").await;
    assert_eq!(shop.database.stock(MOUSE).await, 199);
    let released = "SELECT COUNT(*) FROM inventory.stock_movements WHERE reason = 'RELEASE'";
    assert_eq!(shop.database.number(released).await, 0, "it went back while its order was being written");
}

#[tokio::test]
async fn a_key_whose_stock_went_back_can_be_used_again() {
    let mut shop = short_window().open().await;
    // Order-service dies between holding the stock and writing the order: the reservation stands, the order does not.
    let lock = shop.database.lock("LOCK TABLE orders.orders IN SHARE MODE").await;
    let client = shop.orders().clone();
    let placing =
        tokio::spawn(async move { client.post("/api/orders", order(&[(MOUSE, 3)])).key("order-1").attempt().await });
    poll::eventually("the stock to be held", async || poll::equal(shop.database.stock(MOUSE).await, 197)).await;
    shop.order_services[0].kill();
    assert!(placing.await.unwrap().is_err());
    lock.rollback().await.unwrap();
    shop.order_services[0].start().await;
    poll::eventually("the stock to come back", async || poll::equal(shop.database.stock(MOUSE).await, 200)).await;
    let placed = shop.orders().post("/api/orders", order(&[(MOUSE, 3)])).key("order-1").await.is(201).json();
    assert_eq!(shop.database.stock(MOUSE).await, 197);
    shop.reservation_becomes(text(&placed["reference"]), "COMMITTED").await;
}
