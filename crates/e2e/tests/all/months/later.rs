//! What was archived before a later migration comes back after it, and so does what was beyond all partitions meanwhile.

use super::{AGE, KEPT, archive, ids, old_shop, partition, restart, run};
use e2e::database::TestDatabase;
use e2e::environment::Environment;
use e2e::poll;
use serde_json::json;
use sqlx::AssertSqlSafe;

/// A table that is cut into partitions, what archives its first one, and what takes that back. Lines and timelines leave and come
/// with the orders.
const CUT: [(&str, &str, &str); 6] = [
    ("accounts.audit", "accounts.archive_audit", "accounts.take_back_audit"),
    ("inventory.stock_movements", "inventory.archive_movements", "inventory.take_back_movements"),
    ("orders.notifications", "orders.archive_notifications", "orders.take_back"),
    ("orders.order_items", "", ""),
    ("orders.order_status_history", "", ""),
    ("orders.orders", "orders.archive_month", "orders.take_back"),
];

/// The names of all tables that are cut.
const ALL: &str = "SELECT partrelid::regclass::text FROM pg_partitioned_table ORDER BY 1";

/// Writes an order with a line and a timeline, a message, a movement and an entry: `{id}` is the number of each, and they are of
/// so many months ahead.
const ROWS: &str = "
    SET LOCAL session_replication_role = replica;
    CREATE TEMP TABLE t ON COMMIT DROP AS
        SELECT (left(orders.first_reference(now() + INTERVAL '{ahead} months')::text, 13) || '-7'
                || substr(gen_random_uuid()::text, 16))::uuid AS key;
    INSERT INTO orders.orders (id, reference, customer_name, customer_email, shipping_address, status, total_amount)
        OVERRIDING SYSTEM VALUE SELECT {id}, key, 'Ada', 'ada@example.com', 'London', 'DELIVERED', 5 FROM t;
    INSERT INTO orders.order_items (order_id, product_id, product_name, quantity, price, subtotal)
        VALUES ({id}, 1, 'Mouse', 1, 5, 5);
    INSERT INTO orders.order_status_history (order_id, status, actor) VALUES ({id}, 'DELIVERED', 'x');
    INSERT INTO orders.notifications (id, event_id, order_id, kind, channel, recipient, status, data)
        OVERRIDING SYSTEM VALUE SELECT {id}, key, {id}, 'order-placed', 'EMAIL', 'ada@example.com', 'SENT', '{}' FROM t;
    INSERT INTO inventory.stock_movements (id, product_id, delta, reason, balance_after)
        OVERRIDING SYSTEM VALUE VALUES ({id}, 1, 1, 'RECEIPT', 1);
    INSERT INTO accounts.audit (id, at, actor, action, user_id, previous, hash)
        VALUES ({id}, now(), 'nobody', 'x', gen_random_uuid(), '', '')";

/// What a later release may add to a table.
const LATER: &str = "
    ALTER TABLE {table} ADD COLUMN later TEXT NOT NULL DEFAULT 'unknown' CONSTRAINT later_text CHECK (later <> ''),
                        ADD COLUMN later_length INTEGER GENERATED ALWAYS AS (length(later)) STORED,
                        ADD COLUMN later_at TIMESTAMPTZ;
    ALTER TABLE {table} ADD CONSTRAINT later_than CHECK (later_at > '2026-01-01') NOT VALID;
    CREATE INDEX ON {table} (later, later_at);";

/// A number beyond the ranges that a new shop has.
const BEYOND: &str = "2000000";

/// Runs statements in one transaction.
async fn do_all(database: &TestDatabase, statements: &str) {
    let done = sqlx::raw_sql(AssertSqlSafe(statements.to_owned())).execute(database.pool()).await;
    done.unwrap_or_else(|error| panic!("{statements}: {error}"));
}

async fn write(database: &TestDatabase, id: &str, months_ahead: &str) {
    do_all(database, &ROWS.replace("{id}", id).replace("{ahead}", months_ahead)).await;
}

/// Archives the first partition of each table.
async fn archive_all(database: &TestDatabase) {
    for (table, archive, _) in CUT.iter().filter(|cut| !cut.1.is_empty()) {
        do_all(database, &format!("SELECT {archive}('{}_before_months')", unqualified(table))).await;
    }
}

