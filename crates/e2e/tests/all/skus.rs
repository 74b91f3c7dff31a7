//! SKUs and searches at inventory-service: compared by Unicode folding, whatever the locale of the server.

use e2e::poll;
use e2e::samples::{LAPTOP, int, number, product, text};
use e2e::shop::Shop;
use serde_json::{Value, json};

const PRODUCTS: &str = "/api/inventory/products";

async fn inventory() -> Shop {
    Shop::plan().inventory_only().open().await
}

async fn found(shop: &Shop, parameter: &str, value: &str) -> Vec<String> {
    let url = reqwest::Url::parse_with_params("http://x/", [(parameter, value)]).unwrap();
    let query = url.query().unwrap();
    let rows = shop.inventory().get(&format!("{PRODUCTS}?{query}")).await.is(200).array();
    rows.iter().map(|row| text(&row["sku"]).to_owned()).collect()
}

fn named(sku: &str, name: &str) -> Value {
    json!({"sku": sku, "name": name, "price": number("1.00"), "stockQuantity": 1})
}

#[tokio::test]
async fn a_search_finds_letters_of_every_script_in_any_case() {
    let shop = inventory().await;
    let names = [
        ("K-1", "Größe Ährenkranz Привет"),
        ("K-2", "Straße der Οδυσσεύς"),
        ("K-3", "Cafe\u{301} \u{1C5}ep"),
        ("ÄPFEL-Σ", "Obst"),
    ];
    for (sku, name) in names {
        shop.inventory().post(PRODUCTS, named(sku, name)).await.is(201);
    }
    for (q, sku) in [
        ("ährenkranz", "K-1"),
        ("ÄHRENKRANZ", "K-1"),
        ("a\u{308}hren", "K-1"),
        ("привет", "K-1"),
        ("STRASSE", "K-2"),
        ("STRA\u{1E9E}E", "K-2"),
        ("ΟΔΥΣΣΕΎΣ", "K-2"),
        ("CAFÉ", "K-3"),
        ("\u{1C4}EP", "K-3"),
        ("äpfel", "ÄPFEL-Σ"),
        ("apfel", ""),
    ] {
        let wanted: Vec<&str> = [sku].into_iter().filter(|sku| !sku.is_empty()).collect();
        assert_eq!(found(&shop, "q", q).await, wanted, "{q}");
    }
    assert_eq!(found(&shop, "sku", "äpfel-ς").await, ["ÄPFEL-Σ"]);
    assert_eq!(found(&shop, "sku", "laptop-001").await, ["LAPTOP-001"]);
    assert!(found(&shop, "sku", "laptop-00").await.is_empty());
    shop.inventory().get(&format!("{PRODUCTS}?q=%E2%80%8B")).await.problem(400, "validation");
    // What is renamed is found by its new name, and no longer by the old one.
    let path = format!("{PRODUCTS}/{LAPTOP}");
    shop.inventory().patch(&path, json!({"name": "Übung", "sku": "ÜB-1"})).await.is(200);
    assert_eq!(found(&shop, "q", "übung").await, ["ÜB-1"]);
    assert!(found(&shop, "q", "laptop pro").await.is_empty());
}

#[tokio::test]
async fn a_sku_is_taken_in_every_case_and_form() {
    let shop = inventory().await;
    shop.inventory().post(PRODUCTS, named("Größe-É", "Dress")).await.is(201);
    for taken in ["GRÖSSE-É", "größe-é", "Gro\u{308}ße-E\u{301}", "laptop-001", "Laptop-001", " LAPTOP-001 "] {
        shop.inventory().post(PRODUCTS, named(taken, "Twin")).await.problem(409, "duplicate-sku");
        shop.inventory().patch(&format!("{PRODUCTS}/2"), json!({"sku": taken})).await.problem(409, "duplicate-sku");
    }
    for hidden in ["LAPTOP\u{200B}-001", "\u{202A}NEW-1\u{202C}", "NEW\u{FE0F}", "N\u{3164}", "A\nB"] {
        let refused = shop.inventory().post(PRODUCTS, named(hidden, "Hidden")).await;
        assert_eq!(refused.fields_at_fault(), ["sku"], "{hidden:?}");
    }
    // A product may get its own SKU in another case, and a deleted one gives its SKU free.
    let path = format!("{PRODUCTS}/{LAPTOP}");
    shop.inventory().patch(&path, json!({"sku": "Laptop-001"})).await.is(200);
    shop.inventory().delete(&path).await.is(200);
    shop.inventory().post(PRODUCTS, product("LAPTOP-001", "1.00", 1)).await.is(201);
}

