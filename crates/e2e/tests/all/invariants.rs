//! `GET /api/admin/invariants`: all is well in a shop at work, and every kind of damage is found and named.

use e2e::poll;
use e2e::samples::{LAPTOP, MOUSE, int, order, text};
use e2e::shop::Shop;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::time::Duration;

const INVARIANTS: &str = "/api/admin/invariants";

async fn breaches(client: &e2e::client::Client) -> Vec<Value> {
    let answer = client.get(INVARIANTS).await.is(200).json();
    let breaches = answer["breaches"].as_array().cloned().unwrap_or_default();
    assert_eq!(answer["holds"], breaches.is_empty(), "{answer}");
    breaches
}

/// Damages the tables, past every constraint and trigger, and looks what is found; gives the breach of this name.
async fn damage(shop: &Shop, client: &e2e::client::Client, invariant: &str, statement: &str) -> Value {
    let mut by_hand = shop.database.lock("SET LOCAL session_replication_role = replica").await;
    assert_eq!(sqlx::query(sqlx::AssertSqlSafe(statement)).execute(&mut *by_hand).await.unwrap().rows_affected(), 1);
    by_hand.commit().await.unwrap();
    let found = breaches(client).await;
    let named = found.iter().find(|breach| breach["invariant"] == invariant);
    named.cloned().unwrap_or_else(|| panic!("{invariant} is not among {found:?}"))
}

/// The ids and details of all breaches of one invariant.
async fn orphans(client: &e2e::client::Client, invariant: &str) -> BTreeSet<(String, String)> {
    let of_it = breaches(client).await.into_iter().filter(|breach| breach["invariant"] == invariant);
    of_it.map(|breach| (text(&breach["ids"][0]).to_owned(), text(&breach["detail"]).to_owned())).collect()
}

fn pairs(expected: &[(&str, &str)]) -> BTreeSet<(String, String)> {
    expected.iter().map(|(id, detail)| ((*id).to_owned(), (*detail).to_owned())).collect()
}

