//! Available, reserved and on hand: what orders hold lies on the shelf until it is shipped, and a count leaves it there.

use e2e::broker::event;
use e2e::poll;
use e2e::samples::{HEADSET, LAPTOP, MOUSE, int, reservation, text};
use e2e::shop::Shop;
use serde_json::{Value, json};
use shared_types::topology::INVENTORY_SHIPMENTS;
use std::future::IntoFuture;
use uuid::Uuid;

const RESERVATIONS: &str = "/api/inventory/reservations";

fn path(id: i64, call: &str) -> String {
    format!("/api/inventory/products/{id}/{call}")
}

async fn levels(shop: &Shop, id: i64) -> (i64, i64, i64) {
    let stock = shop.inventory().get(&path(id, "stock")).await.is(200).json();
    (int(&stock["available"]), int(&stock["reserved"]), int(&stock["onHand"]))
}

async fn assert_sound(shop: &Shop) {
    let invariants = shop.inventory().get("/api/admin/invariants").await.is(200);
    assert_eq!(invariants.text, r#"{"holds":true}"#);
}

async fn reserved_becomes(shop: &Shop, id: i64, reserved: i64) {
    poll::eventually(&format!("{reserved} of product {id} to be reserved"), async || {
        poll::equal(levels(shop, id).await.1, reserved)
    })
    .await;
}

async fn hold(shop: &Shop, lines: &[(i64, i64)]) -> Uuid {
    let id = Uuid::now_v7();
    shop.inventory().post(RESERVATIONS, reservation(id, lines)).await.is(201);
    id
}

#[tokio::test]
async fn a_count_leaves_what_is_promised() {
    let shop = Shop::plan().inventory_only().open().await;
    let held = hold(&shop, &[(HEADSET, 3)]).await;
    assert_eq!(levels(&shop, HEADSET).await, (5, 3, 8));
    // Stocktake: all eight pieces lie on the shelf.
    let counted = json!({"counted": 8, "reason": "stocktake"});
    let product = shop.inventory().post(&path(HEADSET, "count"), counted).await.is(200).json();
    assert_eq!((int(&product["stockQuantity"]), int(&product["reserved"])), (5, 3));
    shop.inventory().post(&format!("{RESERVATIONS}/{held}/release"), json!({})).await.is(200);
    assert_eq!(levels(&shop, HEADSET).await, (8, 0, 8), "no piece came from nowhere");
    assert_sound(&shop).await;
}

#[tokio::test]
async fn a_count_is_an_adjustment_and_is_made_once() {
    let shop = Shop::plan().inventory_only().open().await;
    hold(&shop, &[(LAPTOP, 10)]).await;
    let count = |counted: i64, key: &'static str| {
        let body = json!({"counted": counted, "reason": "two were stolen"});
        shop.inventory().post(&path(LAPTOP, "count"), body).key(key)
    };
    let first = count(48, "count-1").await.is(200);
    assert_eq!(int(&first.json()["stockQuantity"]), 38);
    let again = count(48, "count-1").await.is(200);
    assert_eq!((again.text.as_str(), again.header("idempotency-replayed")), (first.text.as_str(), "true"));
    count(47, "count-1").await.problem(422, "idempotency-key-reused");
    let movements = shop.inventory().get(&path(LAPTOP, "movements")).await.is(200).array();
    assert_eq!((text(&movements[0]["reason"]), int(&movements[0]["delta"])), ("ADJUSTMENT", -2));
    assert_eq!((text(&movements[0]["reference"]), movements.len()), ("two were stolen", 3));

    count(10, "count-2").await.is(200);
    assert_eq!(levels(&shop, LAPTOP).await, (0, 10, 10));
    count(9, "count-3").await.problem(409, "counted-too-few");
    let stale = count(20, "count-4").header("if-match", "\"1\"").await;
    stale.problem(412, "precondition-failed");
    for bad in [json!({}), json!({"counted": -1}), json!({"counted": 4_000_000_000_i64}), json!({"counted": "1"})] {
        assert_eq!(shop.inventory().post(&path(LAPTOP, "count"), bad).await.fields_at_fault(), ["counted"]);
    }
    shop.inventory().post(&path(999, "count"), json!({"counted": 1})).await.problem(404, "not-found");
    shop.inventory().get(&path(999, "stock")).await.problem(404, "not-found");
    assert_eq!(levels(&shop, LAPTOP).await, (0, 10, 10));
    assert_sound(&shop).await;
}

