//! What customers and the shop are told: which messages an event makes, and that it makes them once. Nothing is sent here:
//! the shops of these tests have neither mail server nor SMS gateway, as `cargo xtask up` has none.

use e2e::broker::event;
use e2e::client::Response;
use e2e::notices::told;
use e2e::poll;
use e2e::samples::{LAPTOP, MOUSE, int, number, order, order_of, product, text};
use e2e::shop::Shop;
use serde_json::{Value, json};
use shared_types::topology::{INVENTORY_ORDER_EVENTS, ORDER_NOTIFICATIONS};
use std::collections::HashSet;
use uuid::Uuid;

const NO_MAIL: &str = "no mail server is configured: set MAIL_FROM_ADDRESS";
const NO_SMS: &str = "no SMS gateway is configured: set BREVO_API_KEY";

/// Kinds and channels, without regard to the order in which channels were written.
fn kinds(notifications: &[Value]) -> HashSet<(String, String)> {
    notifications.iter().map(|it| (text(&it["kind"]).to_owned(), text(&it["channel"]).to_owned())).collect()
}

fn both_ways(kinds: &[&str]) -> HashSet<(String, String)> {
    kinds.iter().flat_map(|kind| ["EMAIL", "SMS"].map(|channel| ((*kind).to_owned(), channel.to_owned()))).collect()
}

async fn get(shop: &Shop, id: i64) -> Response {
    shop.orders().get(&format!("/api/notifications/{id}")).await
}

/// Waits until the consumer has dealt with everything published before.
async fn all_dealt_with(shop: &Shop) {
    let last = event("order.shipped", "x", json!({"orderId": 999_999, "reference": Uuid::now_v7()}));
    shop.broker().publish("order.shipped", &last.to_string()).await;
    let seen = format!(
        "SELECT COUNT(*) FROM orders.inbox WHERE consumer = '{}' AND event_id = '{}'",
        ORDER_NOTIFICATIONS.name,
        text(&last["id"])
    );
    poll::eventually("the consumer", async || poll::equal(shop.database.number(seen.as_str()).await, 1)).await;
}

async fn rows(shop: &Shop) -> i64 {
    shop.database.number("SELECT COUNT(*) FROM orders.notifications").await
}

#[tokio::test]
async fn a_customer_is_told_what_happens_to_an_order() {
    let shop = Shop::open().await;
    let placed = shop.place(&[(LAPTOP, 1), (MOUSE, 2)]).await;
    let id = int(&placed["id"]);
    shop.order_becomes(id, "CONFIRMED").await;
    for (status, reason) in [("SHIPPED", "By DHL 123"), ("DELIVERED", "at the neighbour's")] {
        let step = json!({"status": status, "reason": reason});
        shop.orders().put(&format!("/api/orders/{id}/status"), step).await.is(200);
    }
    let found = told(&shop, id, 8).await;
    let way = ["order-placed", "order-confirmed", "order-shipped", "order-delivered"];
    assert_eq!(kinds(&found), both_ways(&way));
    for notification in &found {
        let (recipient, reason) = match text(&notification["channel"]) {
            "EMAIL" => ("ada@example.com", NO_MAIL),
            _ => ("+44 20 7946 0000", NO_SMS),
        };
        assert_eq!((text(&notification["recipient"]), text(&notification["reason"])), (recipient, reason));
        assert_eq!((text(&notification["status"]), int(&notification["orderId"])), ("SKIPPED", id));
        assert_eq!((int(&notification["attempts"]), int(&notification["resends"])), (0, 0));
        assert!(notification["sentAt"].is_null() && notification["nextAttemptAt"].is_null(), "{notification}");
        assert!(notification.get("text").is_none(), "lists carry no texts: {notification}");
    }
    let number = text(&placed["orderNumber"]);
    for (at, words) in [(0, vec![number, "2559.97", "Ada Lovelace", "12 St James's Square"]), (1, vec![number])] {
        let answer = get(&shop, int(&found[at]["id"])).await.is(200);
        let shown = answer.json();
        assert_eq!(answer.header("etag"), "\"1\"");
        for word in words {
            assert!(text(&shown["text"]).replace("&#x27;", "'").contains(word), "{word} is missing: {shown}");
        }
    }
    let mail = get(&shop, int(&found[0]["id"])).await.json();
    assert!(text(&mail["subject"]).contains(number), "{mail}");
    let shipped = found.iter().find(|it| it["kind"] == "order-shipped").unwrap();
    let shown = get(&shop, int(&shipped["id"])).await.json();
    assert!(text(&shown["text"]).contains("By DHL 123"), "{shown}");
    shop.assert_invariants().await;
}

