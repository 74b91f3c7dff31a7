//! Reads of single products are kept for a moment, and are never older than what their instance has committed.

use e2e::poll;
use e2e::samples::{LAPTOP, MOUSE, int, reservation, text};
use e2e::shop::Shop;
use serde_json::{Value, json};
use uuid::Uuid;

fn path(id: i64) -> String {
    format!("/api/inventory/products/{id}")
}

/// Reads a product twice, so that the second answer may be a kept one, and gives that.
async fn read(shop: &Shop, id: i64) -> Value {
    shop.inventory().get(&path(id)).await.is(200);
    shop.inventory().get(&path(id)).await.is(200).json()
}

async fn stock(shop: &Shop, id: i64) -> i64 {
    int(&read(shop, id).await["stockQuantity"])
}

#[tokio::test]
async fn a_read_sees_every_change_of_its_instance() {
    let shop = Shop::open().await;
    let inventory = shop.inventory();
    assert_eq!(stock(&shop, LAPTOP).await, 50);

    inventory.post(&format!("{}/add-stock", path(LAPTOP)), json!({"quantity": 5})).await.is(200);
    assert_eq!(stock(&shop, LAPTOP).await, 55);
    inventory.post(&format!("{}/reduce-stock", path(LAPTOP)), json!({"quantity": 3})).await.is(200);
    assert_eq!(stock(&shop, LAPTOP).await, 52);

    let held = Uuid::now_v7();
    inventory.post("/api/inventory/reservations", reservation(held, &[(LAPTOP, 2)])).await.is(201);
    assert_eq!(stock(&shop, LAPTOP).await, 50);
    inventory.post(&format!("/api/inventory/reservations/{held}/release"), json!({})).await.is(200);
    assert_eq!(stock(&shop, LAPTOP).await, 52);
    let batch = json!({"reservations": [reservation(Uuid::now_v7(), &[(LAPTOP, 2)])]});
    inventory.post("/api/inventory/reservations/batch", batch).await.is(200);
    assert_eq!(stock(&shop, LAPTOP).await, 50);
    inventory.post("/api/inventory/reserve-stock", json!({"productId": LAPTOP, "quantity": 1})).await.is(200);
    assert_eq!(stock(&shop, LAPTOP).await, 49);

    let mut changed = read(&shop, LAPTOP).await;
    changed["name"] = json!("Laptop Pro 16");
    inventory.put(&path(LAPTOP), changed).await.is(200);
    assert_eq!(text(&read(&shop, LAPTOP).await["name"]), "Laptop Pro 16");
    inventory.delete(&path(LAPTOP)).await.is(200);
    inventory.get(&path(LAPTOP)).await.is(404);
}

#[tokio::test]
async fn a_read_sees_what_a_message_changed() {
    let shop = Shop::open().await;
    let placed = shop.place(&[(MOUSE, 7)]).await;
    assert_eq!(stock(&shop, MOUSE).await, 193);
    let cancel = format!("/api/orders/{}/cancel", int(&placed["id"]));
    shop.orders().post(&cancel, json!({})).await.is(200);
    poll::eventually("the stock to come back", async || {
        // Whenever the row says so, the read, which begins later, must say so too.
        let row = shop.database.stock(MOUSE).await;
        let read = int(&shop.inventory().get(&path(MOUSE)).await.is(200).json()["stockQuantity"]);
        poll::equal((row, read), (200, 200))
    })
    .await;
}

#[tokio::test]
async fn a_read_sees_the_change_of_another_instance_before_long() {
    let shop = Shop::plan().inventory_only().pairs(2).open().await;
    let other = shop.inventory_services[1].client();
    assert_eq!(stock(&shop, MOUSE).await, 200);
    other.post(&format!("{}/add-stock", path(MOUSE)), json!({"quantity": 1})).await.is(200);
    poll::eventually("the other instance's change", async || poll::equal(stock(&shop, MOUSE).await, 201)).await;
}