#[tokio::test]
async fn pieces_are_reserved_from_holding_to_shipping() {
    let shop = Shop::open().await;
    let [shipped, delivered, cancelled] = [(LAPTOP, 2), (LAPTOP, 3), (LAPTOP, 4)];
    let mut ids = Vec::new();
    for line in [shipped, delivered, cancelled] {
        let id = int(&shop.place(&[line, (MOUSE, 1)]).await["id"]);
        shop.order_becomes(id, "CONFIRMED").await;
        ids.push(id);
    }
    assert_eq!(levels(&shop, LAPTOP).await, (41, 9, 50));
    let status = async |id: i64, status: &str| {
        shop.orders().put(&format!("/api/orders/{id}/status"), json!({"status": status})).await.is(200);
    };
    status(ids[0], "SHIPPED").await;
    reserved_becomes(&shop, LAPTOP, 7).await;
    assert_eq!(levels(&shop, LAPTOP).await, (41, 7, 48));
    // The second of both changes nothing; an order may be delivered without having been shipped.
    status(ids[0], "DELIVERED").await;
    status(ids[1], "DELIVERED").await;
    reserved_becomes(&shop, LAPTOP, 4).await;
    shop.orders().post(&format!("/api/orders/{}/cancel", ids[2]), json!({})).await.is(200);
    reserved_becomes(&shop, LAPTOP, 0).await;
    shop.broker().drained(INVENTORY_SHIPMENTS.name).await;
    assert_eq!((levels(&shop, LAPTOP).await, levels(&shop, MOUSE).await), ((45, 0, 45), (198, 0, 198)));
    shop.assert_invariants().await;
    assert_sound(&shop).await;
}

#[tokio::test]
async fn news_of_a_shipment_counts_once_whenever_it_comes() {
    let shop = Shop::open().await;
    let tell = async |kind: &str, reference: Uuid| {
        let data = json!({"orderId": 1, "reference": reference});
        shop.broker().publish(kind, &event(kind, &reference.to_string(), data).to_string()).await;
    };
    // Shipped before its creation was heard of: held, and no longer reserved.
    let early = hold(&shop, &[(MOUSE, 5)]).await;
    let other = hold(&shop, &[(MOUSE, 7)]).await;
    tell("order.shipped", early).await;
    reserved_becomes(&shop, MOUSE, 7).await;
    for kind in ["order.shipped", "order.delivered", "order.created"] {
        tell(kind, early).await;
    }
    shop.reservation_becomes(&early.to_string(), "COMMITTED").await;
    // News of a reservation that is unknown, or released, change nothing.
    tell("order.shipped", Uuid::now_v7()).await;
    shop.inventory().post(&format!("{RESERVATIONS}/{other}/release"), json!({})).await.is(200);
    tell("order.shipped", other).await;
    shop.broker().drained(INVENTORY_SHIPMENTS.name).await;
    assert_eq!(levels(&shop, MOUSE).await, (195, 0, 195));
    assert_sound(&shop).await;
}