#[tokio::test]
async fn a_cancellation_is_told_with_its_reason() {
    let shop = Shop::open().await;
    let id = int(&shop.place(&[(MOUSE, 1)]).await["id"]);
    shop.order_becomes(id, "CONFIRMED").await;
    let reason = json!({"reason": "too <heavy>"});
    shop.orders().post(&format!("/api/orders/{id}/cancel"), reason).await.is(200);
    let found = told(&shop, id, 6).await;
    assert_eq!(kinds(&found), both_ways(&["order-placed", "order-confirmed", "order-cancelled"]));
    let mail = found.iter().find(|it| it["kind"] == "order-cancelled" && it["channel"] == "EMAIL").unwrap();
    let mail = int(&mail["id"]);
    assert!(text(&get(&shop, mail).await.json()["text"]).contains("too <heavy>"));
    let page = shop.orders().get(&format!("/api/notifications/{mail}/html")).await.is(200);
    assert!(page.text.contains("too &lt;heavy&gt;") && !page.text.contains("<heavy>"), "{}", page.text);
    assert!(page.header("content-type").starts_with("text/html"));
    let policy = page.header("content-security-policy");
    assert!(policy.contains("default-src 'none'") && policy.contains("sandbox"), "{policy}");
}

#[tokio::test]
async fn an_order_that_could_not_be_placed_is_told_as_given_up() {
    let plan = Shop::plan().guests().order_variable("ASYNC_PLACEMENT_GIVE_UP_SECONDS", "1");
    let mut shop = plan.open().await;
    shop.inventory_services[0].kill();
    let call = shop.orders().post("/api/orders", order(&[(MOUSE, 1)])).header("prefer", "respond-async");
    let id = int(&call.await.is(202).json()["id"]);
    shop.order_becomes(id, "CANCELLED").await;
    let found = told(&shop, id, 2).await;
    assert_eq!(kinds(&found), both_ways(&["placement-given-up"]));
    let shown = get(&shop, int(&found[0]["id"])).await.json();
    assert!(text(&shown["text"]).contains("we could not place your order in time"), "{shown}");
    assert!(!shown.to_string().contains("gave up after"), "{shown}");
    assert!(!text(&shown["text"]).contains("account"), "there is no order that an account could take: {shown}");
}

#[tokio::test]
async fn an_order_that_is_cancelled_before_it_is_placed_is_told_as_cancelled() {
    let mut shop = Shop::open().await;
    shop.inventory_services[0].kill();
    let call = shop.orders().post("/api/orders", order(&[(MOUSE, 1)])).header("prefer", "respond-async");
    let id = int(&call.await.is(202).json()["id"]);
    let reason = json!({"reason": "ordered twice"});
    shop.orders().post(&format!("/api/orders/{id}/cancel"), reason).await.is(200);
    let found = told(&shop, id, 2).await;
    assert_eq!(kinds(&found), both_ways(&["order-cancelled"]));
    let shown = get(&shop, int(&found[0]["id"])).await.json();
    assert!(text(&shown["text"]).contains("ordered twice"), "{shown}");
    assert!(!shown.to_string().contains("could not be placed"), "{shown}");
}

