//! Promise P3: no stock stays held without an order for longer than the window, and none is given back that has one.

use e2e::poll;
use e2e::samples::{LAPTOP, MOUSE, int, order, reservation, text};
use e2e::shop::{Plan, Shop};
use reqwest::Method;
use serde_json::{Value, json};
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
async fn stock_that_was_committed_by_hand_without_an_order_goes_back() {
    let shop = short_window().open().await;
    let (id, sold) = (Uuid::now_v7(), json!({"productId": LAPTOP, "quantity": 1}));
    shop.inventory().post("/api/inventory/reservations", reservation(id, &[(LAPTOP, 7)])).await.is(201);
    let commit = format!("/api/inventory/reservations/{id}/commit");
    for _ in 0..2 {
        let committed = shop.inventory().call(Method::POST, &commit).await.is(200).json();
        assert_eq!(committed["status"], "COMMITTED");
    }
    assert_eq!(unclaimed(&shop).await, [id.to_string()]);
    let sold = shop.inventory().post("/api/inventory/reserve-stock", sold).await.is(200).json();
    shop.reservation_becomes(&id.to_string(), "RELEASED").await;
    let early = "SELECT COUNT(*) FROM inventory.reservations
                 WHERE status = 'RELEASED' AND updated_at < created_at + INTERVAL '2 seconds'";
    assert_eq!(shop.database.number(early).await, 0, "given back before the window was over");
    // A direct sale needs no order.
    shop.reservation_becomes(text(&sold["id"]), "COMMITTED").await;
    assert!(unclaimed(&shop).await.is_empty());
    assert_eq!(shop.database.stock(LAPTOP).await, 49);
    assert_eq!(shop.inventory().get("/api/admin/invariants").await.is(200).text, r#"{"holds":true}"#);
}

#[tokio::test]
async fn stock_that_was_committed_by_hand_stays_with_its_order() {
    let shop = short_window().open().await;
    let placed = shop.place(&[(LAPTOP, 7)]).await;
    let reference = text(&placed["reference"]);
    let commit = format!("/api/inventory/reservations/{reference}/commit");
    shop.inventory().call(Method::POST, &commit).await.is(200);
    assert_eq!(unclaimed(&shop).await, [reference]);
    poll::eventually("the order to claim its stock", async || poll::equal(unclaimed(&shop).await.len(), 0)).await;
    shop.reservation_becomes(reference, "COMMITTED").await;
    assert_eq!(shop.database.stock(LAPTOP).await, 43);
    // An order whose status is set claims its stock at once.
    let placed = shop.place(&[(LAPTOP, 1)]).await;
    let path = format!("/api/orders/{}/status", int(&placed["id"]));
    shop.orders().put(&path, json!({"status": "CONFIRMED"})).await.is(200);
    assert!(unclaimed(&shop).await.is_empty());
    shop.reservation_becomes(text(&placed["reference"]), "COMMITTED").await;
    assert_eq!(shop.inventory().get("/api/admin/invariants").await.is(200).text, r#"{"holds":true}"#);
}

/// The reservations that were committed by hand, and that no order has claimed.
async fn unclaimed(shop: &Shop) -> Vec<String> {
    let path = "/api/inventory/reservations?unclaimedBefore=2099-01-01T00:00:00Z";
    shop.inventory().get(path).await.is(200).array().iter().map(|it| text(&it["id"]).to_owned()).collect()
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

/// An order-service that died under load, or somebody else, left many.
#[tokio::test]
async fn thousands_of_abandoned_reservations_go_back_together() {
    let shop = Shop::plan().window(4).open().await;
    let kept = text(&shop.place(&[(LAPTOP, 1)]).await["reference"]).to_owned();
    shop.inventory()
        .post(&format!("/api/inventory/products/{MOUSE}/add-stock"), json!({"quantity": 10_000}))
        .await
        .is(200);
    let calls: Vec<_> = (0..12)
        .map(|_| {
            let wishes: Vec<Value> = (0..256).map(|_| reservation(Uuid::now_v7(), &[(MOUSE, 1)])).collect();
            let (client, body) = (shop.inventory().clone(), json!({"reservations": wishes}));
            tokio::spawn(async move { client.post("/api/inventory/reservations/batch", body).await.is(200) })
        })
        .collect();
    for call in calls {
        call.await.unwrap();
    }
    assert_eq!(shop.database.stock(MOUSE).await, 10_200 - 12 * 256);
    poll::eventually("the stock to come back", async || poll::equal(shop.database.stock(MOUSE).await, 10_200)).await;
    let late = "SELECT COALESCE(ceil(extract(epoch FROM max(updated_at - expires_at))), 0)::bigint
                FROM inventory.reservations WHERE status = 'RELEASED'";
    let seconds = shop.database.number(late).await;
    assert!(seconds <= 10, "the last one came back {seconds} s after its term");
    shop.reservation_becomes(&kept, "COMMITTED").await;
    assert_eq!(shop.inventory().get("/api/admin/invariants").await.is(200).text, r#"{"holds":true}"#);
}

#[tokio::test]
async fn one_that_cannot_be_settled_keeps_no_other_from_it() {
    let shop = short_window().open().await;
    shop.database.refuse_changes(MOUSE, "23514").await;
    let [stuck, free] = [(MOUSE, 1), (LAPTOP, 7)].map(|line| (Uuid::now_v7(), line));
    for (id, line) in [stuck, free] {
        shop.inventory().post("/api/inventory/reservations", reservation(id, &[line])).await.is(201);
    }
    shop.reservation_becomes(&free.0.to_string(), "RELEASED").await;
    let path = format!("/api/inventory/reservations/{}", stuck.0);
    assert_eq!(shop.inventory().get(&path).await.is(200).json()["status"], "HELD");
    shop.database.accept_changes().await;
    shop.reservation_becomes(&stuck.0.to_string(), "RELEASED").await;
}

#[tokio::test]
async fn many_are_settled_in_one_call() {
    let shop = Shop::plan().inventory_only().open().await;
    let settle = async |body: Value| shop.inventory().post("/api/inventory/reservations/settle", body).await;
    let [one, two, three, unknown] = [(); 4].map(|()| Uuid::now_v7());
    for id in [one, two, three] {
        shop.inventory().post("/api/inventory/reservations", reservation(id, &[(LAPTOP, 2)])).await.is(201);
    }
    let settled = settle(json!({"commit": [one], "release": [two, unknown], "later": true})).await.is(200).json();
    assert_eq!(settled, json!({"settled": [one, two]}));
    // One that is the other already stays as it is.
    let settled = settle(json!({"commit": [two, one], "release": [three]})).await.is(200).json();
    assert_eq!(settled, json!({"settled": [one, three]}));
    assert_eq!(settle(json!({"release": [one]})).await.is(200).json(), json!({"settled": []}));
    assert_eq!(settle(json!({"commit": [one], "release": [one]})).await.fields_at_fault(), ["release"]);
    assert_eq!(shop.database.stock(LAPTOP).await, 48);
    assert_eq!(settle(json!({})).await.is(200).json(), json!({"settled": []}));
    assert_eq!(settle(json!({"release": vec![one; 257]})).await.fields_at_fault(), ["release"]);
}
