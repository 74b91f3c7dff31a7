//! The way of an order by messages: committed, confirmed, shipped, delivered, or called off with its stock back.

use e2e::samples::{LAPTOP, MOUSE, int, text};
use e2e::shop::Shop;
use serde_json::json;

#[tokio::test]
async fn an_order_goes_its_way() {
    let shop = Shop::open().await;
    let mut tap = shop.broker().tap().await;
    let placed = shop.place(&[(LAPTOP, 1), (MOUSE, 2)]).await;
    let (id, reference) = (int(&placed["id"]), text(&placed["reference"]));
    shop.order_becomes(id, "CONFIRMED").await;
    shop.reservation_becomes(reference, "COMMITTED").await;
    for status in ["SHIPPED", "DELIVERED"] {
        shop.orders().put(&format!("/api/orders/{id}/status"), json!({"status": status})).await.is(200);
    }
    assert_eq!(shop.timeline(id).await, ["PENDING", "CONFIRMED", "SHIPPED", "DELIVERED"]);
    tap.heard("order.delivered", 1).await;
    let said: Vec<&str> = tap.all().iter().map(|message| message.routing_key.as_str()).collect();
    let way = ["order.created", "reservation.committed", "order.confirmed", "order.shipped", "order.delivered"];
    assert_eq!(said, way, "each once and in order");
    for message in tap.all() {
        let event = message.event();
        assert_eq!((&event["specversion"], text(&event["type"])), (&json!("1.0"), message.routing_key.as_str()));
        assert_eq!((text(&event["subject"]), text(&event["data"]["reference"])), (reference, reference));
        let source = if message.routing_key.starts_with("order.") { "/order-service" } else { "/inventory-service" };
        assert_eq!(event["source"], source);
    }
    let created = tap.all()[0].event();
    assert_eq!(created["data"]["totalAmount"].to_string(), "2559.97");
    assert_eq!(created["data"]["items"][1]["price"].to_string(), "29.99");
    assert_eq!(created["data"]["customerEmail"], "ada@example.com");
    shop.assert_invariants().await;
}

#[tokio::test]
async fn a_cancelled_order_gives_its_stock_back() {
    let shop = Shop::open().await;
    let mut tap = shop.broker().tap().await;
    for wait_until in ["PENDING", "CONFIRMED"] {
        let placed = shop.place(&[(LAPTOP, 20)]).await;
        let (id, reference) = (int(&placed["id"]), text(&placed["reference"]).to_owned());
        if wait_until == "CONFIRMED" {
            shop.order_becomes(id, "CONFIRMED").await;
        }
        let reason = json!({"reason": "too heavy"});
        shop.orders().post(&format!("/api/orders/{id}/cancel"), reason).await.is(200);
        shop.reservation_becomes(&reference, "RELEASED").await;
        assert_eq!(shop.database.stock(LAPTOP).await, 50);
        // What comes late does not bring it back to life.
        shop.assert_invariants().await;
        assert_eq!(shop.timeline(id).await.last().unwrap(), "CANCELLED");
    }
    let cancelled = tap.heard("order.cancelled", 2).await;
    assert_eq!(cancelled[0].event()["data"]["reason"], "too heavy");
    tap.heard("reservation.released", 2).await;
}

#[tokio::test]
async fn shipping_by_hand_before_the_confirmation_is_kept() {
    let shop = Shop::open().await;
    let id = int(&shop.place(&[(MOUSE, 1)]).await["id"]);
    shop.orders().put(&format!("/api/orders/{id}/status"), json!({"status": "SHIPPED"})).await.is(200);
    shop.assert_invariants().await;
    assert_eq!(shop.timeline(id).await.last().unwrap(), "SHIPPED");
}

#[tokio::test]
async fn falling_stock_is_announced_once() {
    let shop = Shop::open().await;
    let mut tap = shop.broker().tap().await;
    shop.place(&[(LAPTOP, 44)]).await;
    shop.place(&[(LAPTOP, 2)]).await;
    shop.place(&[(LAPTOP, 1)]).await;
    let reduce = format!("/api/inventory/products/{LAPTOP}/reduce-stock");
    shop.inventory().post(&reduce, json!({"quantity": 1})).await.is(200);
    shop.assert_invariants().await;
    let low = tap.heard("stock.low", 1).await;
    assert_eq!(low.len(), 1, "only the step across the threshold counts");
    let said = low[0].event()["data"].clone();
    let threshold = json!({"productId": LAPTOP, "sku": "LAPTOP-001", "stockQuantity": 4, "lowStockThreshold": 5});
    assert_eq!(said, threshold);
}

#[tokio::test]
async fn two_instances_of_each_do_the_work_once() {
    let shop = Shop::plan().pairs(2).open().await;
    let mut tap = shop.broker().tap().await;
    let mut ids = Vec::new();
    for number in 0..30 {
        let body = e2e::samples::order(&[(MOUSE, 1)]);
        let client = shop.order_services[number % 2].client();
        ids.push(int(&client.post("/api/orders", body).await.is(201).json()["id"]));
    }
    shop.assert_invariants().await;
    for id in ids {
        assert_eq!(shop.timeline(id).await, ["PENDING", "CONFIRMED"]);
    }
    for routing_key in ["order.created", "reservation.committed", "order.confirmed"] {
        let mut said: Vec<String> =
            tap.heard(routing_key, 30).await.iter().map(|it| text(&it.event()["subject"]).to_owned()).collect();
        said.sort();
        said.dedup();
        assert_eq!(said.len(), 30, "{routing_key}");
    }
    assert_eq!(shop.database.stock(MOUSE).await, 170);
}