#[tokio::test]
async fn a_shop_at_work_holds_what_it_promises() {
    let shop = Shop::open().await;
    let first = int(&shop.place(&[(LAPTOP, 1), (MOUSE, 2)]).await["id"]);
    let second = int(&shop.place(&[(MOUSE, 1)]).await["id"]);
    shop.inventory().post("/api/inventory/reserve-stock", json!({"productId": MOUSE, "quantity": 1})).await.is(200);
    shop.order_becomes(first, "CONFIRMED").await;
    shop.orders().post(&format!("/api/orders/{second}/cancel"), json!({})).await.is(200);
    shop.assert_invariants().await;
    for client in [shop.orders(), shop.inventory()] {
        assert_eq!(client.get(INVARIANTS).await.is(200).text, r#"{"holds":true}"#);
    }
}

#[tokio::test]
async fn damage_to_stock_is_found() {
    let shop = Shop::open().await;
    let order = shop.place(&[(LAPTOP, 1), (MOUSE, 2)]).await;
    let reference = text(&order["reference"]);
    shop.reservation_becomes(reference, "COMMITTED").await;
    let inventory = shop.inventory();
    let more = format!("UPDATE inventory.products SET stock_quantity = stock_quantity + 1 WHERE id = {LAPTOP}");
    let found = damage(&shop, inventory, "stock-is-sum-of-movements", &more).await;
    assert_eq!(found["ids"], json!(["1"]));
    assert_eq!(found["promise"], "P1");
    assert_eq!(found["detail"], "LAPTOP-001: stock 50, movements 49");
    let gap = "UPDATE inventory.stock_movements SET balance_after = balance_after + 5 WHERE id = 2";
    let found = damage(&shop, inventory, "movements-follow-each-other", gap).await;
    assert_eq!(found["ids"], json!(["2"]));
    let other = format!(
        "UPDATE inventory.reservation_items SET quantity = 3 WHERE reservation_id = '{reference}' AND product_id = {MOUSE}"
    );
    let found = damage(&shop, inventory, "reservation-moved-its-stock", &other).await;
    assert_eq!(found["ids"], json!([reference]));
    let more = format!("UPDATE inventory.products SET reserved = reserved + 1 WHERE id = {LAPTOP}");
    let found = damage(&shop, inventory, "reserved-is-sum-of-reservations", &more).await;
    assert_eq!((&found["ids"], &found["detail"]), (&json!(["1"]), &json!("LAPTOP-001: reserved 2, reservations 1")));
    let sold = format!("UPDATE inventory.reservations SET direct = TRUE WHERE id = '{reference}'");
    let found = damage(&shop, inventory, "only-what-waits-is-reserved", &sold).await;
    assert_eq!(found["detail"], "was sold at once, and its pieces count as reserved");
    let (id, nobody) = ("01936f5e-7c3a-7b1e-8a4e-3f1d2c5b6a70", "01936f5e-7c3a-7b1e-8a4e-3f1d2c5b6a71");
    let item = |change: &str, product: i64| {
        format!(
            "UPDATE inventory.reservation_items SET {change}
             WHERE reservation_id = '{reference}' AND product_id = {product}"
        )
    };
    let lost = [
        "UPDATE inventory.stock_movements SET product_id = 99 WHERE id = 3",
        &item("product_id = 98", LAPTOP),
        &item(&format!("reservation_id = '{nobody}'"), MOUSE),
    ];
    for statement in lost {
        damage(&shop, inventory, "rows-have-their-parents", statement).await;
    }
    let expected = [
        ("3", "moved product 99, which is not there"),
        (nobody, "has an item, and there is no such reservation"),
        (reference, "has an item of product 98, which is not there"),
    ];
    assert_eq!(orphans(inventory, "rows-have-their-parents").await, pairs(&expected));
    let held = format!(
        "INSERT INTO inventory.reservations (id, status, expires_at) VALUES ('{id}', 'HELD', now() - INTERVAL '20 s')"
    );
    let found = damage(&shop, inventory, "reservation-is-settled", &held).await;
    assert_eq!(found["ids"], json!([id]));
    // The job that adds ranges stays away.
    let ranges = shop.database.lock("LOCK TABLE inventory.movement_ranges IN SHARE MODE").await;
    let beyond = "SELECT setval('inventory.stock_movements_id_seq', max(end_id)) FROM inventory.movement_ranges";
    let found = damage(&shop, inventory, "movement-ranges-are-ahead", beyond).await;
    assert_eq!((&found["ids"], &found["promise"]), (&json!(["stock_movements"]), &json!("P9")));
    ranges.rollback().await.unwrap();
    let names: BTreeSet<String> = breaches(inventory).await.iter().map(|b| text(&b["invariant"]).to_owned()).collect();
    assert!(names.contains("reservation-has-items"), "{names:?}");
}

#[tokio::test]
async fn damage_to_orders_is_found() {
    let shop = Shop::open().await;
    let id = int(&shop.place(&[(LAPTOP, 1), (MOUSE, 2)]).await["id"]);
    shop.order_becomes(id, "CONFIRMED").await;
    let orders = shop.orders();
    let step = |status: &str| {
        format!("INSERT INTO orders.order_status_history (order_id, status, actor) VALUES ({id}, '{status}', 'test')")
    };
    let found = damage(&shop, orders, "timeline-ends-at-the-status", &step("DELIVERED")).await;
    assert_eq!(found["detail"], "is CONFIRMED, its timeline ends with DELIVERED");
    let found = damage(&shop, orders, "timeline-is-legal", &step("CONFIRMED")).await;
    assert_eq!(found["detail"], "went from DELIVERED to CONFIRMED");
    let dearer = format!("UPDATE orders.orders SET total_amount = total_amount + 1 WHERE id = {id}");
    let found = damage(&shop, orders, "total-is-sum-of-lines", &dearer).await;
    assert_eq!(found["ids"], json!([id.to_string()]));
    for (table, other) in [("order_items", 98), ("order_status_history", 99)] {
        let last = format!("(SELECT MAX(id) FROM orders.{table} WHERE order_id = {id})");
        let lost = format!("UPDATE orders.{table} SET order_id = {other} WHERE id = {last}");
        damage(&shop, orders, "rows-have-their-order", &lost).await;
    }
    let expected =
        [("98", "has a line, and there is no such order"), ("99", "has a timeline, and there is no such order")];
    assert_eq!(orphans(orders, "rows-have-their-order").await, pairs(&expected));
    let empty =
        "INSERT INTO orders.orders (reference, customer_name, customer_email, shipping_address, status, total_amount)
                 VALUES (gen_random_uuid(), 'Ada', 'ada@example.com', 'London', 'PENDING', 1)";
    let found = damage(&shop, orders, "order-has-lines", empty).await;
    assert_eq!(found["ids"], json!([(id + 1).to_string()]));
}

#[tokio::test]
async fn damage_to_the_audit_is_found() {
    let shop = Shop::plan().inventory_only().with_accounts().open().await;
    shop.register("ada@example.com").await;
    let accounts = shop.accounts();
    assert_eq!(breaches(accounts).await, [Value::Null; 0]);
    // The job that adds ranges gives up each time.
    let reader = shop.database.lock("LOCK TABLE accounts.audit IN ACCESS SHARE MODE").await;
    let beyond = "INSERT INTO accounts.audit (id, at, actor, action, user_id, previous, hash)
                  SELECT max(end_id), now(), 'nobody', 'x', gen_random_uuid(), '', '' FROM accounts.audit_ranges";
    let found = damage(&shop, accounts, "audit-ranges-are-ahead", beyond).await;
    assert_eq!((&found["promise"], &found["detail"]), (&json!("P9"), &json!("has room for entries before 1048576")));
    let names: BTreeSet<String> = breaches(accounts).await.iter().map(|it| text(&it["invariant"]).to_owned()).collect();
    assert!(names.contains("audit-is-whole"), "{names:?}");
    reader.rollback().await.unwrap();
}

#[tokio::test]
async fn damage_to_money_is_found() {
    let shop = Shop::open().await;
    let orders = shop.orders();
    let mut body = order(&[(MOUSE, 1)]);
    body["payment"] = json!({"method": "CASH_ON_DELIVERY"});
    let id = int(&orders.post("/api/orders", body).await.is(201).json()["id"]);
    shop.order_becomes(id, "CONFIRMED").await;
    orders.post("/api/payments/1/collect", json!({})).await.is(200);
    shop.assert_invariants().await;

    let due = format!("UPDATE orders.orders SET payment_status = 'DUE' WHERE id = {id}");
    let found = damage(&shop, orders, "confirmed-is-paid", &due).await;
    assert_eq!((&found["promise"], &found["detail"]), (&json!("P10"), &json!("is CONFIRMED, and its payment DUE")));
    let paid = format!("UPDATE orders.orders SET payment_status = 'PAID', stock_committed = TRUE WHERE id = {id}");
    shop.database.execute(paid).await;
    shop.assert_invariants().await;

    let dearer = format!("UPDATE orders.orders SET total_amount = 30.99 WHERE id = {id}");
    let found = damage(&shop, orders, "order-money", &dearer).await;
    assert_eq!(found["detail"], "is CONFIRMED and PAID, total 30.99, taken 29.99, given back 0.00, by hand 0");
    shop.database.execute(format!("UPDATE orders.orders SET total_amount = 29.99 WHERE id = {id}")).await;

    let less = "UPDATE orders.payment_operations SET amount = 29.98";
    let found = damage(&shop, orders, "payment-is-its-operations", less).await;
    assert!(text(&found["detail"]).starts_with("captured 29.99, operations 29.98"), "{found}");
    let lost = "UPDATE orders.payment_operations SET payment_id = 99";
    assert_eq!(damage(&shop, orders, "operation-has-its-payment", lost).await["ids"], json!(["99"]));
    let alone = "UPDATE orders.payments SET order_id = 98";
    let found = damage(&shop, orders, "payment-has-its-order", alone).await;
    assert_eq!(found["detail"], "is of order 98, which is not there");
    let last_line = "ALTER TABLE orders.payments DROP CONSTRAINT payments_refund_within_captured";
    shop.database.execute(last_line).await;
    let more = "UPDATE orders.payments SET refund_reserved = 30";
    let found = damage(&shop, orders, "refund-within-capture", more).await;
    assert_eq!(found["ids"], json!(["1"]));
}

#[tokio::test]
async fn money_that_waits_for_ever_is_found() {
    let sandbox = e2e::money::sandbox().await;
    let shop = Shop::plan().paid_by(&sandbox).open().await;
    let orders = shop.orders();
    let (paid, of_paid) = e2e::money::placed(&shop).await;
    e2e::money::pay(&shop, paid, "pm_card_visa").await.is(200);
    shop.order_becomes(paid, "CONFIRMED").await;
    let (unpaid, of_unpaid) = e2e::money::placed(&shop).await;
    shop.assert_invariants().await;
    assert_eq!(breaches(orders).await, [Value::Null; 0]);

    let late = format!("UPDATE orders.payments SET pay_by = now() - INTERVAL '11 minutes' WHERE id = {of_unpaid}");
    let found = damage(&shop, orders, "unpaid-is-cancelled", &late).await;
    assert_eq!(found["ids"], json!([unpaid.to_string()]));
    shop.database.execute(format!("UPDATE orders.payments SET pay_by = now() WHERE id = {of_unpaid}")).await;

    let operation = |status: &str, minutes: i64| {
        format!(
            "INSERT INTO orders.payment_operations
                 (id, payment_id, provider, kind, amount, status, cause, cause_id, made_by, first_sent_at)
             VALUES (gen_random_uuid(), {of_paid}, 'STRIPE', 'CONFIRM', 1, '{status}', 'CHECKOUT', gen_random_uuid(), 'x',
                     now() - INTERVAL '{minutes} minutes')"
        )
    };
    shop.database.execute(format!("DELETE FROM orders.payments_at_work WHERE payment_id = {of_paid}")).await;
    let found = damage(&shop, orders, "what-is-open-is-at-work", &operation("PREPARED", 0)).await;
    assert_eq!(found["ids"], json!([of_paid.to_string()]));
    let found = damage(&shop, orders, "nothing-waits-for-ever", &operation("UNKNOWN", 61)).await;
    assert!(text(&found["detail"]).ends_with("whether its CONFIRM of 1.00 was done"), "{found}");

    let finding = "INSERT INTO orders.payment_findings (kind, provider, object_id, theirs, detail)
                   VALUES ('CAPTURED_WITHOUT_ORDER', 'STRIPE', 'pi_9', 7, 'x')";
    let found = damage(&shop, orders, "captured-has-its-order", finding).await;
    assert_eq!((&found["ids"], &found["promise"]), (&json!(["pi_9"]), &json!("P10")));
    assert_eq!(found["detail"], "STRIPE took 7.00, and no order is known for it");
}

#[tokio::test]
async fn what_other_rows_belong_to_cannot_be_taken_away() {
    let shop = Shop::open().await;
    shop.place(&[(MOUSE, 1)]).await;
    for table in [
        "orders.orders",
        "inventory.products",
        "inventory.reservations",
        "orders.payments",
        "orders.payment_operations",
    ] {
        let new_id = if matches!(table, "inventory.reservations" | "orders.payment_operations") {
            "gen_random_uuid()"
        } else {
            "DEFAULT"
        };
        let attempts = [
            format!("DELETE FROM {table}"),
            format!("TRUNCATE {table} CASCADE"),
            format!("UPDATE {table} SET id = {new_id}"),
        ];
        for attempt in attempts {
            let refused = sqlx::query(sqlx::AssertSqlSafe(attempt.clone())).execute(shop.database.pool()).await;
            let reason = refused.expect_err(&attempt).to_string();
            assert!(reason.contains("stays there, other rows belong to it"), "{attempt}: {reason}");
        }
    }
}

#[tokio::test]
async fn an_event_that_nobody_publishes_is_found() {
    let shop = Shop::open().await;
    let places = "FROM pg_locks WHERE locktype = 'advisory' AND granted AND database = (SELECT oid FROM pg_database
                  WHERE datname = current_database()) AND objid = hashtext('orders relay')::bigint & 4294967295";
    poll::eventually("the relay to take its place", async || {
        poll::equal(shop.database.number(format!("SELECT COUNT(*) {places}")).await, 1)
    })
    .await;
    // It loses it to the test, which stands in line for it.
    let (pool, place) = (shop.database.pool().clone(), "pg_advisory_lock(hashtext('orders relay'))");
    let in_line = tokio::spawn(async move {
        let mut conn = pool.acquire().await.unwrap();
        sqlx::query(sqlx::AssertSqlSafe(format!("SELECT {place}"))).execute(&mut *conn).await.unwrap();
        conn
    });
    shop.database.somebody_waits().await;
    let end = format!("SELECT COUNT(pg_terminate_backend(pid)) {places}");
    assert_eq!(shop.database.number(end).await, 1);
    let _in_its_place = in_line.await.unwrap();
    shop.place(&[(MOUSE, 1)]).await;
    let age = "UPDATE orders.outbox SET created_at = now() - INTERVAL '2 minutes'";
    let found = damage(&shop, shop.orders(), "outbox-is-published", age).await;
    assert_eq!(found["promise"], "P5");
    assert!(text(&found["detail"]).starts_with("order.created has waited for 00:02:"), "{found}");
}

