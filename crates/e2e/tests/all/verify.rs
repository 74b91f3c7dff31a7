//! `verify` over lists of several pages: what differs is found wherever it stands, and is reported in full.

use e2e::environment::{Environment, folder_of_test};
use e2e::people::Person;
use e2e::poll;
use e2e::samples::text;
use e2e::shop::Shop;
use serde_json::json;
use std::time::Duration;
use verify::{Api, ApiKey, Leniency, Report, VerifyError};

/// Three pages and a bit of each list.
const ORDERS: i64 = 650;

/// Order-service's part of the orders: order n sells three pieces of product 100 and n of product 101.
const PLACED: &str = "
    WITH placed AS (
        INSERT INTO orders.orders (reference, customer_name, customer_email, shipping_address, status, total_amount)
        SELECT md5(n::text)::uuid, 'Ada', 'ada@example.com', 'London', 'CONFIRMED', 0.30 + 5.00 * n
        FROM generate_series(1, 650) AS n ORDER BY n RETURNING id
    ), lines AS (
        INSERT INTO orders.order_items (order_id, product_id, product_name, quantity, price, subtotal)
        SELECT id, 100, 'Pin', 3, 0.10, 0.30 FROM placed UNION ALL SELECT id, 101, 'Mug', id, 5.00, 5.00 * id FROM placed
    )
    INSERT INTO orders.order_status_history (order_id, status, actor)
    SELECT id, status, 'test' FROM placed, unnest(ARRAY['PENDING', 'CONFIRMED']) WITH ORDINALITY AS step (status, place)
    ORDER BY id, place";

/// Inventory-service's part of them.
const RESERVED: &str = "
    WITH products AS (
        INSERT INTO inventory.products (id, sku, name, price, stock_quantity) OVERRIDING SYSTEM VALUE
        VALUES (100, 'PIN', 'Pin', 0.10, 1000000 - 650 * 3), (101, 'MUG', 'Mug', 5.00, 1000000 - 650 * 651 / 2)
    ), reserved AS (
        INSERT INTO inventory.reservations (id, status, expires_at)
        SELECT md5(n::text)::uuid, 'COMMITTED', now() FROM generate_series(1, 650) AS n
    ), lines AS (
        INSERT INTO inventory.reservation_items (reservation_id, product_id, sku, name, quantity, unit_price)
        SELECT md5(n::text)::uuid, 100, 'PIN', 'Pin', 3, 0.10 FROM generate_series(1, 650) AS n
        UNION ALL SELECT md5(n::text)::uuid, 101, 'MUG', 'Mug', n, 5.00 FROM generate_series(1, 650) AS n
    )
    INSERT INTO inventory.stock_movements (product_id, delta, reason, reference, balance_after)
    SELECT product_id, delta, reason, reference, sum(delta) OVER (PARTITION BY product_id ORDER BY n) FROM (
        SELECT 0 AS n, unnest(ARRAY[100, 101]) AS product_id, 1000000 AS delta, 'RECEIPT' AS reason, '' AS reference
        UNION ALL SELECT n, 100, -3, 'SALE', md5(n::text)::uuid::text FROM generate_series(1, 650) AS n
        UNION ALL SELECT n, 101, -n, 'SALE', md5(n::text)::uuid::text FROM generate_series(1, 650) AS n
    ) AS moved ORDER BY n";

async fn full_shop() -> Shop {
    let shop = Shop::open().await;
    fill(&shop).await;
    shop
}

async fn fill(shop: &Shop) {
    by_hand(shop, PLACED).await;
    by_hand(shop, RESERVED).await;
}

/// Changes the tables past every constraint and trigger.
async fn by_hand(shop: &Shop, statement: &str) {
    let mut by_hand = shop.database.lock("SET LOCAL session_replication_role = replica").await;
    let done = sqlx::query(sqlx::AssertSqlSafe(statement)).execute(&mut *by_hand).await.unwrap();
    assert_ne!(done.rows_affected(), 0, "{statement}");
    by_hand.commit().await.unwrap();
}

async fn verified(shop: &Shop) -> verify::Report {
    let (orders, inventory) = (shop.orders().base(), shop.inventory().base());
    verify::run(orders, inventory, Duration::ZERO).await.unwrap()
}

/// What only both services together can tell, as it is reported.
async fn differences(shop: &Shop) -> Vec<String> {
    let of_both = ["order-has-its-stock", "stock-has-its-order", "order-is-there-once", "nothing-stays-held"];
    let breaches = verified(shop).await.breaches;
    breaches.iter().filter(|it| of_both.contains(&it.invariant.as_str())).map(ToString::to_string).collect()
}

/// The order whose reservation stands at this place of the list, from 0: its number and its reference.
async fn reserved_at(shop: &Shop, place: i64) -> (i64, String) {
    let reference = format!("SELECT id::text FROM inventory.reservations ORDER BY id LIMIT 1 OFFSET {place}");
    let reference = shop.database.texts(reference).await.remove(0);
    let id = shop.database.number(format!("SELECT id FROM orders.orders WHERE reference = '{reference}'")).await;
    (id, reference)
}

#[tokio::test]
async fn many_pages_that_agree_are_read_to_their_end() {
    let shop = full_shop().await;
    let report = verified(&shop).await;
    assert_eq!(report.breaches, []);
    assert_eq!((report.orders, report.reservations, report.looked_at_again), (650, 650, 0));
}