#[tokio::test]
async fn of_two_requests_at_once_one_gets_the_sku() {
    let shop = inventory().await;
    let both = ["Twin-ß", "TWIN-SS"].map(|sku| {
        let client = shop.inventory().clone();
        tokio::spawn(async move { client.post(PRODUCTS, named(sku, "Twin")).await.status })
    });
    let mut statuses = Vec::new();
    for one in both {
        statuses.push(one.await.unwrap());
    }
    statuses.sort_unstable();
    assert_eq!(statuses, [201, 409]);
}

#[tokio::test]
async fn twins_from_before_stay_and_are_named() {
    let mut shop = inventory().await;
    shop.inventory_services[0].kill();
    // Such as a build before this one has written: without keys.
    let twins = "INSERT INTO inventory.products (sku, name, price, stock_quantity)
                 VALUES ('laptop-001', 'Ähre', 1, 0), (E'LAPTOP\\u200B-001', 'Third', 1, 0), ('ALONE', 'Alone', 1, 0)";
    shop.database.execute(twins).await;
    shop.inventory_services[0].start().await;
    let keys = "SELECT count(*) FROM inventory.products WHERE sku_key IS NULL OR name_key IS NULL";
    assert_eq!(shop.database.number(keys).await, 0, "ready before every name was folded");
    assert_eq!(found(&shop, "q", "ÄHRE").await, ["laptop-001"]);
    assert_eq!(found(&shop, "sku", "Laptop-001").await, ["LAPTOP-001", "laptop-001", "LAPTOP\u{200B}-001"]);
    let answer = shop.inventory().get("/api/admin/invariants").await.is(200).json();
    let breach = &answer["breaches"][0];
    assert_eq!((text(&breach["invariant"]), text(&breach["ids"][0])), ("sku-is-unique", "1, 6, 7"));
    assert!(text(&breach["detail"]).starts_with("LAPTOP-001 and laptop-001 and "), "{breach}");

    // They can be changed and sold, and no other comes in, also when the first of them is gone.
    let refuse = async || shop.inventory().post(PRODUCTS, named("Laptop-001", "x")).await.problem(409, "duplicate-sku");
    shop.inventory().patch(&format!("{PRODUCTS}/6"), json!({"price": 2})).await.is(200);
    shop.inventory().patch(&format!("{PRODUCTS}/7"), json!({"name": "Still the third"})).await.is(200);
    refuse().await;
    shop.inventory().delete(&format!("{PRODUCTS}/{LAPTOP}")).await.is(200);
    refuse().await;
    shop.inventory().patch(&format!("{PRODUCTS}/8"), json!({"sku": "Laptop-001"})).await.problem(409, "duplicate-sku");
    shop.inventory().patch(&format!("{PRODUCTS}/7"), json!({"sku": "LAPTOP-003"})).await.is(200);
    shop.inventory_services[0].kill();
    shop.inventory_services[0].start().await;
    assert_eq!(shop.database.number("SELECT count(*) FROM inventory.products WHERE sku_twin").await, 0);
    shop.inventory().post(PRODUCTS, named("Laptop-001", "x")).await.problem(409, "duplicate-sku");
    assert_eq!(shop.inventory().get("/api/admin/invariants").await.is(200).text, r#"{"holds":true}"#);
}

#[tokio::test]
async fn what_is_renamed_by_hand_is_folded_anew() {
    let shop = inventory().await;
    let rename = format!("UPDATE inventory.products SET name = 'Ölkanne', sku = 'OIL-1' WHERE id = {LAPTOP}");
    shop.database.execute(rename).await;
    poll::eventually("the new name to be found", async || {
        poll::equal(found(&shop, "q", "ÖLKANNE").await, vec!["OIL-1".to_owned()])
    })
    .await;
    assert!(found(&shop, "sku", "LAPTOP-001").await.is_empty());
    let renamed = shop.inventory().get(&format!("{PRODUCTS}/{LAPTOP}")).await.is(200).json();
    assert_eq!(int(&renamed["id"]), LAPTOP);
}
