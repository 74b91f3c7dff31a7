//! Placing an order: what is answered, what is refused, and that a refusal leaves nothing behind.

use e2e::poll;
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

#[tokio::test]
async fn a_note_is_changed_until_the_order_is_shipped() {
    let shop = without_messages().await;
    let with_note = |note: Value| {
        let mut body = order(&[(MOUSE, 1)]);
        body["note"] = note;
        body
    };
    let placed = shop.orders().post(ORDERS, with_note(json!("  Please ring twice "))).await.is(201);
    assert_eq!(placed.json()["note"], "Please ring twice");
    let path = placed.header("location").to_owned();
    let patch = async |body: Value| shop.orders().patch(&path, body).await;
    for (body, note) in [
        (json!({}), json!("Please ring twice")),
        (json!({"note": "Zu den Nachbarn, bitte \u{1f64f}"}), json!("Zu den Nachbarn, bitte \u{1f64f}")),
        (json!({"note": null}), Value::Null),
        (json!({"note": "x".repeat(500)}), json!("x".repeat(500))),
        (json!({"note": " "}), Value::Null),
    ] {
        assert_eq!(patch(body.clone()).await.is(200).json()["note"], note, "{body}");
        assert_eq!(shop.orders().get(&path).await.is(200).json()["note"], note, "{body}");
    }
    for note in [json!("x".repeat(501)), json!("nul\u{0}"), json!(7)] {
        assert_eq!(patch(json!({"note": note})).await.fields_at_fault(), ["note"], "{note}");
        assert_eq!(shop.orders().post(ORDERS, with_note(note)).await.fields_at_fault(), ["note"]);
    }
    assert_eq!(patch(json!({"status": "SHIPPED"})).await.fields_at_fault(), ["status"], "nothing else is patched");
    let merge = |note: &str| format!(r#"{{"note": "{note}"}}"#);
    let merged = shop.orders().patch(&path, json!({})).body("application/merge-patch+json", merge("a")).await.is(200);
    let outdated = placed.header("etag").to_owned();
    shop.orders()
        .patch(&path, json!({"note": "b"}))
        .header("if-match", &outdated)
        .await
        .problem(412, "precondition-failed");
    let again =
        shop.orders().patch(&path, json!({"note": "a"})).header("if-match", merged.header("etag")).await.is(200);
    assert_eq!(again.header("etag"), merged.header("etag"), "the same note is no change");
    shop.orders().put(&format!("{path}/status"), json!({"status": "SHIPPED"})).await.is(200);
    patch(json!({"note": "too late"})).await.problem(409, "note-is-final");
    let cancelled = shop.orders().post(ORDERS, order(&[(MOUSE, 1)])).await.is(201).header("location").to_owned();
    shop.orders().post(&format!("{cancelled}/cancel"), json!({})).await.is(200);
    shop.orders().patch(&cancelled, json!({"note": "too late"})).await.problem(409, "note-is-final");
    shop.orders().patch(&format!("{ORDERS}/999"), json!({"note": "whose?"})).await.problem(404, "not-found");
}

#[tokio::test]
async fn the_note_of_an_accepted_order_is_changed_before_it_is_placed() {
    let mut shop = Shop::open().await;
    shop.inventory_services[0].kill();
    let body = order(&[(LAPTOP, 1)]);
    let accepted = shop.orders().post(ORDERS, body).header("prefer", "respond-async").await.is(202);
    let path = accepted.header("location").to_owned();
    assert_eq!(accepted.json()["note"], Value::Null);
    shop.orders().patch(&path, json!({"note": "Ring twice"})).await.is(200);
    shop.inventory_services[0].start().await;
    let order = async || shop.orders().get(&path).await.is(200).json();
    poll::eventually("the order is confirmed", async || {
        poll::equal(order().await["status"].clone(), json!("CONFIRMED"))
    })
    .await;
    assert_eq!(order().await["note"], "Ring twice");
    shop.assert_invariants().await;
}

#[tokio::test]
async fn a_note_is_shown_in_the_confirmation_and_in_no_log() {
    let shop = Shop::open().await;
    let mut body = order(&[(MOUSE, 1)]);
    body["note"] = json!("Ring twice,\nplease");
    let path = shop.orders().post(ORDERS, body).await.is(201).header("location").to_owned();
    let confirmed = poll::eventually("the confirmation", async || {
        let told = shop.orders().get(&format!("{path}/notifications")).await.is(200).array();
        let mail = |it: &Value| it["kind"] == "order-confirmed" && it["channel"] == "EMAIL";
        told.into_iter().find(mail).ok_or_else(|| "not told yet".to_owned())
    });
    let id = int(&confirmed.await["id"]);
    let mail = shop.orders().get(&format!("/api/notifications/{id}")).await.is(200).json();
    assert!(text(&mail["text"]).contains("Your note: Ring twice, please"), "{mail}");
    let html = shop.orders().get(&format!("/api/notifications/{id}/html")).await.is(200).text;
    assert!(html.contains("Ring twice, please"), "{html}");
    let log = async || shop.order_services[0].log();
    let shown = async || log().await.contains("[note]").then_some(()).ok_or_else(|| "not shown yet".to_owned());
    poll::eventually("the text in the log", shown).await;
    assert!(!log().await.contains("Ring twice"), "{}", log().await);
}

#[tokio::test]
async fn texts_are_taken_as_people_paste_them() {
    let shop = without_messages().await;
    let mut body = order(&[(MOUSE, 1)]);
    body["customerPhone"] = json!("\u{202a}+44\u{a0}20 7946\u{2011}0000 ext. 12\u{202c}");
    body["shippingAddress"] = json!("12 Main St\r\nLondon\tN1\rUK");
    body["note"] = json!("Ring\r\ntwice");
    let placed = shop.orders().post(ORDERS, body).await.is(201).json();
    let seen = ["customerPhone", "shippingAddress", "note"].map(|field| text(&placed[field]));
    assert_eq!(seen, ["+44 20 7946-0000 ext. 12", "12 Main St\nLondon N1\nUK", "Ring\ntwice"]);
    for (field, value) in [
        ("customerName", "Ada\nLovelace"),
        ("customerName", "You won! https://evil.example"),
        ("customerPhone", "1"),
        ("customerPhone", "--1"),
        ("customerPhone", "00000000000000000000000000000000"),
    ] {
        let mut body = order(&[(MOUSE, 1)]);
        body[field] = json!(value);
        assert_eq!(shop.orders().post(ORDERS, body).await.fields_at_fault(), [field], "{value:?}");
    }
}

#[tokio::test]
async fn a_key_that_was_kept_before_there_were_notes_gets_its_answer() {
    let shop = without_messages().await;
    let as_hashed_then = r#"{"customerName":"Ada","customerEmail":"ada@example.com","customerPhone":null,"shippingAddress":"London","items":[{"productId":1,"quantity":2}]}"#;
    let kept = format!(
        "INSERT INTO orders.idempotency_keys (route, key, request_hash, status, location, etag, body)
         VALUES ('POST /api/orders', 'then', sha256('{as_hashed_then}'), 201, '/api/orders/7', '\"1\"', '{{}}')"
    );
    shop.database.execute(kept).await;
    let body: Value = serde_json::from_str(as_hashed_then).unwrap();
    let again = shop.orders().post(ORDERS, body.clone()).key("then").await.is(201);
    assert_eq!((again.text.as_str(), again.header("idempotency-replayed")), ("{}", "true"));
    for (field, value) in
        [("note", json!("another request")), ("expectedTotal", json!(1)), ("customerName", json!("Eve"))]
    {
        let mut other = body.clone();
        other[field] = value;
        shop.orders().post(ORDERS, other).key("then").await.problem(422, "idempotency-key-reused");
    }
}