#[tokio::test]
async fn a_sale_without_an_order_is_never_reserved() {
    let shop = Shop::plan().inventory_only().open().await;
    let sale = json!({"productId": LAPTOP, "quantity": 2});
    shop.inventory().post("/api/inventory/reserve-stock", sale).await.is(200);
    assert_eq!(levels(&shop, LAPTOP).await, (48, 0, 48));
    let id = hold(&shop, &[(LAPTOP, 1)]).await;
    for call in ["release", "hold", "commit"] {
        match call {
            "hold" => shop.inventory().post(RESERVATIONS, reservation(id, &[(LAPTOP, 1)])).await.is(201),
            call => shop.inventory().post(&format!("{RESERVATIONS}/{id}/{call}"), json!({})).await.is(200),
        };
        assert_eq!(levels(&shop, LAPTOP).await.1, i64::from(call != "release"), "{call}");
    }
    assert_sound(&shop).await;
}

/// What the build before this one writes, which knows nothing of what is reserved, beside this one.
#[tokio::test]
async fn what_an_earlier_build_writes_is_counted() {
    let shop = Shop::plan().inventory_only().open().await;
    let [held, released, sold] = [(); 3].map(|()| Uuid::now_v7());
    for id in [held, released, sold] {
        let statement = format!(
            "WITH held AS (INSERT INTO inventory.reservations (id, status, expires_at)
                           VALUES ('{id}', 'HELD', now() + INTERVAL '1 hour')),
             written AS (INSERT INTO inventory.reservation_items
                             (reservation_id, product_id, sku, name, quantity, unit_price)
                         VALUES ('{id}', {LAPTOP}, 'LAPTOP-001', 'Laptop', 2, 1), ('{id}', {MOUSE}, 'M', 'Mouse', 1, 1)),
             recorded AS (INSERT INTO inventory.stock_movements (product_id, delta, reason, reference, balance_after)
                          SELECT id, CASE id WHEN {LAPTOP} THEN -2 ELSE -1 END, 'SALE', '{id}',
                                 stock_quantity - CASE id WHEN {LAPTOP} THEN 2 ELSE 1 END
                          FROM inventory.products WHERE id IN ({LAPTOP}, {MOUSE}))
             UPDATE inventory.products
             SET stock_quantity = stock_quantity - CASE id WHEN {LAPTOP} THEN 2 ELSE 1 END, version = version + 1
             WHERE id IN ({LAPTOP}, {MOUSE})"
        );
        shop.database.execute(statement).await;
    }
    assert_eq!((levels(&shop, LAPTOP).await.1, levels(&shop, MOUSE).await.1), (6, 3));
    assert_sound(&shop).await;
    let status = async |id: Uuid, change: &str| {
        let update = "UPDATE inventory.reservations SET version = version + 1, updated_at = clock_timestamp()";
        shop.database.execute(format!("{update}, {change} WHERE id = '{id}'")).await;
        levels(&shop, LAPTOP).await.1
    };
    let give_back = format!(
        "WITH back AS (INSERT INTO inventory.stock_movements (product_id, delta, reason, reference, balance_after)
                       SELECT id, CASE id WHEN {LAPTOP} THEN 2 ELSE 1 END, 'RELEASE', '{released}',
                              stock_quantity + CASE id WHEN {LAPTOP} THEN 2 ELSE 1 END
                       FROM inventory.products WHERE id IN ({LAPTOP}, {MOUSE}))
         UPDATE inventory.products SET stock_quantity = stock_quantity + CASE id WHEN {LAPTOP} THEN 2 ELSE 1 END
         WHERE id IN ({LAPTOP}, {MOUSE})"
    );
    shop.database.execute(give_back).await;
    assert_eq!(status(released, "status = 'RELEASED'").await, 4);
    assert_eq!(status(held, "status = 'COMMITTED'").await, 4);
    assert_eq!(status(sold, "status = 'COMMITTED'").await, 4);
    assert_eq!(status(sold, "direct = TRUE").await, 2);
    assert_sound(&shop).await;
    assert_eq!(status(released, "status = 'HELD'").await, 4);
    assert_eq!(status(released, "status = 'RELEASED'").await, 2);
    // This build goes on with what that one began.
    shop.inventory().post(RESERVATIONS, reservation(released, &[(LAPTOP, 2), (MOUSE, 1)])).await.is(201);
    shop.inventory().post(&format!("{RESERVATIONS}/{released}/release"), json!({})).await.is(200);
    assert_eq!((levels(&shop, LAPTOP).await.1, levels(&shop, MOUSE).await.1), (2, 1));
    assert_sound(&shop).await;
}

