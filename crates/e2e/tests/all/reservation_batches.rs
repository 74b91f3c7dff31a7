//! Many reservations in one call to inventory-service: each is decided on its own.

use e2e::samples::{HEADSET, LAPTOP, MOUSE, reservation};
use e2e::shop::Shop;
use serde_json::{Value, json};
use uuid::Uuid;

const BATCH: &str = "/api/inventory/reservations/batch";

fn statuses(outcomes: &[Value]) -> Vec<String> {
    outcomes.iter().map(|outcome| outcome["status"].to_string()).collect()
}

#[tokio::test]
async fn one_bad_reservation_does_not_harm_its_neighbours() {
    let shop = Shop::plan().inventory_only().open().await;
    let held = Uuid::now_v7();
    let known = reservation(held, &[(MOUSE, 1)]);
    shop.inventory().post("/api/inventory/reservations", known.clone()).await.is(201);
    let twin = reservation(Uuid::now_v7(), &[(LAPTOP, 1)]);
    let batch = json!({"reservations": [
        reservation(Uuid::now_v7(), &[(LAPTOP, 2), (MOUSE, 1)]),
        reservation(Uuid::now_v7(), &[(HEADSET, 9), (LAPTOP, 1)]),
        reservation(Uuid::now_v7(), &[(999, 1)]),
        known,
        reservation(held, &[(MOUSE, 2)]),
        twin.clone(),
        twin,
    ]});
    let outcomes = shop.inventory().post(BATCH, batch.clone()).await.is(200).array();
    assert_eq!(statuses(&outcomes), ["201", "409", "422", "200", "422", "201", "200"]);
    assert_eq!(outcomes[0]["body"]["status"], "HELD");
    assert_eq!(outcomes[0]["body"]["id"], batch["reservations"][0]["id"]);
    assert_eq!(outcomes[1]["body"]["type"], "/problems/insufficient-stock");
    assert_eq!(outcomes[1]["body"]["items"], json!([{"productId": HEADSET, "requested": 9, "available": 8}]));
    assert_eq!(outcomes[2]["body"]["type"], "/problems/unknown-product");
    assert_eq!(outcomes[4]["body"]["type"], "/problems/reservation-mismatch");
    let stock =
        (shop.database.stock(LAPTOP).await, shop.database.stock(MOUSE).await, shop.database.stock(HEADSET).await);
    assert_eq!(stock, (47, 198, 8));
    assert!(shop.database.texts("SELECT sku FROM inventory.stock_breaches").await.is_empty());
}

#[tokio::test]
async fn what_was_held_before_is_found_whatever_its_batch_comes_to() {
    let shop = Shop::plan().inventory_only().open().await;
    let reserve = async |wishes: Vec<Value>| {
        let batch = json!({"reservations": wishes});
        statuses(&shop.inventory().post(BATCH, batch).await.is(200).array())
    };
    let fresh = |product: i64, pieces: i64| reservation(Uuid::now_v7(), &[(product, pieces)]);
    let known = fresh(HEADSET, 8);
    assert_eq!(reserve(vec![known.clone()]).await, ["201"]);
    // All could be held, as far as the stock goes; then nothing of the product is left.
    let cheap = fresh(MOUSE, 1);
    assert_eq!(reserve(vec![cheap.clone(), fresh(LAPTOP, 1)]).await, ["201", "201"]);
    assert_eq!(reserve(vec![fresh(LAPTOP, 1), cheap, fresh(LAPTOP, 1)]).await, ["201", "200", "201"]);
    assert_eq!(reserve(vec![known.clone()]).await, ["200"]);
    assert_eq!(reserve(vec![fresh(HEADSET, 1), known]).await, ["409", "200"]);
    let stock =
        [shop.database.stock(HEADSET).await, shop.database.stock(MOUSE).await, shop.database.stock(LAPTOP).await];
    assert_eq!(stock, [0, 199, 47]);
}

#[tokio::test]
async fn the_last_pieces_go_to_the_first_in_the_batch() {
    let shop = Shop::plan().inventory_only().open().await;
    let wishes: Vec<Value> = (0..5).map(|_| reservation(Uuid::now_v7(), &[(HEADSET, 3)])).collect();
    let outcomes = shop.inventory().post(BATCH, json!({"reservations": wishes})).await.is(200).array();
    assert_eq!(statuses(&outcomes), ["201", "201", "409", "409", "409"]);
    assert_eq!(outcomes[2]["body"]["items"][0]["available"].to_string(), "2");
    assert_eq!(shop.database.stock(HEADSET).await, 2);
}

#[tokio::test]
async fn a_batch_has_its_bounds() {
    let shop = Shop::plan().inventory_only().open().await;
    let batch = |count: usize| {
        let wishes: Vec<Value> = (0..count).map(|_| reservation(Uuid::now_v7(), &[(MOUSE, 1)])).collect();
        json!({"reservations": wishes})
    };
    shop.inventory().post(BATCH, batch(257)).await.is(400);
    shop.inventory().post(BATCH, batch(0)).await.is(400);
    assert_eq!(shop.database.stock(MOUSE).await, 200);
    let outcomes = shop.inventory().post(BATCH, batch(256)).await.is(200).array();
    let held = outcomes.iter().filter(|outcome| outcome["status"] == 201).count();
    assert_eq!((outcomes.len(), held), (256, 200));
    assert_eq!(shop.database.stock(MOUSE).await, 0);
}
