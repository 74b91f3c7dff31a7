//! Stock by hand at inventory-service: add, reduce, check, and the movements that explain it.

use e2e::pages;
use e2e::samples::{HEADSET, LAPTOP, int};
use e2e::shop::Shop;
use serde_json::json;

fn path(id: i64, call: &str) -> String {
    format!("/api/inventory/products/{id}/{call}")
}

async fn inventory() -> Shop {
    Shop::plan().inventory_only().open().await
}

#[tokio::test]
async fn stock_comes_in_and_goes_out_with_a_movement_each() {
    let shop = inventory().await;
    let delivery = json!({"quantity": 5, "reason": "RECEIPT", "reference": "DN-2026-0042"});
    let added = shop.inventory().post(&path(LAPTOP, "add-stock"), delivery).await.is(200);
    assert_eq!((int(&added.json()["id"]), int(&added.json()["stockQuantity"])), (LAPTOP, 55));
    let reduced = shop.inventory().post(&path(LAPTOP, "reduce-stock"), json!({"quantity": 55})).await.is(200);
    assert_eq!(int(&reduced.json()["stockQuantity"]), 0);
    assert_ne!(added.header("etag"), reduced.header("etag"));

    let movements = shop.inventory().get(&path(LAPTOP, "movements")).await.is(200).array();
    let seen: Vec<_> = movements.iter().map(|row| (int(&row["delta"]), int(&row["balanceAfter"]))).collect();
    assert_eq!(seen, [(-55, 0), (5, 55), (50, 50)], "newest first");
    let reasons: Vec<_> = movements.iter().map(|row| row["reason"].as_str().unwrap()).collect();
    assert_eq!(reasons, ["ADJUSTMENT", "RECEIPT", "RECEIPT"]);
    assert_eq!(movements[1]["reference"], "DN-2026-0042");
    assert!(shop.database.texts("SELECT sku FROM inventory.stock_breaches").await.is_empty());
}

#[tokio::test]
async fn more_than_there_is_cannot_go_out() {
    let shop = inventory().await;
    let refused = shop.inventory().post(&path(HEADSET, "reduce-stock"), json!({"quantity": 9})).await;
    let problem = refused.problem(409, "insufficient-stock");
    assert_eq!(problem["items"], json!([{"productId": HEADSET, "requested": 9, "available": 8}]));
    assert_eq!(shop.database.stock(HEADSET).await, 8);
    let movements = shop.inventory().get(&path(HEADSET, "movements")).await.is(200).array();
    assert_eq!(movements.len(), 1);
}

#[tokio::test]
async fn a_bad_quantity_moves_nothing() {
    let shop = inventory().await;
    for call in ["add-stock", "reduce-stock"] {
        let bad = [json!({}), json!({"quantity": 0}), json!({"quantity": -3}), json!({"quantity": null})];
        for body in bad.into_iter().chain([json!({"quantity": "1"}), json!({"quantity": 4_000_000_000_i64})]) {
            let refused = shop.inventory().post(&path(LAPTOP, call), body.clone()).await;
            assert_eq!(refused.fields_at_fault(), ["quantity"], "{call} {body}");
        }
        let long = json!({"quantity": 0, "reason": "x".repeat(201), "reference": "x".repeat(201)});
        let refused = shop.inventory().post(&path(LAPTOP, call), long).await;
        assert_eq!(refused.fields_at_fault(), ["quantity", "reason", "reference"]);
        shop.inventory().post(&path(999, call), json!({"quantity": 1})).await.problem(404, "not-found");
    }
    assert_eq!(shop.database.stock(LAPTOP).await, 50);
}

#[tokio::test]
async fn stock_that_would_overflow_is_refused() {
    let shop = inventory().await;
    let most = json!({"quantity": 1_000_000_000});
    shop.inventory().post(&path(LAPTOP, "add-stock"), most).await.problem(422, "stock-limit");
    assert_eq!(shop.database.stock(LAPTOP).await, 50);
    shop.inventory().post(&path(LAPTOP, "add-stock"), json!({"quantity": 999_999_950})).await.is(200);
    shop.inventory().post(&path(LAPTOP, "add-stock"), json!({"quantity": 1})).await.problem(422, "stock-limit");
    assert!(shop.database.texts("SELECT sku FROM inventory.stock_breaches").await.is_empty());
}

#[tokio::test]
async fn an_outdated_version_moves_nothing() {
    let shop = inventory().await;
    let etag = shop.inventory().get(&format!("/api/inventory/products/{LAPTOP}")).await.is(200);
    let etag = etag.header("etag");
    for (call, stock) in [("add-stock", 51), ("reduce-stock", 51)] {
        let first = shop.inventory().post(&path(LAPTOP, call), json!({"quantity": 1})).header("if-match", etag).await;
        if call == "add-stock" {
            first.is(200);
        } else {
            first.problem(412, "precondition-failed");
        }
        assert_eq!(shop.database.stock(LAPTOP).await, stock);
    }
}

#[tokio::test]
async fn checking_stock_takes_none() {
    let shop = inventory().await;
    let check =
        async |id: i64, query: &str| shop.inventory().get(&format!("{}?{query}", path(id, "check-stock"))).await;
    let enough = check(LAPTOP, "quantity=50").await.is(200).json();
    assert_eq!(enough, json!({"available": true, "stockQuantity": 50}));
    let lacking = check(LAPTOP, "quantity=51").await.is(200).json();
    assert_eq!(lacking, json!({"available": false, "stockQuantity": 50}));
    assert_eq!(check(LAPTOP, "quantity=0").await.fields_at_fault(), ["quantity"]);
    check(LAPTOP, "").await.is(400);
    check(LAPTOP, "quantity=x").await.is(400);
    check(999, "quantity=1").await.problem(404, "not-found");
    assert_eq!(shop.database.stock(LAPTOP).await, 50);
}

#[tokio::test]
async fn movements_come_in_pages_newest_first() {
    let shop = inventory().await;
    for quantity in 1..=11 {
        shop.inventory().post(&path(LAPTOP, "add-stock"), json!({"quantity": quantity})).await.is(200);
    }
    let movements = pages::all(shop.inventory(), &path(LAPTOP, "movements"), 4).await;
    let deltas: Vec<i64> = movements.iter().map(|row| int(&row["delta"])).collect();
    assert_eq!(deltas, [11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 50]);
    shop.inventory().get(&path(999, "movements")).await.problem(404, "not-found");
    let refused = shop.inventory().get(&format!("{}?limit=0", path(LAPTOP, "movements"))).await;
    assert_eq!(refused.fields_at_fault(), ["limit"]);
}