#[tokio::test]
async fn events_that_come_again_make_no_second_message() {
    let shop = Shop::open().await;
    let mut tap = shop.broker().tap().await;
    let id = int(&shop.place(&[(MOUSE, 1)]).await["id"]);
    shop.order_becomes(id, "CONFIRMED").await;
    told(&shop, id, 4).await;
    for routing_key in ["order.created", "order.confirmed"] {
        let original = tap.heard(routing_key, 1).await.remove(0);
        for _ in 0..3 {
            shop.broker().publish(routing_key, &original.body).await;
        }
    }
    all_dealt_with(&shop).await;
    assert_eq!(rows(&shop).await, 4);
    // Also where the inbox has forgotten them.
    shop.database.execute("DELETE FROM orders.inbox").await;
    let original = tap.heard("order.created", 1).await.remove(0);
    shop.broker().publish("order.created", &original.body).await;
    all_dealt_with(&shop).await;
    assert_eq!(rows(&shop).await, 4);
    assert!(shop.orders().dead_letters("", 0).await.is_empty());
}

#[tokio::test]
async fn an_order_without_a_number_gets_no_sms_and_a_bad_number_fails_at_once() {
    let plan = Shop::plan().order_variable("BREVO_API_KEY", "key").order_variable("BREVO_SMS_SENDER", "Shop");
    let shop = plan.order_variable("BREVO_SMS_URL", "http://127.0.0.1:9/").open().await;
    let place = async |phone: Value| {
        let mut body = order(&[(MOUSE, 1)]);
        body["customerPhone"] = phone;
        int(&shop.orders().post("/api/orders", body).await.is(201).json()["id"])
    };
    let (none, bad) = (place(Value::Null).await, place(json!("020 7946 0000")).await);
    let mails = told(&shop, none, 2).await;
    assert!(mails.iter().all(|it| it["channel"] == "EMAIL"), "{mails:?}");
    let found = told(&shop, bad, 4).await;
    let sms = found.iter().find(|it| it["channel"] == "SMS").unwrap();
    assert_eq!((text(&sms["status"]), &sms["recipient"]), ("FAILED", &Value::Null));
    let reason = text(&sms["reason"]);
    assert!(reason.starts_with("no telephone number") && !reason.contains("7946"), "{reason}");
}

#[tokio::test]
async fn the_shop_hears_of_each_crossing_of_the_threshold_once() {
    let shop = Shop::plan().order_variable("OPERATIONS_EMAIL", "stock@example.com").open().await;
    let mut tap = shop.broker().tap().await;
    let stock = |way: &str| format!("/api/inventory/products/{LAPTOP}/{way}-stock");
    let change = async |way: &str, quantity: i64| {
        shop.inventory().post(&stock(way), json!({"quantity": quantity})).await.is(200);
    };
    // 50 at hand, and a threshold of 5.
    let placed = shop.place(&[(LAPTOP, 46)]).await;
    shop.order_becomes(int(&placed["id"]), "CONFIRMED").await;
    shop.place(&[(LAPTOP, 1)]).await;
    change("add", 1).await;
    change("add", 1).await; // 5: at the threshold is low still
    shop.orders().post(&format!("/api/orders/{}/cancel", int(&placed["id"])), json!({})).await.is(200);
    shop.reservation_becomes(text(&placed["reference"]), "RELEASED").await;
    change("add", 10).await;
    change("reduce", 60).await; // 1
    change("add", 100).await;
    let mut changed = product("LAPTOP-001", "2499.99", 101);
    for threshold in [500, 600, 100] {
        changed["lowStockThreshold"] = json!(threshold);
        shop.inventory().put(&format!("/api/inventory/products/{LAPTOP}"), changed.clone()).await.is(200);
    }
    let low: Vec<Value> = tap.heard("stock.low", 3).await.iter().map(|it| it.event()["data"].clone()).collect();
    let risen: Vec<Value> =
        tap.heard("stock.replenished", 3).await.iter().map(|it| it.event()["data"].clone()).collect();
    let levels = |said: &[Value]| -> Vec<(i64, i64)> {
        said.iter().map(|it| (int(&it["stockQuantity"]), int(&it["lowStockThreshold"]))).collect()
    };
    assert_eq!(levels(&low), [(4, 5), (1, 5), (101, 500)]);
    assert_eq!(levels(&risen), [(51, 5), (101, 5), (101, 100)]);
    assert!(risen.iter().all(|it| it["productId"] == LAPTOP && it["sku"] == "LAPTOP-001"), "{risen:?}");
    let about_stock = "SELECT kind || ' ' || channel || ' ' || recipient FROM orders.notifications
                       WHERE order_id IS NULL ORDER BY id";
    let written = poll::eventually("the shop to be told", async || {
        let rows = shop.database.texts(about_stock).await;
        if rows.len() == 6 { Ok(rows) } else { Err(format!("{rows:?}")) }
    })
    .await;
    let row = |kind: &str| format!("stock-{kind} EMAIL stock@example.com");
    assert_eq!(written.iter().filter(|it| **it == row("low")).count(), 3, "{written:?}");
    assert_eq!(written.iter().filter(|it| **it == row("replenished")).count(), 3, "{written:?}");
    let first = shop.database.number("SELECT MIN(id) FROM orders.notifications WHERE kind = 'stock-low'").await;
    let shown = get(&shop, first).await.is(200).json();
    assert!(text(&shown["text"]).contains("LAPTOP-001"), "{shown}");
}

