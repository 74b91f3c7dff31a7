//! Promise P9: no statement of the services reads a whole table, also not with a plan that was made while it was empty.

mod accounts;
mod covered;
mod rarely;
mod statements;

use e2e::pages::ids;
use e2e::poll;
use e2e::process::Service;
use e2e::samples::{LAPTOP, MOUSE, int, order, text};
use e2e::shop::{Plan, Shop};
use serde_json::json;
use sqlx::{AssertSqlSafe, Executor};
use uuid::Uuid;

/// More than the executions after which PostgreSQL keeps a plan for good.
const ORDERS: i64 = 12;

/// Rows of each table when it is full.
const MANY: i64 = 50_000;

/// Checks look at every row on purpose.
const NO_CHECKS: (&str, &str) = ("INVARIANT_CHECK_MINUTES", "0");

/// A shop with a mail server that is not there, so that messages are claimed and given back.
fn plan() -> Plan {
    let plan = Shop::plan().order_variable("MAIL_HOST", "127.0.0.1").order_variable("MAIL_PORT", "9");
    let plan = plan.order_variable("MAIL_TLS", "none").order_variable("MAIL_FROM_ADDRESS", "shop@example.com");
    let plan = plan.order_variable("NOTIFICATION_CIRCUIT_PAUSE_MS", "10");
    let plan = plan.order_variable(NO_CHECKS.0, NO_CHECKS.1).inventory_variable(NO_CHECKS.0, NO_CHECKS.1);
    plan.order_variable("BREVO_WEBHOOK_SECRET", "hush")
}

/// Places an order, has it confirmed, tells the customer, cancels it, and looks at everything.
async fn use_everything(shop: &Shop, key: &str) {
    let lines = order(&[(LAPTOP, 1), (MOUSE, 1)]);
    let call = shop.orders().post("/api/orders", lines).header("Idempotency-Key", key);
    let placed = call.await.is(201).json();
    let id = int(&placed["id"]);
    shop.order_becomes(id, "CONFIRMED").await;
    shop.timeline(id).await;
    shop.orders().get(&format!("/api/orders/{id}/explain")).await.is(200);
    let explain = format!("/api/inventory/reservations/{}/explain", text(&placed["reference"]));
    shop.inventory().get(&explain).await.is(200);
    shop.orders().get("/api/orders?status=CONFIRMED").await.is(200);
    shop.orders().get(&format!("/api/orders/customer/{}", text(&placed["customerEmail"]))).await.is(200);
    let notifications = async || shop.orders().get(&format!("/api/orders/{id}/notifications")).await.is(200).array();
    let told = poll::eventually("the customer to be told", async || match notifications().await.pop() {
        Some(last) => Ok(last),
        None => Err("nothing was written".to_owned()),
    })
    .await;
    let notification = format!("/api/notifications/{}", int(&told["id"]));
    for path in [notification.clone(), format!("{notification}/explain")] {
        shop.orders().get(&path).await.is(200);
    }
    shop.orders().call("POST".parse().unwrap(), &format!("{notification}/resend")).await.problem(409, "cannot-resend");
    for path in ["/api/notifications", "/api/notifications?status=QUEUED", "/api/notifications?status=SENT"] {
        shop.orders().get(path).await.is(200);
    }
    let report = json!({"event": "delivered", "message-id": "unknown@example.com"});
    let report = shop.orders().post("/api/notifications/webhooks/brevo", report);
    report.header("x-webhook-secret", "hush").await.is(200);
    let email = text(&placed["customerEmail"]);
    shop.orders().delete(&format!("/api/notifications?customerEmail={email}")).await.is(200);
    shop.inventory().get(&format!("/api/inventory/products/{LAPTOP}/movements")).await.is(200);
    shop.inventory().get("/api/inventory/reservations?status=HELD").await.is(200);
    let path = format!("/api/inventory/products/{LAPTOP}/add-stock");
    let add = async || shop.inventory().post(&path, json!({"quantity": 1})).key(key).await.is(200);
    assert_eq!(add().await.text, add().await.text);
    shop.orders().patch(&format!("/api/orders/{id}"), json!({"note": "Please ring twice"})).await.is(200);
    shop.orders().post(&format!("/api/orders/{id}/cancel"), json!({})).await.is(200);
    shop.reservation_becomes(text(&placed["reference"]), "RELEASED").await;
}

async fn place_later(shop: &Shop) {
    let accepted = shop.orders().post("/api/orders", order(&[(LAPTOP, 1), (MOUSE, 1)]));
    let accepted = accepted.header("prefer", "respond-async").await.is(202).json();
    shop.order_becomes(int(&accepted["id"]), "CONFIRMED").await;
}

