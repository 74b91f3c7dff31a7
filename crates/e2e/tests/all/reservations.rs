//! Reservations at inventory-service: stock held for an order, committed or given back.

use e2e::pages;
use e2e::samples::{HEADSET, KEYBOARD, LAPTOP, MONITOR, MOUSE, int, reservation, text};
use e2e::shop::Shop;
use serde_json::{Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use uuid::Uuid;

const RESERVATIONS: &str = "/api/inventory/reservations";

async fn inventory() -> Shop {
    Shop::plan().inventory_only().open().await
}

fn at(value: &Value) -> OffsetDateTime {
    OffsetDateTime::parse(text(value), &Rfc3339).unwrap()
}

async fn hold(shop: &Shop, lines: &[(i64, i64)]) -> Uuid {
    let id = Uuid::now_v7();
    shop.inventory().post(RESERVATIONS, reservation(id, lines)).await.is(201);
    id
}

async fn assert_stock_explained(shop: &Shop) {
    assert!(shop.database.texts("SELECT sku FROM inventory.stock_breaches").await.is_empty());
}

#[tokio::test]
async fn stock_is_held_with_names_and_prices() {
    let shop = inventory().await;
    let id = Uuid::now_v7();
    let held = shop.inventory().post(RESERVATIONS, reservation(id, &[(MONITOR, 2), (LAPTOP, 3)])).await.is(201);
    let body = held.json();
    assert_eq!((&body["id"], &body["status"]), (&json!(id), &json!("HELD")));
    let lines: Vec<_> = body["items"].as_array().unwrap().iter().map(|line| int(&line["productId"])).collect();
    assert_eq!(lines, [LAPTOP, MONITOR], "by product id");
    let monitor = &body["items"][1];
    assert_eq!((text(&monitor["sku"]), text(&monitor["name"])), ("MONITOR-001", "Monitor 27 4K"));
    assert_eq!((int(&monitor["quantity"]), monitor["unitPrice"].to_string()), (2, "599.90".to_owned()));
    assert_eq!(at(&body["expiresAt"]) - at(&body["createdAt"]), time::Duration::seconds(45));
    assert_eq!((shop.database.stock(LAPTOP).await, shop.database.stock(MONITOR).await), (47, 28));
    let movements = format!("/api/inventory/products/{LAPTOP}/movements");
    let movement = &shop.inventory().get(&movements).await.is(200).array()[0];
    assert_eq!((int(&movement["delta"]), text(&movement["reason"])), (-3, "SALE"));
    assert_eq!(movement["reference"], json!(id));
    let found = shop.inventory().get(&format!("{RESERVATIONS}/{id}")).await.is(200).json();
    assert_eq!(found, body);
    assert_stock_explained(&shop).await;
}

#[tokio::test]
async fn asking_twice_holds_once() {
    let shop = inventory().await;
    let id = Uuid::now_v7();
    let first = shop.inventory().post(RESERVATIONS, reservation(id, &[(LAPTOP, 3), (MOUSE, 1)])).await.is(201);
    let again = shop.inventory().post(RESERVATIONS, reservation(id, &[(MOUSE, 1), (LAPTOP, 3)])).await.is(200);
    assert_eq!(again.text, first.text);
    shop.inventory().post(&format!("{RESERVATIONS}/{id}/commit"), json!({})).await.is(200);
    let committed = shop.inventory().post(RESERVATIONS, reservation(id, &[(LAPTOP, 3), (MOUSE, 1)])).await.is(200);
    assert_eq!(committed.json()["status"], "COMMITTED");
    assert_eq!(shop.database.stock(LAPTOP).await, 47);
}

#[tokio::test]
async fn the_same_id_with_other_items_is_refused() {
    let shop = inventory().await;
    let id = hold(&shop, &[(LAPTOP, 3)]).await;
    for lines in [vec![(LAPTOP, 4)], vec![(MOUSE, 3)], vec![(LAPTOP, 3), (MOUSE, 1)]] {
        let refused = shop.inventory().post(RESERVATIONS, reservation(id, &lines)).await;
        refused.problem(422, "reservation-mismatch");
    }
    assert_eq!((shop.database.stock(LAPTOP).await, shop.database.stock(MOUSE).await), (47, 200));
}

#[tokio::test]
async fn all_lines_that_lack_stock_are_named_and_nothing_is_held() {
    let shop = inventory().await;
    let id = Uuid::now_v7();
    let lines = [(LAPTOP, 51), (MOUSE, 1), (HEADSET, 9)];
    let refused = shop.inventory().post(RESERVATIONS, reservation(id, &lines)).await;
    let problem = refused.problem(409, "insufficient-stock");
    let short = json!([
        {"productId": LAPTOP, "requested": 51, "available": 50},
        {"productId": HEADSET, "requested": 9, "available": 8},
    ]);
    assert_eq!(problem["items"], short);
    for said in ["LAPTOP-001: 51 requested, 50 available", "HEADSET-001: 9 requested, 8 available"] {
        assert!(text(&problem["detail"]).contains(said), "{problem}");
    }
    shop.inventory().get(&format!("{RESERVATIONS}/{id}")).await.problem(404, "not-found");
    assert_eq!(shop.database.stock(MOUSE).await, 200);
    // A refusal is not remembered: with less it is held.
    shop.inventory().post(RESERVATIONS, reservation(id, &[(LAPTOP, 50)])).await.is(201);
    assert_eq!(shop.database.stock(LAPTOP).await, 0);
    assert_stock_explained(&shop).await;
}

#[tokio::test]
async fn unknown_inactive_and_deleted_products_are_not_sold() {
    let shop = inventory().await;
    let mut inactive = e2e::samples::product("KEYBOARD-001", "149.99", 75);
    inactive["active"] = json!(false);
    shop.inventory().put(&format!("/api/inventory/products/{KEYBOARD}"), inactive).await.is(200);
    shop.inventory().delete(&format!("/api/inventory/products/{MONITOR}")).await.is(200);
    for product in [999, KEYBOARD, MONITOR] {
        let body = reservation(Uuid::now_v7(), &[(LAPTOP, 1), (product, 1)]);
        let refused = shop.inventory().post(RESERVATIONS, body).await;
        let problem = refused.problem(422, "unknown-product");
        assert!(text(&problem["detail"]).contains(&product.to_string()), "{problem}");
    }
    assert_eq!(shop.database.stock(LAPTOP).await, 50);
}

#[tokio::test]
async fn a_bad_reservation_names_its_fields() {
    let shop = inventory().await;
    let refuse = async |body: Value| shop.inventory().post(RESERVATIONS, body).await;
    let id = Uuid::now_v7();
    assert_eq!(refuse(reservation(id, &[])).await.fields_at_fault(), ["items"]);
    let zero = refuse(reservation(id, &[(LAPTOP, 1), (MOUSE, 0)])).await;
    assert_eq!(zero.fields_at_fault(), ["items[1].quantity"]);
    let many: Vec<(i64, i64)> = (1..=101).map(|product| (product, 1)).collect();
    assert_eq!(refuse(reservation(id, &many)).await.fields_at_fault(), ["items"]);
    let mut no_uuid = reservation(id, &[(LAPTOP, 1)]);
    no_uuid["id"] = json!("seven");
    assert_eq!(refuse(no_uuid).await.fields_at_fault(), ["id"]);
    refuse(json!({"id": id})).await.is(400);
    refuse(json!({})).await.is(400);
    assert_eq!(shop.database.number("SELECT COUNT(*) FROM inventory.reservations").await, 0);
}

#[tokio::test]
async fn held_stock_is_committed_once_and_then_not_released() {
    let shop = inventory().await;
    let id = hold(&shop, &[(LAPTOP, 3)]).await;
    for _ in 0..2 {
        let committed = shop.inventory().post(&format!("{RESERVATIONS}/{id}/commit"), json!({})).await.is(200);
        assert_eq!(committed.json()["status"], "COMMITTED");
    }
    let refused = shop.inventory().post(&format!("{RESERVATIONS}/{id}/release"), json!({})).await.is(409);
    assert_eq!(refused.header("content-type"), "application/problem+json");
    assert_eq!(shop.database.stock(LAPTOP).await, 47);
    assert_stock_explained(&shop).await;
}

#[tokio::test]
async fn held_stock_is_released_once_and_then_not_committed() {
    let shop = inventory().await;
    let id = hold(&shop, &[(LAPTOP, 3), (MOUSE, 2)]).await;
    for _ in 0..2 {
        let released = shop.inventory().post(&format!("{RESERVATIONS}/{id}/release"), json!({})).await.is(200);
        assert_eq!(released.json()["status"], "RELEASED");
    }
    assert_eq!((shop.database.stock(LAPTOP).await, shop.database.stock(MOUSE).await), (50, 200));
    shop.inventory().post(&format!("{RESERVATIONS}/{id}/commit"), json!({})).await.is(409);
    let movement = format!("/api/inventory/products/{LAPTOP}/movements");
    let movement = &shop.inventory().get(&movement).await.is(200).array()[0];
    assert_eq!((int(&movement["delta"]), text(&movement["reason"])), (3, "RELEASE"));
    assert_stock_explained(&shop).await;

    // Asked for again, as a client does whose order was given up: the stock is held anew.
    let anew = shop.inventory().post(RESERVATIONS, reservation(id, &[(LAPTOP, 3), (MOUSE, 2)])).await;
    assert!(matches!(anew.status, 200 | 201), "{} {}", anew.status, anew.text);
    assert_eq!(anew.json()["status"], "HELD");
    assert!(at(&anew.json()["expiresAt"]) > OffsetDateTime::now_utc() + time::Duration::seconds(40));
    assert_eq!(shop.database.stock(LAPTOP).await, 47);
    assert_stock_explained(&shop).await;
}

#[tokio::test]
async fn an_unknown_reservation_is_not_found() {
    let shop = inventory().await;
    let id = Uuid::now_v7();
    shop.inventory().get(&format!("{RESERVATIONS}/{id}")).await.problem(404, "not-found");
    for verb in ["commit", "release"] {
        shop.inventory().post(&format!("{RESERVATIONS}/{id}/{verb}"), json!({})).await.problem(404, "not-found");
    }
    shop.inventory().get(&format!("{RESERVATIONS}/seven")).await.problem(400, "invalid-path");
}

#[tokio::test]
async fn reservations_are_listed_by_status_and_age() {
    let shop = inventory().await;
    let mut held = Vec::new();
    for _ in 0..5 {
        held.push(hold(&shop, &[(MOUSE, 1)]).await);
    }
    let committed = hold(&shop, &[(MOUSE, 1)]).await;
    shop.inventory().post(&format!("{RESERVATIONS}/{committed}/commit"), json!({})).await.is(200);
    let mut listed: Vec<String> = pages::all(shop.inventory(), &format!("{RESERVATIONS}?status=HELD"), 2)
        .await
        .iter()
        .map(|row| text(&row["id"]).to_owned())
        .collect();
    listed.sort();
    assert_eq!(listed, held.iter().map(Uuid::to_string).collect::<Vec<_>>(), "ids ascend in time");
    assert_eq!(pages::all(shop.inventory(), RESERVATIONS, 4).await.len(), 6);

    let third = shop.inventory().get(&format!("{RESERVATIONS}/{}", held[2])).await.is(200).json();
    let before = text(&third["createdAt"]);
    let older = pages::all(shop.inventory(), &format!("{RESERVATIONS}?status=HELD&heldBefore={before}"), 1).await;
    assert_eq!(older.len(), 2, "{older:?}");
    let committed_ones = pages::all(shop.inventory(), &format!("{RESERVATIONS}?status=COMMITTED"), 1).await;
    assert_eq!(committed_ones[0]["id"], json!(committed));
    let refused = shop.inventory().get(&format!("{RESERVATIONS}?status=LOST&heldBefore=noon")).await;
    assert_eq!(refused.fields_at_fault(), ["heldBefore", "status"]);
    let both = "heldBefore=2099-01-01T00:00:00Z&unclaimedBefore=2099-01-01T00:00:00Z";
    for other in [both, "status=HELD&unclaimedBefore=2099-01-01T00:00:00Z"] {
        let refused = shop.inventory().get(&format!("{RESERVATIONS}?{other}")).await;
        assert_eq!(refused.fields_at_fault(), ["unclaimedBefore"]);
    }
}

#[tokio::test]
async fn older_clients_reserve_one_product_committed_at_once() {
    let shop = inventory().await;
    let reserve = async |body: Value| shop.inventory().post("/api/inventory/reserve-stock", body).await;
    let reserved = reserve(json!({"productId": LAPTOP, "quantity": 2})).await.is(200).json();
    assert_eq!(reserved["status"], "COMMITTED");
    assert_eq!((int(&reserved["items"][0]["productId"]), int(&reserved["items"][0]["quantity"])), (LAPTOP, 2));
    assert_eq!(shop.database.stock(LAPTOP).await, 48);
    let path = format!("{RESERVATIONS}/{}", text(&reserved["id"]));
    assert_eq!(shop.inventory().get(&path).await.is(200).json(), reserved);
    let short = reserve(json!({"productId": LAPTOP, "quantity": 49})).await.problem(409, "insufficient-stock");
    assert_eq!(short["items"], json!([{"productId": LAPTOP, "requested": 49, "available": 48}]));
    reserve(json!({"productId": 999, "quantity": 1})).await.problem(422, "unknown-product");
    assert_eq!(reserve(json!({"productId": LAPTOP, "quantity": 0})).await.fields_at_fault(), ["quantity"]);
    reserve(json!({})).await.is(400);
    assert_stock_explained(&shop).await;
}

#[tokio::test]
async fn the_nil_uuid_is_no_reference() {
    let shop = inventory().await;
    let nil = reservation(Uuid::nil(), &[(LAPTOP, 1)]);
    assert_eq!(shop.inventory().post(RESERVATIONS, nil.clone()).await.fields_at_fault(), ["id"]);
    let batch = json!({"reservations": [nil, reservation(Uuid::max(), &[(LAPTOP, 1)])]});
    let outcomes = shop.inventory().post(&format!("{RESERVATIONS}/batch"), batch).await.is(200).array();
    assert_eq!((int(&outcomes[0]["status"]), int(&outcomes[1]["status"])), (400, 201));
    assert_eq!(text(&outcomes[0]["body"]["errors"]["id"]), "must not be the nil UUID");
    // One from before is in every list, and can be released.
    let old = format!(
        "WITH item AS (INSERT INTO inventory.reservation_items
                           (reservation_id, product_id, sku, name, quantity, unit_price)
                       VALUES ('{}', {LAPTOP}, 'L', 'L', 1, 1))
         INSERT INTO inventory.reservations (id, status, expires_at) VALUES ('{}', 'HELD', now())",
        Uuid::nil(),
        Uuid::nil()
    );
    shop.database.execute(old).await;
    for query in ["", "status=HELD", "heldBefore=2099-01-01T00:00:00Z"] {
        let rows = pages::all(shop.inventory(), &format!("{RESERVATIONS}?{query}"), 1).await;
        assert_eq!(rows.len(), 2, "{query}");
        assert!(rows.iter().any(|row| row["id"] == json!(Uuid::nil())), "{query}");
    }
    shop.inventory().post(&format!("{RESERVATIONS}/{}/release", Uuid::nil()), json!({})).await.is(200);
}