#[tokio::test]
async fn stock_that_goes_out_and_comes_back_again_and_again_alternates() {
    let shop = Shop::open().await;
    let mut tap = shop.broker().tap().await;
    for _ in 0..3 {
        let placed = shop.place(&[(LAPTOP, 48)]).await;
        let id = int(&placed["id"]);
        shop.orders().post(&format!("/api/orders/{id}/cancel"), json!({})).await.is(200);
        shop.reservation_becomes(text(&placed["reference"]), "RELEASED").await;
    }
    tap.heard("stock.replenished", 3).await;
    let said: Vec<String> =
        tap.all().iter().map(|it| it.routing_key.clone()).filter(|it| it.starts_with("stock.")).collect();
    assert_eq!(said, ["stock.low", "stock.replenished"].repeat(3));
    let nobody =
        "SELECT COUNT(*) FROM orders.notifications WHERE reason LIKE '%OPERATIONS_EMAIL%' AND status = 'SKIPPED'";
    poll::eventually("the rows", async || poll::equal(shop.database.number(nobody).await, 6)).await;
}

/// The data of an event about an order that no table knows.
fn unknown_order(reason: Option<&str>) -> Value {
    let mut data = json!({"orderId": 4711, "reference": Uuid::now_v7(), "customerName": "Grace Hopper",
        "customerEmail": "grace@example.com", "customerPhone": "+44 20 7946 0000", "shippingAddress": "Arlington",
        "totalAmount": 59.98, "items": [{"productId": 2, "productName": "Mouse", "quantity": 2, "price": 29.99}]});
    if let Some(reason) = reason {
        data["reason"] = json!(reason);
    }
    data
}

#[tokio::test]
async fn an_event_is_enough_by_itself() {
    let shop = Shop::open().await;
    for (kind, data) in [("order.delivered", unknown_order(None)), ("order.cancelled", unknown_order(Some("late")))] {
        shop.broker().publish(kind, &event(kind, text(&data["reference"]), data.clone()).to_string()).await;
    }
    let mut unplaced = unknown_order(Some("sold out"));
    unplaced["orderId"] = json!(4712);
    unplaced.as_object_mut().unwrap().remove("totalAmount");
    shop.broker().publish("order.cancelled", &event("order.cancelled", "x", unplaced).to_string()).await;
    poll::eventually("all three to be told", async || poll::equal(rows(&shop).await, 6)).await;
    let found = told(&shop, 4711, 4).await;
    assert_eq!(kinds(&found), both_ways(&["order-delivered", "order-cancelled"]));
    for mail in found.iter().filter(|it| it["channel"] == "EMAIL") {
        let shown = get(&shop, int(&mail["id"])).await.is(200).json();
        for part in ["ORD-00004711", "Grace Hopper", "Arlington", "59.98", "Mouse"] {
            assert!(text(&shown["text"]).contains(part), "{part} is missing: {shown}");
        }
    }
    assert_eq!(kinds(&told(&shop, 4712, 2).await), both_ways(&["placement-given-up"]));
    let owners = "SELECT DISTINCT customer_email FROM orders.notifications WHERE order_id = 4712";
    assert_eq!(shop.database.texts(owners).await, ["grace@example.com"]);
}