/// How often each table was read as a whole.
async fn whole_reads(shop: &Shop) -> Vec<String> {
    let sql = "SELECT schemaname || '.' || relname || ' ' || seq_scan FROM pg_stat_user_tables
               WHERE schemaname IN ('orders', 'inventory') AND relname <> '_sqlx_migrations' ORDER BY 1";
    shop.database.texts(sql).await
}

#[tokio::test]
async fn no_table_is_read_as_a_whole() {
    let shop = plan().open().await;
    let before = whole_reads(&shop).await;
    for number in 1..=ORDERS {
        use_everything(&shop, &format!("plans-{number}")).await;
    }
    // The counters arrive a moment later, those of one connection together. An order is confirmed, noted on and cancelled.
    let counted = format!(
        "SELECT count(*) FROM (
             SELECT sum(n_tup_ins) AS inserted, sum(n_tup_upd) AS updated FROM pg_stat_user_tables
             WHERE relid IN (SELECT relid FROM pg_partition_tree('orders.orders'))) AS orders
         WHERE inserted = {ORDERS} AND updated = 3 * {ORDERS}"
    );
    poll::eventually("the counters", async || poll::equal(shop.database.number(counted.as_str()).await, 1)).await;
    assert_eq!(whole_reads(&shop).await, before);
}

/// Has a setting hold for every connection to come.
async fn set(shop: &Shop, name: &str, value: &str) {
    let alter = format!("EXECUTE format('ALTER DATABASE %I SET {name} = %L', current_database(), '{value}')");
    shop.database.execute(format!("DO $$ BEGIN {alter}; END $$")).await;
}

/// Stops the services, whose connections leave their counters behind when they end.
async fn stop(shop: &mut Shop) {
    services(shop).for_each(Service::kill);
    let connections = "SELECT count(*) FROM pg_stat_activity
                       WHERE datname = current_database() AND application_name = 'service'";
    let gone = async || poll::equal(shop.database.number(connections).await, 0);
    poll::eventually("the connections to end", gone).await;
}

fn services(shop: &mut Shop) -> impl Iterator<Item = &mut Service> {
    shop.services()
}

/// What was walked through since the counters were set to zero: tables of which more rows than this were read, and
/// indexes over several columns of which more pages were touched than the searches and changes of single rows explain. A
/// search for one column in an index that begins with another one finds few rows and goes through all pages.
async fn walked_through(shop: &Shop, rows: i64) -> Vec<String> {
    // From the root of such an index to a row.
    const PAGES_OF_A_ROW: i64 = 4;
    let sql = format!(
        "SELECT schemaname || '.' || relname || ': ' || seq_tup_read + idx_tup_fetch || ' rows'
         FROM pg_stat_user_tables WHERE seq_tup_read + idx_tup_fetch > {rows}
         UNION ALL
         SELECT i.schemaname || '.' || i.indexrelname || ': ' || touched || ' pages of ' || pages
         FROM pg_statio_user_indexes AS i
         JOIN pg_index USING (indexrelid) JOIN pg_stat_user_indexes AS s USING (indexrelid)
         JOIN pg_stat_user_tables AS t ON t.relid = i.relid
         CROSS JOIN LATERAL (SELECT pg_relation_size(indexrelid) / current_setting('block_size')::bigint,
                                    idx_blks_hit + idx_blks_read) AS size (pages, touched)
         WHERE indnkeyatts > 1 AND pages > {rows} / 100
           AND touched - {PAGES_OF_A_ROW} * (s.idx_scan + n_tup_ins + n_tup_upd) > pages / 2
         ORDER BY 1"
    );
    shop.database.texts(sql).await
}

/// When the tables are analyzed.
#[derive(PartialEq)]
enum Analyzed {
    /// Never: they are taken for ten pages.
    Never,
    /// While they are empty: they have no page.
    Empty,
    /// Once they are full, which has every plan made anew, with what most rows are taken for what every row is.
    Full,
}

/// Has every plan made and kept, and looks for plans that walk through full tables.
async fn keep_plans(analyzed: Analyzed) {
    let mut plan = plan();
    // One connection, so that no statement is planned anew on another one.
    for (name, value) in [("PGAPPNAME", "service"), ("DATABASE_MAX_CONNECTIONS", "1")] {
        plan = plan.order_variable(name, value).inventory_variable(name, value);
    }
    let mut shop = plan.open().await;
    if analyzed == Analyzed::Empty {
        shop.database.execute("ANALYZE").await;
    }
    keep_autovacuum_away(&shop).await;
    // From now on every plan is kept as it is first made, and it is made for the few rows that are there.
    set(&shop, "plan_cache_mode", "force_generic_plan").await;
    stop(&mut shop).await;
    for service in services(&mut shop) {
        service.start().await;
    }
    look_at_empty_queues(&shop).await;
    if analyzed == Analyzed::Never {
        ask_for_what_is_not_there(&shop).await;
    }
    use_everything(&shop, "empty").await;
    place_later(&shop).await;
    fill(&shop).await;
    if analyzed == Analyzed::Full {
        shop.database.execute("ANALYZE").await;
    }
    use_everything(&shop, "full").await;
    place_later(&shop).await;
    stop(&mut shop).await;
    assert_eq!(walked_through(&shop, MANY / 4).await, Vec::<String>::new());
}