#[tokio::test]
async fn the_oldest_come_first_whatever_their_ids() {
    let shop = inventory().await;
    let mut held = Vec::new();
    for id in [9_u128, 3, 7, 1].map(Uuid::from_u128) {
        shop.inventory().post(RESERVATIONS, reservation(id, &[(MOUSE, 1)])).await.is(201);
        held.push(json!(id));
    }
    // Two of the same moment.
    let same = "UPDATE inventory.reservations SET created_at = (SELECT min(created_at) FROM inventory.reservations)
                WHERE id::text LIKE '%3' OR id::text LIKE '%9'";
    shop.database.execute(same).await;
    held.swap(0, 1);
    let path = format!("{RESERVATIONS}?heldBefore=2099-01-01T00:00:00Z");
    let rows = pages::all(shop.inventory(), &path, 1).await;
    assert_eq!(rows.iter().map(|row| row["id"].clone()).collect::<Vec<_>>(), held);
    let by_id = shop.inventory().get(&format!("{RESERVATIONS}?limit=1")).await.is(200).next_page().unwrap();
    let cursor = by_id.split("cursor=").nth(1).unwrap();
    let mixed = shop.inventory().get(&format!("{path}&cursor={cursor}")).await;
    assert_eq!(mixed.fields_at_fault(), ["cursor"]);
}
