//! Placing an order: what is answered, what is refused, and that a refusal leaves nothing behind.

use e2e::samples::{HEADSET, KEYBOARD, LAPTOP, MONITOR, MOUSE, int, items, order, text};
use e2e::shop::Shop;
use serde_json::{Value, json};
use uuid::Uuid;

const ORDERS: &str = "/api/orders";

/// No order, no reservation and all of the stock.
async fn assert_nothing_happened(shop: &Shop) {
    assert_eq!(shop.database.number("SELECT COUNT(*) FROM orders.orders").await, 0);
    assert_eq!(shop.database.number("SELECT COUNT(*) FROM inventory.reservations").await, 0);
    assert_eq!(shop.database.number("SELECT SUM(stock_quantity)::bigint FROM inventory.products").await, 363);
    assert_eq!(shop.database.number("SELECT COUNT(*) FROM orders.outbox").await, 0);
}

async fn without_messages() -> Shop {
    Shop::plan().without_broker().open().await
}

#[tokio::test]
async fn a_placed_order_is_answered_whole() {
    let shop = without_messages().await;
    let body = order(&[(MONITOR, 3), (MOUSE, 2)]);
    let placed = shop.orders().post(ORDERS, body.clone()).await.is(201);
    let order = placed.json();
    let id = int(&order["id"]);
    assert_eq!(placed.header("location"), format!("{ORDERS}/{id}"));
    assert_eq!(placed.header("content-type"), "application/json");
    assert!(text(&order["orderNumber"]).ends_with(&id.to_string()), "{order}");
    assert!(text(&order["reference"]).parse::<Uuid>().is_ok(), "{order}");
    for field in ["customerName", "customerEmail", "customerPhone", "shippingAddress"] {
        assert_eq!(order[field], body[field], "{field}");
    }
    assert_eq!(order["status"], "PENDING");
    assert!(placed.text.contains(r#""totalAmount":1859.68"#), "{}", placed.text);
    let lines = order["items"].as_array().unwrap();
    let seen: Vec<_> = lines
        .iter()
        .map(|line| {
            let money = (line["price"].to_string(), line["subtotal"].to_string());
            (int(&line["productId"]), text(&line["productName"]), int(&line["quantity"]), money)
        })
        .collect();
    let money = |price: &str, subtotal: &str| (price.to_owned(), subtotal.to_owned());
    assert_eq!(
        seen,
        [
            (MOUSE, "Wireless Mouse", 2, money("29.99", "59.98")),
            (MONITOR, "Monitor 27 4K", 3, money("599.90", "1799.70")),
        ]
    );
    assert_ne!(int(&lines[0]["id"]), int(&lines[1]["id"]));
    let found = shop.orders().get(&format!("{ORDERS}/{id}")).await.is(200);
    assert_eq!(found.text, placed.text);
    assert_eq!((shop.database.stock(MOUSE).await, shop.database.stock(MONITOR).await), (198, 27));
}

#[tokio::test]
async fn lines_of_one_product_are_added_up() {
    let shop = without_messages().await;
    let placed = shop.place(&[(LAPTOP, 1), (MOUSE, 5), (LAPTOP, 2)]).await;
    let lines = placed["items"].as_array().unwrap();
    let seen: Vec<_> = lines.iter().map(|line| (int(&line["productId"]), int(&line["quantity"]))).collect();
    assert_eq!(seen, [(LAPTOP, 3), (MOUSE, 5)]);
    assert_eq!(placed["totalAmount"].to_string(), "7649.92");
    assert_eq!(shop.database.stock(LAPTOP).await, 47);
    // Each line is within the stock, their sum is not.
    let refused = shop.orders().post(ORDERS, order(&[(HEADSET, 5), (HEADSET, 4)])).await;
    let problem = refused.problem(409, "insufficient-stock");
    assert_eq!(problem["items"], json!([{"productId": HEADSET, "requested": 9, "available": 8}]));
}

#[tokio::test]
async fn the_price_of_the_moment_of_sale_is_kept() {
    let shop = without_messages().await;
    let placed = shop.place(&[(MOUSE, 2)]).await;
    let path = format!("/api/inventory/products/{MOUSE}");
    shop.inventory().put(&path, e2e::samples::product("MOUSE-001", "99.00", 198)).await.is(200);
    let found = shop.orders().get(&format!("{ORDERS}/{}", int(&placed["id"]))).await.is(200).json();
    assert_eq!(found["items"], placed["items"]);
    assert_eq!(shop.place(&[(MOUSE, 2)]).await["totalAmount"].to_string(), "198.00");
    shop.inventory().delete(&path).await.is(200);
    let found = shop.orders().get(&format!("{ORDERS}/{}", int(&placed["id"]))).await.is(200).json();
    assert_eq!(text(&found["items"][0]["productName"]), "Wireless Mouse");
}

#[tokio::test]
async fn optional_fields_may_be_left_out() {
    let shop = without_messages().await;
    let mut body = order(&[(MOUSE, 1)]);
    body.as_object_mut().unwrap().remove("customerPhone");
    let placed = shop.orders().post(ORDERS, body).await.is(201).json();
    assert_eq!(placed["customerPhone"], Value::Null);
}

#[tokio::test]
async fn every_field_at_fault_is_named_at_once() {
    let shop = without_messages().await;
    let refuse = async |body: Value| shop.orders().post(ORDERS, body).await;
    let required = ["customerEmail", "customerName", "items", "shippingAddress"];
    assert_eq!(refuse(json!({})).await.fields_at_fault(), required);
    let nulls = json!({"customerName": null, "customerEmail": null, "shippingAddress": null, "items": null});
    assert_eq!(refuse(nulls).await.fields_at_fault(), required);
    let wrong = json!({
        "customerName": " ", "customerEmail": "nobody", "customerPhone": "x".repeat(1000),
        "shippingAddress": "x".repeat(5000),
        "items": [{"productId": LAPTOP, "quantity": 0}, {"quantity": 1}, {"productId": MOUSE}],
    });
    let wrong = refuse(wrong).await;
    let all = [
        "customerEmail",
        "customerName",
        "customerPhone",
        "items[0].quantity",
        "items[1].productId",
        "items[2].quantity",
        "shippingAddress",
    ];
    assert_eq!(wrong.fields_at_fault(), all);
    assert_eq!(wrong.json()["errors"]["items[0].quantity"], "must be at least 1");
    assert_nothing_happened(&shop).await;
}

#[tokio::test]
async fn bad_lines_and_addresses_are_refused() {
    let shop = without_messages().await;
    let with = |field: &str, value: Value| {
        let mut body = order(&[(LAPTOP, 1)]);
        body[field] = value;
        body
    };
    let many: Vec<(i64, i64)> = (1..=101).map(|product| (product, 1)).collect();
    let cases = [
        ("items", with("items", json!([]))),
        ("items", with("items", json!(items(&many)))),
        ("items", with("items", json!("all"))),
        ("items[1].quantity", with("items", json!(items(&[(LAPTOP, 1), (MOUSE, -1)])))),
        ("items[0].quantity", with("items", json!([{"productId": LAPTOP, "quantity": "two"}]))),
        ("items[0].quantity", with("items", json!([{"productId": LAPTOP, "quantity": 1.5}]))),
        ("items[0].quantity", with("items", json!(items(&[(LAPTOP, 3_000_000_000)])))),
        ("items[0].productId", with("items", json!(items(&[(0, 1)])))),
        ("customerEmail", with("customerEmail", json!("ada@example"))),
        ("customerEmail", with("customerEmail", json!("ada example@x.org"))),
        ("customerEmail", with("customerEmail", json!("@example.com"))),
        ("customerName", with("customerName", json!("nul\u{0}"))),
        ("customerName", with("customerName", json!(["Ada"]))),
        ("shippingAddress", with("shippingAddress", json!(""))),
    ];
    for (field, body) in cases {
        let refused = shop.orders().post(ORDERS, body.clone()).await;
        assert_eq!(refused.fields_at_fault(), [field], "{body} {}", refused.text);
    }
    assert_nothing_happened(&shop).await;
}

#[tokio::test]
async fn a_hundred_lines_are_accepted() {
    let shop = without_messages().await;
    let lines: Vec<(i64, i64)> = (0..100).map(|line| (line % 4 + 1, i64::from(line % 8 < 4))).collect();
    let lines: Vec<(i64, i64)> = lines.into_iter().map(|(product, extra)| (product, extra.max(1))).collect();
    let placed = shop.place(&lines).await;
    let pieces: i64 = placed["items"].as_array().unwrap().iter().map(|line| int(&line["quantity"])).sum();
    assert_eq!(pieces, 100);
}

#[tokio::test]
async fn all_products_that_lack_stock_are_named_and_nothing_is_held() {
    let shop = without_messages().await;
    let refused = shop.orders().post(ORDERS, order(&[(HEADSET, 9), (KEYBOARD, 1), (LAPTOP, 51)])).await;
    let problem = refused.problem(409, "insufficient-stock");
    let short = json!([
        {"productId": LAPTOP, "requested": 51, "available": 50},
        {"productId": HEADSET, "requested": 9, "available": 8},
    ]);
    assert_eq!(problem["items"], short);
    assert!(text(&problem["detail"]).contains("LAPTOP-001: 51 requested, 50 available"), "{problem}");
    assert_nothing_happened(&shop).await;
}

#[tokio::test]
async fn an_unknown_product_is_refused_as_a_whole() {
    let shop = without_messages().await;
    let refused = shop.orders().post(ORDERS, order(&[(LAPTOP, 1), (999, 1)])).await;
    let problem = refused.problem(422, "unknown-product");
    assert!(text(&problem["detail"]).contains("999"), "{problem}");
    assert_nothing_happened(&shop).await;
}
