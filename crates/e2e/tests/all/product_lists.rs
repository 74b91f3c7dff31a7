//! Lists of products at inventory-service: filters and pages.

use e2e::pages;
use e2e::samples::{HEADSET, LAPTOP, int, product};
use e2e::shop::Shop;
use serde_json::{Value, json};

const PRODUCTS: &str = "/api/inventory/products";

/// A shop with the sample products, twenty more that are active and have enough, one low and one inactive.
async fn full_shop() -> Shop {
    let shop = Shop::plan().inventory_only().open().await;
    for number in 0..20 {
        shop.inventory().post(PRODUCTS, product(&format!("BULK-{number:02}"), "5.00", 100)).await.is(201);
    }
    shop.inventory().post(PRODUCTS, product("RARE-1", "5.00", 10)).await.is(201);
    let mut inactive = product("OLD-1", "5.00", 100);
    inactive["active"] = json!(false);
    shop.inventory().post(PRODUCTS, inactive).await.is(201);
    shop
}

fn skus(rows: &[Value]) -> Vec<&str> {
    rows.iter().map(|row| row["sku"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn pages_lead_through_every_product_once() {
    let shop = full_shop().await;
    let every = shop.database.number("SELECT COUNT(*) FROM inventory.products").await;
    for limit in [1, 4, 9, 27, 200] {
        let mut ids = pages::ids(&pages::all(shop.inventory(), PRODUCTS, limit).await);
        let in_order = ids.is_sorted() || ids.is_sorted_by(|a, b| a > b);
        assert!(in_order, "{ids:?}");
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len() as i64, every, "with pages of {limit}");
    }
}

#[tokio::test]
async fn a_product_added_meanwhile_repeats_none() {
    let shop = full_shop().await;
    let first = shop.inventory().get(&format!("{PRODUCTS}?limit=10")).await.is(200);
    shop.inventory().post(PRODUCTS, product("LATE-1", "5.00", 1)).await.is(201);
    shop.inventory().delete(&format!("{PRODUCTS}/{}", int(&first.array()[9]["id"]))).await.is(200);
    let second = shop.inventory().get(&first.next_page().unwrap()).await.is(200);
    let (first, second) = (pages::ids(&first.array()), pages::ids(&second.array()));
    assert!(second.iter().all(|id| !first.contains(id)), "{first:?} {second:?}");
    assert_eq!(second.len(), 10);
}

#[tokio::test]
async fn active_and_low_stock_lists_hold_what_they_say() {
    let shop = full_shop().await;
    let active = pages::all(shop.inventory(), &format!("{PRODUCTS}/active"), 7).await;
    assert_eq!(active.len(), 26);
    assert!(!skus(&active).contains(&"OLD-1"));
    let low = pages::all(shop.inventory(), &format!("{PRODUCTS}/low-stock"), 1).await;
    let mut low_skus = skus(&low);
    low_skus.sort_unstable();
    assert_eq!(low_skus, ["HEADSET-001", "RARE-1"]);

    let reduce = json!({"quantity": 45});
    shop.inventory().post(&format!("{PRODUCTS}/{LAPTOP}/reduce-stock"), reduce).await.is(200);
    shop.inventory().delete(&format!("{PRODUCTS}/{HEADSET}")).await.is(200);
    let low = shop.inventory().get(&format!("{PRODUCTS}/low-stock")).await.is(200).array();
    let mut low_skus = skus(&low);
    low_skus.sort_unstable();
    assert_eq!(low_skus, ["LAPTOP-001", "RARE-1"], "at the threshold counts as low");
}

#[tokio::test]
async fn filters_narrow_the_list_and_stay_on_every_page() {
    let shop = full_shop().await;
    let list = async |query: &str| pages::all(shop.inventory(), &format!("{PRODUCTS}?{query}"), 6).await;
    assert_eq!(skus(&list("active=false").await), ["OLD-1"]);
    assert_eq!(list("active=true").await.len(), 26);
    assert_eq!(skus(&list("sku=MOUSE-001").await), ["MOUSE-001"]);
    assert!(list("sku=MOUSE").await.is_empty(), "a SKU is meant as a whole");
    assert_eq!(list("q=bulk").await.len(), 20);
    assert_eq!(skus(&list("q=Wireless").await), ["MOUSE-001"]);
    assert_eq!(list("q=bulk&active=true&sku=BULK-07").await.len(), 1);
    assert!(list("q=%25").await.is_empty(), "a wildcard of SQL is an ordinary character");
}

#[tokio::test]
async fn bad_parameters_are_named() {
    let shop = Shop::plan().inventory_only().open().await;
    for list in [PRODUCTS, "/api/inventory/products/active", "/api/inventory/products/low-stock"] {
        let refused = shop.inventory().get(&format!("{list}?limit=0&cursor=x")).await;
        assert_eq!(refused.fields_at_fault(), ["cursor", "limit"]);
        for limit in ["201", "-1", "ten", ""] {
            let refused = shop.inventory().get(&format!("{list}?limit={limit}")).await;
            assert_eq!(refused.fields_at_fault(), ["limit"]);
        }
    }
    shop.inventory().get(&format!("{PRODUCTS}?active=perhaps")).await.is(400);
}
