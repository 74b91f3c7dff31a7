//! Promise P9: no statement of the services reads a whole table, also not with a plan that was made while it was empty.

use e2e::poll;
use e2e::samples::{LAPTOP, MOUSE, int, order, text};
use e2e::shop::Shop;
use serde_json::json;

/// More than the executions after which PostgreSQL keeps a plan for good.
const ORDERS: i64 = 12;

/// How often each table was read as a whole.
async fn whole_reads(shop: &Shop) -> Vec<String> {
    let sql = "SELECT schemaname || '.' || relname || ' ' || seq_scan FROM pg_stat_user_tables
               WHERE schemaname IN ('orders', 'inventory') AND relname <> '_sqlx_migrations' ORDER BY 1";
    shop.database.texts(sql).await
}

#[tokio::test]
async fn no_table_is_read_as_a_whole() {
    let shop = Shop::open().await;
    let before = whole_reads(&shop).await;
    for number in 1..=ORDERS {
        let lines = order(&[(LAPTOP, 1), (MOUSE, 1)]);
        let call = shop.orders().post("/api/orders", lines).header("Idempotency-Key", &format!("plans-{number}"));
        let placed = call.await.is(201).json();
        let id = int(&placed["id"]);
        shop.order_becomes(id, "CONFIRMED").await;
        shop.timeline(id).await;
        shop.orders().get("/api/orders?status=CONFIRMED").await.is(200);
        shop.orders().get(&format!("/api/orders/customer/{}", text(&placed["customerEmail"]))).await.is(200);
        shop.inventory().get(&format!("/api/inventory/products/{LAPTOP}/movements")).await.is(200);
        shop.inventory().get("/api/inventory/reservations?status=HELD").await.is(200);
        let path = format!("/api/inventory/products/{MOUSE}/add-stock");
        shop.inventory().post(&path, json!({"quantity": 1})).await.is(200);
        shop.orders().post(&format!("/api/orders/{id}/cancel"), json!({})).await.is(200);
        shop.reservation_becomes(text(&placed["reference"]), "RELEASED").await;
    }
    // The counters arrive a moment later, those of one connection together.
    let counted = format!(
        "SELECT count(*) FROM pg_stat_user_tables WHERE schemaname = 'orders' AND relname = 'orders'
         AND n_tup_ins = {ORDERS} AND n_tup_upd = 2 * {ORDERS}"
    );
    poll::eventually("the counters", async || poll::equal(shop.database.number(counted.as_str()).await, 1)).await;
    assert_eq!(whole_reads(&shop).await, before);
}