#[tokio::test]
async fn an_event_of_an_earlier_build_is_told_as_its_order_is() {
    let shop = Shop::open().await;
    let placed = shop.place(&[(MOUSE, 2)]).await;
    let id = int(&placed["id"]);
    told(&shop, id, 4).await;
    // As if none of its events had been told yet.
    shop.database.execute("DELETE FROM orders.notifications").await;
    // Nobody but the notifications is to hear of it: the order is not cancelled.
    shop.broker().unbind(INVENTORY_ORDER_EVENTS.name, "order.cancelled").await;
    let cancelled = json!({"orderId": id, "reference": placed["reference"], "reason": "too late"});
    let mut created = json!({"orderId": id, "reference": placed["reference"], "customerName": "Ada Lovelace",
        "customerEmail": "ada@example.com", "totalAmount": 59.98, "items": [{"productId": MOUSE, "quantity": 2}]});
    for (kind, data) in [("order.created", created.clone()), ("order.cancelled", cancelled)] {
        shop.broker().publish(kind, &event(kind, "x", data).to_string()).await;
    }
    let found = told(&shop, id, 4).await;
    assert_eq!(kinds(&found), both_ways(&["order-placed", "order-cancelled"]));
    for mail in found.iter().filter(|it| it["channel"] == "EMAIL") {
        assert_eq!(text(&mail["recipient"]), "ada@example.com");
        let shown = get(&shop, int(&mail["id"])).await.json();
        let reason = if mail["kind"] == "order-cancelled" { "too late" } else { "Ada" };
        for part in [reason, "Ada Lovelace", "12 St James", "59.98", "Mouse"] {
            assert!(text(&shown["text"]).contains(part), "{part} is missing: {shown}");
        }
    }
    // Where there is no such order, there is nobody to tell, and nothing to try again.
    created["orderId"] = json!(4711);
    created.as_object_mut().unwrap().remove("customerEmail");
    shop.broker().publish("order.created", &event("order.created", "x", created).to_string()).await;
    all_dealt_with(&shop).await;
    assert_eq!(rows(&shop).await, 4);
    assert!(shop.orders().dead_letters("", 0).await.is_empty());
}

#[tokio::test]
async fn an_order_may_cost_more_than_any_price() {
    let shop = Shop::open().await;
    let dear = json!({"sku": "DEAR-1", "name": "Yacht", "price": number("9999999999.99"), "stockQuantity": 5});
    let product = int(&shop.inventory().post("/api/inventory/products", dear).await.is(201).json()["id"]);
    let mut body = order_of("ada@example.com", &[(product, 2)]);
    body["expectedTotal"] = number("19999999999.98");
    let id = int(&shop.orders().post("/api/orders", body).await.is(201).json()["id"]);
    shop.order_becomes(id, "CONFIRMED").await;
    shop.orders().put(&format!("/api/orders/{id}/status"), json!({"status": "SHIPPED"})).await.is(200);
    let found = told(&shop, id, 6).await;
    let shown = get(&shop, int(&found[0]["id"])).await.is(200).json();
    assert!(text(&shown["text"]).contains("19999999999.98"), "{shown}");
    shop.assert_invariants().await;
}
