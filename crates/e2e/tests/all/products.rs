//! Products at inventory-service: created, read, replaced and deleted.

use e2e::samples::{LAPTOP, MONITOR, int, number, product};
use e2e::shop::Shop;
use serde_json::{Value, json};

const PRODUCTS: &str = "/api/inventory/products";

async fn inventory() -> Shop {
    Shop::plan().inventory_only().open().await
}

async fn movements(shop: &Shop, id: i64) -> Vec<Value> {
    shop.inventory().get(&format!("{PRODUCTS}/{id}/movements")).await.is(200).array()
}

#[tokio::test]
async fn a_created_product_can_be_found_with_its_first_receipt() {
    let shop = inventory().await;
    let body = json!({
        "sku": "CABLE-1", "name": "Cable", "description": "2 m", "price": number("19.90"), "stockQuantity": 12,
        "lowStockThreshold": 3,
    });
    let created = shop.inventory().post(PRODUCTS, body).await.is(201);
    let product = created.json();
    let id = int(&product["id"]);
    assert_eq!(created.header("location"), format!("{PRODUCTS}/{id}"));
    assert!(created.text.contains(r#""price":19.90,"#), "{}", created.text);
    assert_eq!(
        (&product["sku"], &product["name"], &product["description"]),
        (&json!("CABLE-1"), &json!("Cable"), &json!("2 m"))
    );
    assert_eq!((int(&product["stockQuantity"]), int(&product["lowStockThreshold"])), (12, 3));
    assert_eq!(product["active"], true);
    assert_eq!(product["createdAt"], product["updatedAt"]);

    let found = shop.inventory().get(&format!("{PRODUCTS}/{id}")).await.is(200);
    assert_eq!(found.json(), product);
    assert_eq!(found.header("etag"), created.header("etag"));
    let movements = movements(&shop, id).await;
    assert_eq!(movements.len(), 1);
    assert_eq!(movements[0]["reason"], "RECEIPT");
    assert_eq!((int(&movements[0]["delta"]), int(&movements[0]["balanceAfter"])), (12, 12));
    assert_eq!(int(&movements[0]["productId"]), id);
}

#[tokio::test]
async fn a_product_without_stock_has_no_movement() {
    let shop = inventory().await;
    let created = shop.inventory().post(PRODUCTS, product("NONE-1", "1.00", 0)).await.is(201).json();
    assert!(movements(&shop, int(&created["id"])).await.is_empty());
    assert_eq!(created["active"], true);
    assert_eq!(created["description"], Value::Null);
}

#[tokio::test]
async fn prices_are_kept_digit_by_digit() {
    let shop = inventory().await;
    let cases = [("2499.90", "2499.90"), ("0.01", "0.01"), ("9999999999.99", "9999999999.99"), ("7", "7.00")];
    for (position, (sent, answered)) in cases.into_iter().enumerate() {
        let created = shop.inventory().post(PRODUCTS, product(&format!("P-{position}"), sent, 1)).await.is(201);
        assert!(created.text.contains(&format!(r#""price":{answered},"#)), "{}", created.text);
        let again = shop.inventory().get(created.header("location")).await.is(200);
        assert!(again.text.contains(&format!(r#""price":{answered},"#)), "{}", again.text);
    }
}

#[tokio::test]
async fn a_sku_exists_once() {
    let shop = inventory().await;
    let refused = shop.inventory().post(PRODUCTS, product("LAPTOP-001", "1.00", 1)).await;
    refused.problem(409, "duplicate-sku");
    assert_eq!(shop.database.number("SELECT COUNT(*) FROM inventory.products").await, 5);
}

#[tokio::test]
async fn every_field_at_fault_is_named_at_once() {
    let shop = inventory().await;
    let missing = shop.inventory().post(PRODUCTS, json!({})).await;
    assert_eq!(missing.fields_at_fault(), ["name", "price", "sku", "stockQuantity"]);
    let wrong = json!({
        "sku": "  ", "name": "x".repeat(201), "description": "nul\u{0}", "price": 0, "stockQuantity": -1,
        "lowStockThreshold": -1,
    });
    let wrong = shop.inventory().post(PRODUCTS, wrong).await;
    let all = ["description", "lowStockThreshold", "name", "price", "sku", "stockQuantity"];
    assert_eq!(wrong.fields_at_fault(), all);
    assert_eq!(wrong.json()["errors"]["stockQuantity"], "must be at least 0");
    let id = format!("{PRODUCTS}/{LAPTOP}");
    assert_eq!(shop.inventory().put(&id, json!({})).await.fields_at_fault(), ["name", "price", "sku"]);
}

#[tokio::test]
async fn a_field_of_the_wrong_kind_is_named() {
    let shop = inventory().await;
    let cases = [
        ("price", json!("19.90")),
        ("price", number("19.999")),
        ("price", number("10000000000")),
        ("price", number("-1")),
        ("stockQuantity", json!("many")),
        ("stockQuantity", number("1.5")),
        ("stockQuantity", number("99999999999")),
        ("active", json!("yes")),
        ("name", json!(7)),
    ];
    for (field, value) in cases {
        let mut body = product("KIND-1", "1.00", 1);
        body[field] = value.clone();
        let refused = shop.inventory().post(PRODUCTS, body).await;
        assert_eq!(refused.fields_at_fault(), [field], "{value}: {}", refused.text);
    }
    assert_eq!(shop.database.number("SELECT COUNT(*) FROM inventory.products").await, 5);
}

#[tokio::test]
async fn a_known_version_is_not_sent_again() {
    let shop = inventory().await;
    let path = format!("{PRODUCTS}/{LAPTOP}");
    let etag = shop.inventory().get(&path).await.is(200).header("etag").to_owned();
    let known = shop.inventory().get(&path).header("if-none-match", &etag).await.is(304);
    assert_eq!((known.text.as_str(), known.header("etag")), ("", etag.as_str()));
    let add = json!({"quantity": 1});
    shop.inventory().post(&format!("{path}/add-stock"), add).await.is(200);
    let changed = shop.inventory().get(&path).header("if-none-match", &etag).await.is(200);
    assert_ne!(changed.header("etag"), etag);
    shop.inventory().get(&format!("{PRODUCTS}/999")).await.problem(404, "not-found");
}

#[tokio::test]
async fn replacing_writes_every_field_and_explains_the_stock() {
    let shop = inventory().await;
    let path = format!("{PRODUCTS}/{MONITOR}");
    let before = shop.inventory().get(&path).await.is(200);
    let mut body = product("MONITOR-002", "549.50", 25);
    body["active"] = json!(false);
    body["description"] = Value::Null;
    let replaced = shop.inventory().put(&path, body.clone()).header("if-match", before.header("etag")).await.is(200);
    let now = replaced.json();
    assert_eq!((&now["sku"], &now["name"]), (&json!("MONITOR-002"), &json!("The MONITOR-002")));
    assert!(replaced.text.contains(r#""price":549.50,"#), "{}", replaced.text);
    assert_eq!((now["active"].clone(), now["description"].clone()), (json!(false), Value::Null));
    assert_eq!(now["createdAt"], before.json()["createdAt"]);
    assert_eq!(shop.inventory().get(&path).await.header("etag"), replaced.header("etag"));
    let newest = &movements(&shop, MONITOR).await[0];
    assert_eq!(newest["reason"], "ADJUSTMENT");
    assert_eq!((int(&newest["delta"]), int(&newest["balanceAfter"])), (-5, 25));
    assert_eq!((&newest["reason"], &newest["actor"]), (&json!("ADJUSTMENT"), &json!("api")));

    // The same again moves no stock.
    shop.inventory().put(&path, body.clone()).await.is(200);
    assert_eq!(movements(&shop, MONITOR).await.len(), 2);
    let stale = shop.inventory().put(&path, body).header("if-match", before.header("etag")).await;
    stale.problem(412, "precondition-failed");
}

#[tokio::test]
async fn replacing_is_refused_where_it_cannot_be() {
    let shop = inventory().await;
    let path = format!("{PRODUCTS}/{MONITOR}");
    let before = shop.inventory().get(&path).await.is(200);
    shop.inventory().put(&path, product("LAPTOP-001", "1.00", 1)).await.problem(409, "duplicate-sku");
    let unknown = format!("{PRODUCTS}/999");
    shop.inventory().put(&unknown, product("NEW-1", "1.00", 1)).await.problem(404, "not-found");
    assert_eq!(shop.inventory().get(&path).await.is(200).text, before.text);
    assert!(shop.database.texts("SELECT sku FROM inventory.stock_breaches").await.is_empty());
}

#[tokio::test]
async fn a_deleted_product_is_gone_but_its_history_is_not() {
    let shop = inventory().await;
    let path = format!("{PRODUCTS}/{MONITOR}");
    let deleted = shop.inventory().delete(&path).await.is(200).json();
    assert_eq!(deleted, json!({"message": "Product deleted successfully"}));
    shop.inventory().get(&path).await.problem(404, "not-found");
    shop.inventory().delete(&path).await.problem(404, "not-found");
    shop.inventory().put(&path, product("MONITOR-001", "1.00", 1)).await.problem(404, "not-found");
    shop.inventory().post(&format!("{path}/add-stock"), json!({"quantity": 1})).await.problem(404, "not-found");
    let history = format!("SELECT COUNT(*) FROM inventory.stock_movements WHERE product_id = {MONITOR}");
    assert!(shop.database.number(history).await >= 1);

    let successor = shop.inventory().post(PRODUCTS, product("MONITOR-001", "1.00", 1)).await.is(201).json();
    assert_ne!(int(&successor["id"]), MONITOR);
    let listed = shop.inventory().get(PRODUCTS).await.is(200).array();
    assert_eq!(listed.len(), 5);
    assert!(listed.iter().all(|row| int(&row["id"]) != MONITOR));
    assert!(shop.database.texts("SELECT sku FROM inventory.stock_breaches").await.is_empty());
}
