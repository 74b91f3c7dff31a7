//! Changing a product at inventory-service: what is left out stays, and no sale is undone.

use e2e::samples::{LAPTOP, MONITOR, MOUSE, int, number, product, text};
use e2e::shop::Shop;
use serde_json::{Value, json};

const PRODUCTS: &str = "/api/inventory/products";
const MERGE_PATCH: &str = "application/merge-patch+json";

async fn inventory() -> Shop {
    Shop::plan().inventory_only().open().await
}

async fn movements(shop: &Shop, id: i64) -> Vec<Value> {
    shop.inventory().get(&format!("{PRODUCTS}/{id}/movements")).await.is(200).array()
}

#[tokio::test]
async fn saving_a_product_undoes_no_sale() {
    let shop = inventory().await;
    let path = format!("{PRODUCTS}/{LAPTOP}");
    let sale = json!({"productId": LAPTOP, "quantity": 3});
    for method in ["PATCH", "PUT"] {
        let form = shop.inventory().get(&path).await.is(200).json();
        let before = shop.database.stock(LAPTOP).await;
        shop.inventory().post("/api/inventory/reserve-stock", sale.clone()).await.is(200);
        let saved = match method {
            "PATCH" => shop.inventory().patch(&path, json!({"name": "Laptop Pro 16"})).await,
            _ => {
                let whole = json!({"sku": form["sku"], "name": "Laptop Pro 17", "price": form["price"]});
                shop.inventory().put(&path, whole).await
            }
        };
        let saved = saved.is(200).json();
        assert_eq!(int(&saved["stockQuantity"]), before - 3, "{method}");
        assert!(text(&saved["name"]).starts_with("Laptop Pro 1"));
        for field in ["description", "lowStockThreshold", "active", "sku", "price", "createdAt"] {
            assert_eq!(saved[field], form[field], "{method}: {field} was left out");
        }
    }
    assert!(shop.database.texts("SELECT sku FROM inventory.stock_breaches").await.is_empty());
}

#[tokio::test]
async fn a_patch_changes_what_it_names_in_both_media_types() {
    let shop = inventory().await;
    let path = format!("{PRODUCTS}/{MONITOR}");
    let patch = async |media: &str, body: Value| {
        shop.inventory().call("PATCH".parse().unwrap(), &path).body(media, body.to_string()).await
    };
    let before = shop.inventory().get(&path).await.is(200);
    let renamed = patch(MERGE_PATCH, json!({"name": "Monitor", "price": number("549.50")})).await.is(200);
    assert!(renamed.text.contains(r#""price":549.50,"#), "{}", renamed.text);
    assert_eq!(text(&renamed.json()["name"]), "Monitor");
    assert_ne!(renamed.header("etag"), before.header("etag"));
    let all = json!({"sku": "MONITOR-002", "description": null, "lowStockThreshold": 7, "active": false});
    let changed = patch("application/json", all).await.is(200).json();
    assert_eq!(changed["description"], Value::Null);
    assert_eq!((text(&changed["sku"]), int(&changed["lowStockThreshold"])), ("MONITOR-002", 7));
    assert_eq!((&changed["active"], text(&changed["name"])), (&json!(false), "Monitor"));
    assert_eq!(movements(&shop, MONITOR).await.len(), 1, "no stock moved");

    let same = patch(MERGE_PATCH, json!({})).await.is(200);
    assert_eq!(same.json(), changed, "an empty patch changes nothing");
    assert_eq!(patch(MERGE_PATCH, json!({"name": "Monitor"})).await.is(200).header("etag"), same.header("etag"));
    shop.inventory().patch(&format!("{PRODUCTS}/999"), json!({})).await.problem(404, "not-found");
}

#[tokio::test]
async fn a_patch_never_moves_stock_and_names_every_field_at_fault() {
    let shop = inventory().await;
    let path = format!("{PRODUCTS}/{LAPTOP}");
    let refused = shop.inventory().patch(&path, json!({"name": "Laptop", "stockQuantity": 10})).await;
    assert_eq!(refused.fields_at_fault(), ["stockQuantity"]);
    let wrong = json!({
        "sku": " ", "name": null, "description": "nul\u{0}", "price": 0, "lowStockThreshold": -1, "active": null,
        "reserved": 1, "stockQuantity": null,
    });
    let refused = shop.inventory().patch(&path, wrong).await;
    let all = ["active", "description", "lowStockThreshold", "name", "price", "reserved", "sku", "stockQuantity"];
    assert_eq!(refused.fields_at_fault(), all);
    shop.inventory().patch(&path, json!({"colour": "red"})).await.is(400);
    shop.inventory().patch(&path, json!({"sku": "mouse-001"})).await.problem(409, "duplicate-sku");
    let stale = shop.inventory().patch(&path, json!({"name": "x"})).header("if-match", "\"999\"").await;
    stale.problem(412, "precondition-failed");
    assert_eq!(text(&shop.inventory().get(&path).await.is(200).json()["name"]), "Laptop Pro 15");
}

#[tokio::test]
async fn a_stock_that_is_sent_sets_what_can_be_promised() {
    let shop = inventory().await;
    let path = format!("{PRODUCTS}/{MOUSE}");
    let mut body = product("MOUSE-001", "29.99", 150);
    body["lowStockThreshold"] = json!(20);
    let etag = shop.inventory().get(&path).await.is(200).header("etag").to_owned();
    let replaced = shop.inventory().put(&path, body.clone()).header("if-match", &etag).await.is(200).json();
    assert_eq!(int(&replaced["stockQuantity"]), 150);
    assert_eq!(replaced["description"], json!("Silent two-button mouse"), "what is left out stays");
    let newest = &movements(&shop, MOUSE).await[0];
    assert_eq!((text(&newest["reason"]), int(&newest["delta"])), ("ADJUSTMENT", -50));
    shop.inventory().put(&path, body).header("if-match", &etag).await.problem(412, "precondition-failed");
    let null = json!({"sku": "MOUSE-001", "name": "Mouse", "price": 1, "description": null});
    assert_eq!(shop.inventory().put(&path, null).await.is(200).json()["description"], Value::Null);
    assert_eq!(shop.inventory().put(&path, json!({})).await.fields_at_fault(), ["name", "price", "sku"]);
}

#[tokio::test]
async fn what_is_reserved_fits_when_it_comes_back() {
    let shop = inventory().await;
    let path = format!("{PRODUCTS}/{MOUSE}");
    let put = async |stock: i64| {
        let mut body = product("MOUSE-001", "29.99", stock);
        body["id"] = json!(MOUSE);
        shop.inventory().put(&path, body).await
    };
    put(1_000_000_000).await.is(200);
    let id = "01936f5e-7c3a-7b1e-8a4e-3f1d2c5b6a70";
    let hold = json!({"id": id, "items": [{"productId": MOUSE, "quantity": 10}]});
    shop.inventory().post("/api/inventory/reservations", hold).await.is(201);
    put(999_999_991).await.problem(422, "stock-limit");
    let delivery = json!({"quantity": 1});
    shop.inventory().post(&format!("{path}/add-stock"), delivery).await.problem(422, "stock-limit");
    put(999_999_990).await.is(200);
    shop.inventory().post(&format!("/api/inventory/reservations/{id}/release"), json!({})).await.is(200);
    assert_eq!(shop.database.stock(MOUSE).await, 1_000_000_000);
    let mut other = product("MOUSE-001", "29.99", 1);
    other["id"] = json!(LAPTOP);
    assert_eq!(shop.inventory().put(&path, other).await.fields_at_fault(), ["id"]);
}
