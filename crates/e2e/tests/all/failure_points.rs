//! Promises P2, P3 and P4 when order-service ends at any step of a placement.

use e2e::poll;
use e2e::samples::{LAPTOP, MOUSE, order, text};
use e2e::shop::{FAILURE_POINT, Shop};

const ORDERS: &str = "/api/orders";

/// Stops a placement at the point, kills the process there, starts it again, and looks whether order and stock agree.
async fn killed(point: &'static str, order_is_written: bool) {
    let mut shop = Shop::plan().failure_point(point).window(2).open().await;
    let lines = [(LAPTOP, 2), (MOUSE, 3)];
    let client = shop.orders().clone();
    let placing = tokio::spawn(async move { client.post(ORDERS, order(&lines)).key("order-1").attempt().await });
    poll::eventually(&format!("the placement to stand still at {point}"), async || {
        poll::equal(shop.order_services[0].log_lines(&["standing still at a failure point", point]), 1)
    })
    .await;
    shop.order_services[0].kill();
    assert!(placing.await.unwrap().is_err(), "an answer came past {point}");
    shop.order_services[0].set(FAILURE_POINT, "");
    shop.order_services[0].start().await;

    // Without anybody's doing, what is held is the order's or goes back.
    let written = i64::from(order_is_written);
    poll::eventually("order and stock to agree", async || {
        let held = shop.database.number("SELECT COUNT(*) FROM inventory.reservations WHERE status = 'HELD'").await;
        let stock = (shop.database.stock(LAPTOP).await, shop.database.stock(MOUSE).await);
        poll::equal((held, stock), (0, (50 - 2 * written, 200 - 3 * written)))
    })
    .await;
    shop.assert_invariants().await;
    assert_eq!(shop.database.number("SELECT COUNT(*) FROM orders.orders").await, written);

    // And the client's repeat gets the order, which there is once.
    let placed = shop.orders().post(ORDERS, order(&lines)).key("order-1").await.is(201);
    assert_eq!(placed.find_header("idempotency-replayed").is_some(), order_is_written);
    shop.reservation_becomes(text(&placed.json()["reference"]), "COMMITTED").await;
    shop.assert_invariants().await;
    assert_eq!(shop.database.number("SELECT COUNT(*) FROM orders.orders").await, 1);
    assert_eq!((shop.database.stock(LAPTOP).await, shop.database.stock(MOUSE).await), (48, 197));
}

#[tokio::test]
async fn killed_before_the_stock_is_held() {
    killed("before-reserve", false).await;
}

#[tokio::test]
async fn killed_when_the_stock_is_held() {
    killed("after-reserve", false).await;
}

#[tokio::test]
async fn killed_before_the_commit() {
    killed("before-commit", false).await;
}

#[tokio::test]
async fn killed_after_the_commit() {
    killed("after-commit", true).await;
}

#[tokio::test]
async fn killed_before_the_answer() {
    killed("before-answer", true).await;
}