#[tokio::test]
async fn one_check_is_made_at_a_time() {
    let shop = Shop::open().await;
    let lock = shop.database.lock("SELECT pg_advisory_xact_lock(hashtext('orders invariants'))").await;
    shop.orders().get(INVARIANTS).await.unavailable();
    shop.inventory().get(INVARIANTS).await.is(200);
    lock.rollback().await.unwrap();
    shop.orders().get(INVARIANTS).await.is(200);
}

#[tokio::test]
async fn what_only_both_services_together_can_tell_is_found() {
    let shop = Shop::open().await;
    let order = shop.place(&[(LAPTOP, 1), (MOUSE, 2)]).await;
    let (id, reference) = (int(&order["id"]), text(&order["reference"]));
    shop.order_becomes(id, "CONFIRMED").await;
    shop.inventory().post("/api/inventory/reserve-stock", json!({"productId": MOUSE, "quantity": 1})).await.is(200);
    let compared = async |patience| {
        let (orders, inventory) = (shop.orders().base(), shop.inventory().base());
        verify::run(orders, inventory, Duration::from_millis(patience)).await.unwrap()
    };
    let report = compared(10_000).await;
    assert!(report.breaches.is_empty(), "{report}");
    assert_eq!((report.orders, report.reservations), (1, 2));

    // The order is there and its stock is not; each service for itself finds nothing wrong with that.
    let given_back = format!(
        "WITH back AS (UPDATE inventory.reservations SET status = 'RELEASED', reserved = FALSE WHERE id = '{reference}'),
              stock AS (UPDATE inventory.products SET stock_quantity = stock_quantity + 1, reserved = 0
                        WHERE id = {LAPTOP}),
              stock_too AS (UPDATE inventory.products SET stock_quantity = stock_quantity + 2, reserved = 0
                            WHERE id = {MOUSE})
         INSERT INTO inventory.stock_movements (product_id, delta, reason, reference, balance_after)
         VALUES ({LAPTOP}, 1, 'RELEASE', '{reference}', 50), ({MOUSE}, 2, 'RELEASE', '{reference}', 199)"
    );
    assert_eq!(shop.database.execute(given_back).await, 2);
    let report = compared(500).await;
    let found: Vec<_> = report.breaches.iter().map(|breach| (breach.invariant.as_str(), &breach.ids)).collect();
    assert_eq!(found, [("order-has-its-stock", &vec![id.to_string(), reference.to_owned()])], "{report}");
    for client in [shop.orders(), shop.inventory()] {
        assert!(breaches(client).await.is_empty());
    }
}