#[tokio::test]
async fn plans_that_were_made_for_empty_tables_do_not_walk_through_full_ones() {
    keep_plans(Analyzed::Never).await;
}

#[tokio::test]
async fn plans_that_were_made_for_tables_known_to_be_empty_do_not_walk_through_full_ones() {
    keep_plans(Analyzed::Empty).await;
}

#[tokio::test]
async fn plans_that_were_made_for_what_most_rows_are_do_not_walk_through_them_to_a_rare_one() {
    keep_plans(Analyzed::Full).await;
}

/// Keeps autovacuum away: it analyzes tables at a moment of its own, and reads whole ranges of them for BRIN indexes, which
/// the counters show too.
async fn keep_autovacuum_away(shop: &Shop) {
    let tables = "SELECT format('ALTER TABLE %s SET (autovacuum_enabled = off)', oid::regclass)
                  FROM pg_class WHERE relkind = 'r' AND relnamespace::regnamespace::text IN ('orders', 'inventory', 'accounts')
                  UNION ALL
                  SELECT format('ALTER INDEX %s SET (autosummarize = off)', c.oid::regclass)
                  FROM pg_class c JOIN pg_am a ON a.oid = c.relam WHERE a.amname = 'brin'";
    for alter in shop.database.texts(tables).await {
        shop.database.execute(alter).await;
    }
}

/// Waits until the queues were looked at while nothing was in the tables.
async fn look_at_empty_queues(shop: &Shop) {
    let looks = "SELECT min(idx_scan) FROM pg_stat_user_indexes
                 WHERE indexrelname IN ('pending_placements_next_attempt_at', 'notifications_queued')";
    let before = shop.database.number(looks).await;
    poll::eventually("a few looks at the queues", async || match shop.database.number(looks).await - before {
        more if more < 8 => Err(format!("{more} more")),
        _ => Ok(()),
    })
    .await;
}

/// Asks for everything that has a number while there is nothing.
async fn ask_for_what_is_not_there(shop: &Shop) {
    for path in ["orders/1", "orders/1/timeline", "orders/1/explain", "orders/1/notifications", "notifications/1"] {
        shop.orders().get(&format!("/api/{path}")).await.is(404);
    }
    for path in ["orders/1/cancel", "notifications/1/resend"] {
        shop.orders().post(&format!("/api/{path}"), json!({})).await.is(404);
    }
    shop.orders().put("/api/orders/1/status", json!({"status": "CANCELLED"})).await.is(404);
    let reservation = format!("/api/inventory/reservations/{}", Uuid::now_v7());
    shop.inventory().get(&reservation).await.is(404);
    for change in ["commit", "release"] {
        shop.inventory().post(&format!("{reservation}/{change}"), json!({})).await.is(404);
    }
}

