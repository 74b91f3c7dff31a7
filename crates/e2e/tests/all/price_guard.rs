//! An order is not placed at prices other than its customer was shown, where the client says which those were.

use e2e::client::{Client, Response};
use e2e::poll;
use e2e::samples::{LAPTOP, MOUSE, int, number, order, product, text};
use e2e::shop::Shop;
use serde_json::{Value, json};

const ORDERS: &str = "/api/orders";

/// Two mice and a laptop: 2559.97.
fn body() -> Value {
    order(&[(LAPTOP, 1), (MOUSE, 2)])
}

fn expecting(total: &str) -> Value {
    let mut body = body();
    body["expectedTotal"] = number(total);
    body
}

fn with_unit_price(line: usize, price: &str) -> Value {
    let mut body = body();
    body["items"][line]["unitPrice"] = number(price);
    body
}

async fn mouse_costs(shop: &Shop, price: &str) {
    let stock = shop.database.stock(MOUSE).await;
    let path = format!("/api/inventory/products/{MOUSE}");
    shop.inventory().put(&path, product("MOUSE-001", price, stock)).await.is(200);
}

#[track_caller]
fn assert_changed(refused: &Response, total: &str, mouse: &str) {
    let problem = refused.problem(409, "total-changed");
    assert!(refused.text.contains(&format!("\"totalAmount\":{total}")), "{}", refused.text);
    let items = json!([
        {"productId": LAPTOP, "unitPrice": number("2499.99")},
        {"productId": MOUSE, "unitPrice": number(mouse)},
    ]);
    assert_eq!(problem["items"], items);
}

async fn assert_nothing_is_left(shop: &Shop) {
    assert_eq!(shop.database.number("SELECT COUNT(*) FROM orders.orders").await, 0);
    assert_eq!((shop.database.stock(LAPTOP).await, shop.database.stock(MOUSE).await), (50, 200));
    let held = "SELECT COUNT(*) FROM inventory.reservations WHERE status <> 'RELEASED'";
    assert_eq!(shop.database.number(held).await, 0);
}

#[tokio::test]
async fn an_order_at_the_expected_prices_is_placed() {
    let shop = Shop::open().await;
    for body in
        [expecting("2559.97"), expecting("2559.970"), with_unit_price(1, "29.99"), with_unit_price(0, "2499.99")]
    {
        let placed = shop.orders().post(ORDERS, body).await.is(201).json();
        assert_eq!(placed["totalAmount"].to_string(), "2559.97");
        assert!(placed.get("expectedTotal").is_none(), "{placed}");
    }
    shop.assert_invariants().await;
}

#[tokio::test]
async fn an_order_at_other_prices_is_refused_and_its_stock_is_back_at_once() {
    let shop = Shop::plan().without_broker().open().await;
    mouse_costs(&shop, "99.00").await;
    for body in [expecting("2559.97"), with_unit_price(1, "29.99")] {
        for _ in 0..2 {
            assert_changed(&shop.orders().post(ORDERS, body.clone()).await, "2697.99", "99.00");
            assert_nothing_is_left(&shop).await;
        }
    }
    // A cheaper price is another one, too, and so is the right total of other prices.
    mouse_costs(&shop, "1.00").await;
    assert_changed(&shop.orders().post(ORDERS, expecting("2559.97")).await, "2501.99", "1.00");
    let mut swapped = expecting("2501.99");
    swapped["items"][0]["unitPrice"] = number("2499.98");
    assert_changed(&shop.orders().post(ORDERS, swapped).await, "2501.99", "1.00");
    assert_nothing_is_left(&shop).await;
    shop.orders().post(ORDERS, expecting("2501.99")).await.is(201);
}

#[tokio::test]
async fn a_refusal_leaves_the_key_free_for_the_new_price() {
    let shop = Shop::open().await;
    mouse_costs(&shop, "99.00").await;
    let place = async |body: Value| shop.orders().post(ORDERS, body).key("cart-1").await;
    assert_changed(&place(expecting("2559.97")).await, "2697.99", "99.00");
    let placed = place(expecting("2697.99")).await.is(201);
    assert_eq!(place(expecting("2697.99")).await.is(201).text, placed.text);
    place(expecting("2559.97")).await.problem(422, "idempotency-key-reused");
    place(body()).await.problem(422, "idempotency-key-reused");
    shop.order_becomes(int(&placed.json()["id"]), "CONFIRMED").await;
    assert_eq!(shop.database.number("SELECT COUNT(*) FROM orders.orders").await, 1);
    shop.assert_invariants().await;
}

#[tokio::test]
async fn orders_of_one_batch_are_refused_each_for_itself() {
    let shop = Shop::open().await;
    mouse_costs(&shop, "99.00").await;
    let place = |body: Value| {
        let client: Client = shop.orders().clone();
        tokio::spawn(async move { client.post(ORDERS, body).await.status })
    };
    let mut placed = Vec::new();
    for round in 0..24 {
        placed.push((
            round,
            place(match round % 3 {
                0 => expecting("2559.97"),
                1 => expecting("2697.99"),
                _ => body(),
            }),
        ));
    }
    for (round, answer) in placed {
        assert_eq!(answer.await.unwrap(), if round % 3 == 0 { 409 } else { 201 }, "{round}");
    }
    assert_eq!((shop.database.stock(LAPTOP).await, shop.database.stock(MOUSE).await), (34, 168));
    shop.assert_invariants().await;
}

#[tokio::test]
async fn an_accepted_order_at_other_prices_is_cancelled() {
    let shop = Shop::open().await;
    mouse_costs(&shop, "99.00").await;
    let accept = async |body: Value| {
        int(&shop.orders().post(ORDERS, body).header("prefer", "respond-async").await.is(202).json()["id"])
    };
    let (placed, too) = (accept(expecting("2697.99")).await, accept(with_unit_price(1, "99.00")).await);
    for refused in [expecting("2559.97"), with_unit_price(1, "29.99")] {
        let refused = accept(refused).await;
        shop.order_becomes(refused, "CANCELLED").await;
        let timeline = shop.orders().get(&format!("{ORDERS}/{refused}/timeline")).await.is(200).json();
        assert_eq!(text(&timeline[1]["reason"]), "The price has changed since you ordered.");
        assert_eq!(text(&timeline[1]["internalNote"]), "the order costs 2697.99 now");
    }
    for placed in [placed, too] {
        shop.order_becomes(placed, "CONFIRMED").await;
    }
    poll::eventually("the stock to be back", async || poll::equal(shop.database.stock(MOUSE).await, 196)).await;
    shop.assert_invariants().await;
}

#[tokio::test]
async fn prices_that_cannot_be_are_refused() {
    let shop = Shop::plan().without_broker().open().await;
    let refuse = async |body: Value| shop.orders().post(ORDERS, body).await.fields_at_fault();
    for price in ["0", "-1", "0.001", "1e22", "\"1\"", "[1]"] {
        assert_eq!(refuse(expecting(price)).await, ["expectedTotal"], "{price}");
        assert_eq!(refuse(with_unit_price(1, price)).await, ["items[1].unitPrice"], "{price}");
    }
    let mut two = order(&[(MOUSE, 1), (MOUSE, 2)]);
    two["items"][0]["unitPrice"] = number("29.99");
    two["items"][1]["unitPrice"] = number("30.00");
    assert_eq!(refuse(two.clone()).await, ["items[1].unitPrice"]);
    two["items"][1]["unitPrice"] = number("29.990");
    shop.orders().post(ORDERS, two).await.is(201);
}
