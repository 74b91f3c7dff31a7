//! Promise P7 where a primary is replaced: a server that takes no more writes is nobody's fault, and its connections are
//! closed.

use e2e::poll;
use e2e::samples::{LAPTOP, MOUSE, int, order, product};
use e2e::shop::Shop;
use serde_json::json;

/// Makes the server refuse writes, or take them again.
fn let_writes(shop: &Shop, allowed: bool) {
    let setting =
        if allowed { "RESET default_transaction_read_only" } else { "SET default_transaction_read_only = on" };
    for statement in [&format!("ALTER SYSTEM {setting}"), "SELECT pg_reload_conf()"] {
        let psql = shop.postgres.as_ref().unwrap().psql().args(["-c", statement]).output().unwrap();
        assert!(psql.status.success(), "{}", String::from_utf8_lossy(&psql.stderr));
    }
}

async fn read_only(shop: &Shop, setting: &str) {
    poll::eventually(&format!("the server to have writes {setting}"), async || {
        let seen = shop.database.texts("SELECT current_setting('default_transaction_read_only')").await;
        poll::equal(seen, vec![setting.to_owned()])
    })
    .await;
}

#[tokio::test]
async fn a_primary_that_takes_no_writes_is_unavailable() {
    let mut shop = Shop::plan().own_postgres().open().await;
    let first = int(&shop.place(&[(MOUSE, 1)]).await["id"]);
    shop.order_becomes(first, "CONFIRMED").await;
    let sessions = "SELECT pid::text FROM pg_stat_activity WHERE datname = current_database() AND application_name = ''
                    AND backend_type = 'client backend' AND pid <> pg_backend_pid()";
    let before = shop.database.texts(sessions).await;
    let_writes(&shop, false);
    read_only(&shop, "on").await;

    // Every kind of write, twice: no batch is taken apart, and no answer is a 500.
    for _ in 0..2 {
        shop.orders().post("/api/orders", order(&[(LAPTOP, 1)])).await.unavailable();
        let keyed = shop.orders().post("/api/orders", order(&[(LAPTOP, 1)])).key("failover");
        keyed.await.unavailable();
        shop.orders().post(&format!("/api/orders/{first}/cancel"), json!({})).await.unavailable();
        shop.inventory().post("/api/inventory/products", product("NEW-1", "1.00", 1)).await.unavailable();
        let add = format!("/api/inventory/products/{MOUSE}/add-stock");
        shop.inventory().post(&add, json!({"quantity": 1})).await.unavailable();
    }
    // Reads go on, and readiness tells.
    shop.orders().get("/api/orders").await.is(200);
    shop.inventory().get("/api/inventory/products").await.is(200);
    shop.order_services[0].ready_as(&["DOWN"]).await;
    let ready = shop.orders().get("/health/ready").await.is(200).json();
    assert_eq!(ready["dependencies"]["postgresql"]["detail"], "takes no writes");
    // The connections that were there lead to the old server for ever: they are closed.
    poll::eventually("the old connections to be closed", async || {
        shop.orders().get("/health/ready").await;
        shop.inventory().get("/health/ready").await;
        let now = shop.database.texts(sessions).await;
        let left: Vec<&String> = before.iter().filter(|pid| now.contains(pid)).collect();
        if left.is_empty() { Ok(()) } else { Err(format!("{left:?}")) }
    })
    .await;

    let_writes(&shop, true);
    read_only(&shop, "off").await;
    shop.order_services[0].ready_as(&["UP"]).await;
    shop.inventory_services[0].ready_as(&["UP"]).await;
    let id = int(&shop.place(&[(LAPTOP, 1)]).await["id"]);
    shop.order_becomes(id, "CONFIRMED").await;
    for service in shop.order_services.iter().chain(&shop.inventory_services) {
        assert_eq!(service.log_lines(&["unexpected error"]), 0, "{}", service.log());
    }
    shop.assert_invariants().await;
}