#[tokio::test]
async fn a_difference_on_any_page_is_found_and_told_in_full() {
    let shop = full_shop().await;
    let mut expected = Vec::new();
    // The first and the last row of the list, and both sides of each cut between pages.
    for place in [0, 199, 200, 399, 400, 599, 600, ORDERS - 1] {
        let (id, reference) = reserved_at(&shop, place).await;
        let more = "UPDATE inventory.reservation_items SET quantity = 4 WHERE product_id = 100 AND reservation_id";
        by_hand(&shop, &format!("{more} = '{reference}'")).await;
        expected.push(format!(
            r#"P3 order-has-its-stock [{id}, {reference}]: ordered {{100: (3, "0.10"), 101: ({id}, "5.00")}}, reserved {{100: (4, "0.10"), 101: ({id}, "5.00")}}"#
        ));
    }
    assert_eq!(differences(&shop).await, expected);
}

#[tokio::test]
async fn every_kind_of_difference_on_the_third_page_is_found() {
    let shop = full_shop().await;
    let mut expected = Vec::new();
    let mut damage = async |place: i64, statement: &str, found: &str| {
        let (id, reference) = reserved_at(&shop, place).await;
        let named = |text: &str| text.replace("{id}", &id.to_string()).replace("{reference}", &reference);
        by_hand(&shop, &named(statement)).await;
        expected.push(named(found));
    };
    let status = "UPDATE inventory.reservations SET status = 'RELEASED' WHERE id = '{reference}'";
    let found = "P3 order-has-its-stock [{id}, {reference}]: the order is CONFIRMED, its reservation RELEASED";
    damage(410, status, found).await;
    let other = "UPDATE inventory.reservation_items SET product_id = 1
                 WHERE product_id = 100 AND reservation_id = '{reference}'";
    let found = r#"P3 order-has-its-stock [{id}, {reference}]: ordered {100: (3, "0.10"), 101: ({id}, "5.00")}, reserved {1: (3, "0.10"), 101: ({id}, "5.00")}"#;
    damage(420, other, found).await;
    let order = "DELETE FROM orders.orders WHERE id = {id}";
    let found = "P3 stock-has-its-order [{reference}]: the stock is committed, and there is no such order";
    damage(430, order, found).await;
    // Last, as it moves the places of those that follow.
    let reservation = "DELETE FROM inventory.reservations WHERE id = '{reference}'";
    let found = "P3 order-has-its-stock [{id}, {reference}]: the order is CONFIRMED, its reservation missing";
    damage(440, reservation, found).await;
    assert_eq!(differences(&shop).await, expected);
}

#[tokio::test]
async fn an_order_that_is_there_twice_is_found() {
    let shop = full_shop().await;
    let (id, reference) = reserved_at(&shop, 410).await;
    shop.database.execute("ALTER TABLE orders.orders DROP CONSTRAINT orders_reference_unique").await;
    let twin = format!(
        "WITH twin AS (
             INSERT INTO orders.orders (reference, customer_name, customer_email, shipping_address, status, total_amount)
             SELECT reference, customer_name, customer_email, shipping_address, status, total_amount
             FROM orders.orders WHERE id = {id} RETURNING id)
         INSERT INTO orders.order_items (order_id, product_id, product_name, quantity, price, subtotal)
         SELECT twin.id, product_id, product_name, quantity, price, subtotal
         FROM twin, orders.order_items WHERE order_id = {id}"
    );
    by_hand(&shop, &twin).await;
    let expected = format!("P4 order-is-there-once [{id}, 651, {reference}]: 2 orders have the same reference");
    assert_eq!(differences(&shop).await, [expected]);
}

/// Verifies with a key for these scopes, from a file.
async fn verified_with(shop: &Shop, admin: &Person, scopes: &[&str]) -> Result<Report, VerifyError> {
    let body = json!({"name": "verify", "roles": ["ADMIN"], "scopes": scopes});
    let made = admin.accounts().post("/api/api-keys", body).await.is(201).json();
    let file = folder_of_test(Environment::get()).join("key");
    std::fs::write(&file, format!("{}\n", text(&made["secret"]))).unwrap();
    let key = ApiKey::from_file(&file).unwrap();
    let [orders, inventory] =
        [shop.orders(), shop.inventory()].map(|service| Api::with_key(service.base(), Some(&key)).unwrap());
    verify::run_and_tell(&orders, &inventory, Leniency::of(Duration::ZERO), &|_| {}).await
}

#[tokio::test]
async fn services_that_ask_for_a_token_are_verified_with_a_key() {
    let plan = Shop::plan().order_variable("ACCESS", "required").inventory_variable("ACCESS", "required");
    let plan = plan.account_variable("ACCESS", "required").account_variable("REGISTRATION", "verified");
    let shop = plan.open().await;
    fill(&shop).await;
    let without = verify::run(shop.orders().base(), shop.inventory().base(), Duration::ZERO).await;
    assert!(without.unwrap_err().to_string().contains("401"));
    let admin = shop.administrator("root@example.com").await;
    for (service, path) in [(shop.orders(), "/api/orders"), (shop.inventory(), "/api/inventory/reservations")] {
        let knows = async || poll::equal(admin.calls(service).get(path).await.status, 200);
        poll::eventually("the keys of account-service to be known", knows).await;
    }
    for scope in ["admin:read", "orders:read"] {
        let too_little = verified_with(&shop, &admin, &[scope]).await.unwrap_err().to_string();
        assert!(too_little.contains("403"), "{scope}: {too_little}");
    }
    let report = verified_with(&shop, &admin, &["admin:read", "orders:read"]).await.unwrap();
    assert_eq!((report.breaches, report.orders, report.reservations), (vec![], 650, 650));
}