/// Fills every table that grows with orders, and sets the counters to zero. A connection keeps its counters to itself
/// for up to ten seconds, so the one that fills gives them up before.
async fn fill(shop: &Shop) {
    // Letters that wait are counted every five seconds: these do not.
    let letters = "(consumer, event_type, subject, body, reason, attempts, replayed_at)
                   SELECT 'nobody', 'x', n::text, n::text::bytea, 'x', 1, now()";
    let (of_orders, of_inventory) =
        (format!("orders.dead_letters {letters}"), format!("inventory.dead_letters {letters}"));
    let tables = [
        &of_orders,
        &of_inventory,
        "inventory.products (sku, name, price, stock_quantity, sku_key, name_key)
         SELECT 'MANY-' || n, 'Thing', 1, 0, 'many-' || n, 'thing'",
        "inventory.reservations (id, status, created_at, expires_at)
         SELECT gen_random_uuid(), 'COMMITTED', now(), now()",
        "inventory.reservation_items (reservation_id, product_id, sku, name, quantity, unit_price)
         SELECT gen_random_uuid(), n, 'MANY', 'Thing', 1, 1",
        "inventory.stock_movements (product_id, delta, reason, balance_after) SELECT 1000 + n, 1, 'RECEIPT', 1",
        "inventory.inbox (consumer, event_id) SELECT 'inventory-service.order-events', gen_random_uuid()",
        "inventory.idempotency_keys (route, key, request_hash, status)
         SELECT 'POST /api/inventory/products/1/add-stock', gen_random_uuid(), '', 200",
        "orders.orders (reference, customer_name, customer_email, shipping_address, status, total_amount)
         SELECT (left(orders.first_reference(now())::text, 13) || '-7' || substr(gen_random_uuid()::text, 16))::uuid,
                'Bob', 'bob@example.com', 'Paris', 'PENDING', CASE WHEN n % 2 = 0 THEN 1 END",
        "orders.order_items (order_id, product_id, quantity) SELECT 2 + n, 1, 1",
        "orders.order_status_history (order_id, status, actor) SELECT 2 + n, 'PENDING', 'customer'",
        "orders.inbox (consumer, event_id) SELECT 'order-service.reservation-events', gen_random_uuid()",
        "orders.idempotency_keys (route, key, request_hash, status)
         SELECT 'POST /api/orders', gen_random_uuid(), '', 201",
        "orders.notifications (event_id, order_id, kind, channel, recipient, customer_email, status, data)
         SELECT (left(orders.first_reference(now())::text, 13) || '-7' || substr(gen_random_uuid()::text, 16))::uuid,
                2 + n, 'order-placed', 'EMAIL', 'bob@example.com', 'bob@example.com', 'SENT', '{}'",
        "orders.payments (reference, order_id, method, provider, amount, currency, capture, status)
         SELECT gen_random_uuid(), 10000000 + n, 'CASH_ON_DELIVERY', 'ON_DELIVERY', 1, 'INR', 'AUTOMATIC', 'CREATED'",
        "orders.payment_operations (id, payment_id, provider, kind, amount, status, cause, cause_id, made_by)
         SELECT gen_random_uuid(), 10000000 + n, 'ON_DELIVERY', 'CAPTURE', 1, 'SUCCEEDED', 'CHECKOUT', gen_random_uuid(), 'x'",
    ];
    let inserts = tables.map(|rows| format!("INSERT INTO {rows} FROM generate_series(1, {MANY}) AS n"));
    // What waits is counted every five seconds: these are few enough for that, and too many for every claim.
    let waiting = format!(
        "INSERT INTO orders.pending_placements (order_id, next_attempt_at, give_up_at)
         SELECT 2 + 20 * n, now() + INTERVAL '1 hour', now() + INTERVAL '2 hours'
         FROM generate_series(1, {MANY} / 20) AS n"
    );
    let rest = [waiting.as_str(), "SELECT pg_stat_force_next_flush()", "SELECT pg_stat_reset()"].map(str::to_owned);
    let mut connection = shop.database.pool().acquire().await.unwrap();
    for statement in inserts.into_iter().chain(rest) {
        connection.execute(AssertSqlSafe(statement)).await.unwrap();
    }
}

#[tokio::test]
async fn orders_of_a_time_are_found_without_walking_through_the_newer() {
    // What checks the invariants would read a hundred rows beside them.
    let shop = Shop::plan().without_broker().order_variable(NO_CHECKS.0, NO_CHECKS.1).open().await;
    let orders =
        "INSERT INTO orders.orders (reference, customer_name, customer_email, shipping_address, status, created_at)
                  SELECT gen_random_uuid(), 'Ada Lovelace', 'ada@example.com', 'London', 'CANCELLED',
                         '2026-01-01T00:00:00Z'::timestamptz + n * INTERVAL '1 minute'
                  FROM generate_series(1, 5000) AS n";
    shop.database.execute(orders).await;
    let items = "INSERT INTO orders.order_items (order_id, product_id, product_name, quantity, price, subtotal)
                 SELECT id, 1, 'Laptop', 1, 5.00, 5.00 FROM orders.orders";
    shop.database.execute(items).await;
    shop.database.execute("ANALYZE orders.orders, orders.order_items").await;
    let read = async || {
        let sql = "SELECT sum(idx_tup_fetch)::bigint FROM pg_stat_user_tables
                   WHERE relid IN (SELECT relid FROM pg_partition_tree('orders.orders'))";
        shop.database.number(sql).await
    };
    let before = read().await;
    let first = shop.orders().get("/api/orders?createdTo=2026-01-02T00:00:00Z&limit=50").await.is(200);
    let second = shop.orders().get(&first.next_page().unwrap()).await.is(200);
    assert_eq!(ids(&first.array()), (1390..1440).rev().collect::<Vec<_>>());
    assert_eq!(ids(&second.array()), (1340..1390).rev().collect::<Vec<_>>());
    // The counters arrive a moment later.
    let rows = poll::eventually("the counters", async || match read().await - before {
        rows if rows < 100 => Err(format!("{rows} rows are counted")),
        rows => Ok(rows),
    });
    assert!(rows.await < 200, "{} rows were read for two pages", read().await - before);
}