async fn take_all_back(database: &TestDatabase) {
    for (table, _, take_back) in CUT.iter().filter(|cut| !cut.2.is_empty()) {
        do_all(database, &format!("SELECT {take_back}('{}_before_months')", unqualified(table))).await;
    }
    let archived = "SELECT count(*) FROM pg_tables WHERE schemaname LIKE '%\\_archive'";
    assert_eq!(database.number(archived).await, 0);
}

fn unqualified(table: &str) -> &str {
    table.split_once('.').unwrap().1
}

/// How many rows a table has in a part of it, with what came later.
async fn complete(database: &TestDatabase, table: &str, part: &str) -> i64 {
    let rows = format!(
        "SELECT count(*) FROM {table}
         WHERE later = 'unknown' AND later_length = 7 AND tableoid::regclass::text LIKE '{table}{part}'"
    );
    database.number(rows).await
}

/// The error of a statement that has to fail, and what it advises.
async fn refused(database: &TestDatabase, statement: &str) -> String {
    let error = sqlx::raw_sql(AssertSqlSafe(statement.to_owned())).execute(database.pool()).await.expect_err(statement);
    let error = error.into_database_error().unwrap();
    let hint = error.downcast_ref::<sqlx::postgres::PgDatabaseError>().hint().unwrap_or_default();
    format!("{} {hint}", error.message())
}

/// A table that is cut later is to be here as well: then it is archived and taken back like the others.
#[tokio::test]
async fn what_was_archived_before_a_migration_is_taken_back_after_it() {
    let database = TestDatabase::migrated(Environment::get()).await;
    assert_eq!(database.texts(ALL).await, CUT.map(|cut| cut.0));
    write(&database, "1000", "0").await;
    // Of the month after the last one that is there, and of numbers after the last range.
    write(&database, BEYOND, "5").await;
    archive_all(&database).await;
    // Comes late, and is of a month that has left.
    let late = "INSERT INTO orders.orders (id, reference, customer_name, customer_email, shipping_address, status, total_amount)
                OVERRIDING SYSTEM VALUE SELECT 1001, orders.first_reference(now()), 'Ada', 'a@b.example', 'x', 'DELIVERED', 5";
    database.execute(late).await;
    for (table, ..) in CUT {
        do_all(&database, &LATER.replace("{table}", table)).await;
    }
    take_all_back(&database).await;
    for (table, ..) in CUT {
        let rows = if table == "orders.orders" { 2 } else { 1 };
        let before = complete(&database, table, "_before_months").await;
        // A new shop has some movements.
        assert!(before == rows || table.starts_with("inventory"), "{table}: {before}");
        assert_eq!(complete(&database, table, "_beyond").await, 1, "{table}");
    }
    let ahead = "SELECT orders.add_months('orders', 'reference', 6), orders.add_months_of_notifications(6);
                 SELECT orders.add_order_ranges(9), inventory.add_movement_ranges(9), accounts.add_audit_ranges(9)";
    do_all(&database, ahead).await;
    for (table, ..) in CUT {
        assert_eq!(complete(&database, table, "_beyond").await, 0, "{table}");
        assert_eq!(complete(&database, table, "_%").await, complete(&database, table, "%").await);
    }

    // Once more: a check that was not validated is, meanwhile.
    archive_all(&database).await;
    for (table, ..) in CUT {
        do_all(&database, &format!("ALTER TABLE {table} VALIDATE CONSTRAINT later_than")).await;
    }
    take_all_back(&database).await;
}