#[tokio::test]
async fn what_was_held_before_reservations_were_counted_is_counted_once() {
    let shop = Shop::plan().inventory_only().open().await;
    let held = hold(&shop, &[(LAPTOP, 3), (MOUSE, 2)]).await;
    let committed = hold(&shop, &[(LAPTOP, 4)]).await;
    shop.inventory().post(&format!("{RESERVATIONS}/{committed}/commit"), json!({})).await.is(200);
    // As before the migration: nothing is counted.
    shop.database.execute("UPDATE inventory.reservations SET reserved = NULL").await;
    shop.database.execute("UPDATE inventory.products SET reserved = 0").await;
    let migration = include_str!("../../../../migrations/inventory-service/0012_count_what_is_held.sql");
    for _ in 0..2 {
        sqlx::raw_sql(migration).execute(shop.database.pool()).await.unwrap();
        assert_eq!((levels(&shop, LAPTOP).await.1, levels(&shop, MOUSE).await.1), (3, 2));
    }
    // What was committed before counts as shipped, also when its order is cancelled.
    assert_sound(&shop).await;
    shop.inventory().post(&format!("{RESERVATIONS}/{held}/release"), json!({})).await.is(200);
    assert_eq!(levels(&shop, LAPTOP).await, (46, 0, 46));
    let reserved: Vec<Value> = shop.inventory().get("/api/inventory/products").await.is(200).array();
    assert!(reserved.iter().all(|product| int(&product["reserved"]) == 0));
}

#[tokio::test]
async fn a_release_that_meets_its_reservation_comes_before_it_or_after_it() {
    let shop = Shop::plan().inventory_only().open().await;
    let before = levels(&shop, MOUSE).await;
    let id = Uuid::now_v7();
    // The release finds no reservation to lock. Before it looks for its lines, the reservation is there.
    let mut reserving = shop.database.lock("LOCK TABLE inventory.reservation_items IN ACCESS EXCLUSIVE MODE").await;
    let reserve = format!(
        "WITH held AS (
             INSERT INTO inventory.reservations (id, status, expires_at, reserved)
             VALUES ('{id}', 'HELD', now() + INTERVAL '1 hour', TRUE)),
         items AS (
             INSERT INTO inventory.reservation_items (reservation_id, product_id, sku, name, quantity, unit_price)
             SELECT '{id}', id, sku, name, 2, price FROM inventory.products WHERE id = {MOUSE}),
         moved AS (
             INSERT INTO inventory.stock_movements (product_id, delta, reason, reference, balance_after)
             SELECT id, -2, 'SALE', '{id}', stock_quantity - 2 FROM inventory.products WHERE id = {MOUSE})
         UPDATE inventory.products SET stock_quantity = stock_quantity - 2, reserved = reserved + 2 WHERE id = {MOUSE}"
    );
    sqlx::query(sqlx::AssertSqlSafe(reserve)).execute(&mut *reserving).await.unwrap();
    let release = shop.inventory().post(&format!("{RESERVATIONS}/{id}/release"), json!({}));
    let released = tokio::spawn(release.into_future());
    shop.database.somebody_waits_in("WHERE r.id = ANY($1)").await;
    reserving.commit().await.unwrap();
    released.await.unwrap().problem(404, "not-found");
    assert_sound(&shop).await;
    shop.inventory().post(&format!("{RESERVATIONS}/{id}/release"), json!({})).await.is(200);
    assert_eq!(levels(&shop, MOUSE).await, before);
    assert_sound(&shop).await;
}
