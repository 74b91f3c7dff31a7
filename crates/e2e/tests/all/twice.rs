//! Promise P5: every step of an order's life, done a second time as a redelivery or a repeat would, changes nothing.

use e2e::broker::event;
use e2e::client::Response;
use e2e::poll;
use e2e::samples::{LAPTOP, MOUSE, int, order, reservation, text};
use e2e::shop::Shop;
use serde_json::{Value, json};

/// Tables whose every row must be the same afterwards.
const TABLES: [&str; 9] = [
    "inventory.products",
    "inventory.stock_movements",
    "inventory.reservations",
    "inventory.reservation_items",
    "inventory.idempotency_keys",
    "orders.orders",
    "orders.order_items",
    "orders.order_status_history",
    "orders.idempotency_keys",
];

async fn contents(shop: &Shop) -> Vec<String> {
    let mut contents = Vec::new();
    for table in TABLES {
        contents.push(table.to_owned());
        contents.extend(shop.database.texts(format!("SELECT t::text FROM {table} t ORDER BY 1")).await);
    }
    contents
}

/// Publishes an event as its sender would if it had committed twice: with an id that no inbox knows. Customers are told
/// beside what has to be waited for.
async fn hear(shop: &Shop, event_type: &str, reference: &str, data: &Value) {
    let event = event(event_type, reference, data.clone());
    shop.broker().publish(event_type, &event.to_string()).await;
    let dealt_with = format!(
        "SELECT (SELECT COUNT(*) FROM orders.inbox
                 WHERE event_id = '{0}' AND consumer <> 'order-service.notifications')
              + (SELECT COUNT(*) FROM inventory.inbox WHERE event_id = '{0}')",
        text(&event["id"])
    );
    poll::eventually(&format!("{event_type} to be dealt with"), async || {
        poll::equal(shop.database.number(dealt_with.as_str()).await, 1)
    })
    .await;
}

async fn place(shop: &Shop) -> Response {
    shop.orders().post("/api/orders", order(&[(LAPTOP, 2), (MOUSE, 1)])).key("order-1").await
}

#[tokio::test]
async fn no_step_has_an_effect_twice() {
    let shop = Shop::open().await;
    let mut tap = shop.broker().tap().await;
    let placed = place(&shop).await.is(201);
    let order = placed.json();
    let (id, reference) = (int(&order["id"]), text(&order["reference"]).to_owned());
    shop.order_becomes(id, "CONFIRMED").await;
    tap.heard("order.confirmed", 1).await;
    let created = json!({
        "orderId": id, "reference": reference, "customerName": "Ada Lovelace", "customerEmail": "ada@example.com",
        "totalAmount": order["totalAmount"], "items": order["items"],
    });
    let changed = json!({"orderId": id, "reference": reference});
    let reservation_path = format!("/api/inventory/reservations/{reference}");

    let before = contents(&shop).await;
    assert_eq!(place(&shop).await.is(201).text, placed.text);
    let wanted = reservation(reference.parse().unwrap(), &[(LAPTOP, 2), (MOUSE, 1)]);
    shop.inventory().post("/api/inventory/reservations", wanted.clone()).await.is(200);
    hear(&shop, "order.created", &reference, &created).await;
    hear(&shop, "reservation.committed", &reference, &json!({"reference": reference})).await;
    shop.inventory().post(&format!("{reservation_path}/commit"), json!({})).await.is(200);
    shop.inventory().post(&format!("{reservation_path}/release"), json!({})).await.is(409);
    shop.orders().put(&format!("/api/orders/{id}/status"), json!({"status": "CONFIRMED"})).await.is(200);
    assert_eq!(contents(&shop).await, before);

    let cancel = format!("/api/orders/{id}/cancel");
    shop.orders().post(&cancel, json!({"reason": "changed my mind"})).await.is(200);
    shop.reservation_becomes(&reference, "RELEASED").await;
    tap.heard("reservation.released", 1).await;

    let before = contents(&shop).await;
    shop.orders().post(&cancel, json!({"reason": "again"})).await.is(200);
    assert_eq!(place(&shop).await.is(201).text, placed.text);
    hear(&shop, "order.cancelled", &reference, &changed).await;
    // Late ones of before count no more.
    hear(&shop, "order.created", &reference, &created).await;
    hear(&shop, "reservation.committed", &reference, &json!({"reference": reference})).await;
    shop.inventory().post(&format!("{reservation_path}/release"), json!({})).await.is(200);
    shop.inventory().post(&format!("{reservation_path}/commit"), json!({})).await.is(409);
    assert_eq!(contents(&shop).await, before);

    // Behind what the services announce comes an order of which nobody spoke before.
    let last = shop.place(&[(MOUSE, 1)]).await;
    shop.order_becomes(int(&last["id"]), "CONFIRMED").await;
    tap.heard("order.confirmed", 2).await;
    let announced: Vec<&str> = tap
        .all()
        .iter()
        .filter(|message| message.body.contains(&reference) && !message.body.contains("/e2e"))
        .map(|message| message.routing_key.as_str())
        .collect();
    let once = ["order.created", "reservation.committed", "order.confirmed", "order.cancelled", "reservation.released"];
    // The late one is told that there is no stock, which a cancelled order has no use for.
    assert_eq!(announced, [&once[..], &["reservation.refused"]].concat());
    shop.assert_invariants().await;
}