#[tokio::test]
async fn a_month_that_does_not_fit_its_table_says_why() {
    let database = TestDatabase::migrated(Environment::get()).await;
    write(&database, "1000", "0").await;
    write(&database, BEYOND, "5").await;
    archive_all(&database).await;
    // What is looser than it was is no obstacle, and a type may be another one.
    do_all(
        &database,
        "ALTER TABLE orders.orders DROP CONSTRAINT orders_status, ALTER shipping_address DROP NOT NULL;
         ALTER TABLE orders.orders ADD CONSTRAINT orders_status CHECK (status <> 'GIVEN UP');
         ALTER TABLE orders.orders ALTER note TYPE VARCHAR(5000);
         ALTER TABLE orders.orders DROP COLUMN customer_phone;
         ALTER TABLE orders.orders ADD COLUMN later TEXT NOT NULL DEFAULT 'x' CONSTRAINT later_text CHECK (later <> 'unknown');
         ALTER TABLE orders.orders ALTER later DROP DEFAULT",
    )
    .await;
    let take_back = "SELECT orders.take_back('orders_before_months')";
    let gone = refused(&database, take_back).await;
    let expected = "orders_archive.orders_before_months has columns that orders.orders no longer has: customer_phone";
    assert!(gone.contains(expected) && gone.contains("DROP COLUMN"), "{gone}");
    database.execute("ALTER TABLE orders_archive.orders_before_months DROP COLUMN customer_phone").await;
    let empty = refused(&database, take_back).await;
    assert!(empty.contains("column \"later\"") && empty.contains("contains null values"), "{empty}");
    assert!(empty.contains("Rows of orders_archive.orders_before_months do not hold"), "{empty}");
    database.execute("ALTER TABLE orders_archive.orders_before_months ADD COLUMN later TEXT DEFAULT 'unknown'").await;
    let wrong = refused(&database, take_back).await;
    assert!(wrong.contains("\"later_text\"") && wrong.contains("set it right"), "{wrong}");
    database.execute("UPDATE orders_archive.orders_before_months SET later = 'x'").await;
    database.texts(format!("{take_back}::text")).await;
    let looser = "UPDATE orders.orders SET status = 'LOST', shipping_address = NULL WHERE id = 1000 AND later = 'x'";
    assert_eq!(database.execute(looser).await, 1);
}

/// Whoever mends one of them mends all.
#[tokio::test]
async fn all_services_bring_what_was_archived_up_to_date_alike() {
    let database = TestDatabase::migrated(Environment::get()).await;
    let alike = "SELECT count(*) || ' ' || count(DISTINCT prosrc) FROM pg_proc
                 WHERE proname IN ('bring_up_to_date', 'written_columns') GROUP BY proname";
    assert_eq!(database.texts(alike).await, ["3 1", "3 1"]);
    // Nothing else is moved by the places of columns.
    let by_place = "SELECT oid::regprocedure::text FROM pg_proc WHERE prosrc ~ 'SELECT \\* FROM moved'";
    assert_eq!(database.texts(by_place).await, [""; 0]);
    // And nothing comes back as it was.
    let attached = "SELECT oid::regprocedure::text FROM pg_proc
                    WHERE prosrc ~ 'SET SCHEMA (orders|inventory|accounts)\\M' AND prosrc !~ 'bring_up_to_date'";
    assert_eq!(database.texts(attached).await, [""; 0]);
}

#[tokio::test]
async fn an_old_order_is_read_after_a_release_that_adds_columns() {
    let mut shop = old_shop().await;
    restart(&mut shop).await;
    poll::eventually("the months to be archived", async || poll::equal(archive(&shop).await.len(), 6)).await;
    shop.orders().get("/api/orders/2").await.problem(404, "not-found");
    for table in ["orders.orders", "orders.order_items", "orders.order_status_history"] {
        run(&shop, &LATER.replace("{table}", table)).await;
    }
    shop.order_services.first_mut().unwrap().set(KEPT.0, "0");
    restart(&mut shop).await;
    let month = partition(&shop, AGE - 1).await;
    run(&shop, &format!("SELECT orders.take_back('{month}')")).await;
    assert_eq!(complete(&shop.database, "orders.orders", &month["orders".len()..]).await, 1);
    assert_eq!(ids(&shop.orders().get("/api/orders").await.is(200).array()), [4, 2]);
    let order = shop.orders().get("/api/orders/2").await.is(200).json();
    assert_eq!((&order["customerName"], order["items"].as_array().unwrap().len()), (&json!("Ada"), 1));
    assert_eq!(shop.timeline(2).await.len(), 4);

    shop.order_services.first_mut().unwrap().set(KEPT.0, KEPT.1);
    restart(&mut shop).await;
    poll::eventually("it to be archived again", async || poll::equal(archive(&shop).await.len(), 6)).await;
    shop.orders().get("/api/orders/2").await.problem(404, "not-found");
}
