//! Orders in months: partitions are added ahead, old months are archived, and nobody notices.

mod later;

use e2e::client::Client;
use e2e::database::TestDatabase;
use e2e::environment::Environment;
use e2e::migrations::migrate;
use e2e::pages::ids;
use e2e::poll;
use e2e::process::Service;
use e2e::samples::{MOUSE, int, text};
use e2e::shop::Shop;
use serde_json::json;
use sqlx::AssertSqlSafe;
use std::time::Duration;
use time::OffsetDateTime;
use verify::{Api, Leniency};

/// The months that an old shop keeps.
const KEPT: (&str, &str) = ("ORDERS_KEEP_MONTHS", "12");

/// How many months ago its first order was placed.
const AGE: i32 = 15;

/// The first number of the second range of lines.
const SECOND_RANGE: i64 = 3;

/// Cuts the tables as if they had been in partitions from `AGE` months ago on, and the first range had ended early. Nothing is
/// in them yet, and nothing is there of the months since.
async fn cut(shop: &Shop) {
    let cut = format!(
        "DO $$
         DECLARE
             parent TEXT;
             name   TEXT;
             ends   UUID := orders.first_reference(date_trunc('month', now(), 'UTC') - INTERVAL '{AGE} months');
         BEGIN
             FOR name IN SELECT partition FROM orders.months WHERE partition <> 'orders_before_months' LOOP
                 EXECUTE format('DROP TABLE orders.%I', name);
             END LOOP;
             DELETE FROM orders.months WHERE partition <> 'orders_before_months';
             UPDATE orders.months SET end_key = ends;
             ALTER TABLE orders.orders DETACH PARTITION orders.orders_before_months;
             EXECUTE format('ALTER TABLE orders.orders ATTACH PARTITION orders.orders_before_months
                             FOR VALUES FROM (MINVALUE) TO (%L)', ends);
             FOREACH parent IN ARRAY ARRAY['order_items', 'order_status_history'] LOOP
                 FOR name IN SELECT suffix FROM orders.order_ranges WHERE suffix <> 'before_months' LOOP
                     EXECUTE format('DROP TABLE orders.%I', parent || '_' || name);
                 END LOOP;
                 EXECUTE format('ALTER TABLE orders.%I DETACH PARTITION orders.%I', parent, parent || '_before_months');
                 EXECUTE format('ALTER TABLE orders.%I ATTACH PARTITION orders.%I FOR VALUES FROM (MINVALUE) TO ({SECOND_RANGE})',
                                parent, parent || '_before_months');
             END LOOP;
             DELETE FROM orders.order_ranges WHERE suffix <> 'before_months';
             UPDATE orders.order_ranges SET end_id = {SECOND_RANGE};
         END $$"
    );
    shop.database.execute(cut).await;
}

/// Has the job of order-service add nothing.
const ADD_NOTHING: &str = "
    ALTER FUNCTION orders.add_months RENAME TO add_months_later;
    ALTER FUNCTION orders.add_order_ranges RENAME TO add_order_ranges_later;
    CREATE FUNCTION orders.add_months(TEXT, TEXT, INTEGER) RETURNS SETOF TEXT LANGUAGE sql AS $$SELECT NULL::text WHERE FALSE$$;
    CREATE FUNCTION orders.add_order_ranges(INTEGER) RETURNS SETOF TEXT LANGUAGE sql AS $$SELECT NULL::text WHERE FALSE$$;";

/// Has it add again.
const ADD_AGAIN: &str = "
    DROP FUNCTION orders.add_months;
    DROP FUNCTION orders.add_order_ranges;
    ALTER FUNCTION orders.add_months_later RENAME TO add_months;
    ALTER FUNCTION orders.add_order_ranges_later RENAME TO add_order_ranges;";

/// Runs several statements in one transaction.
async fn run(shop: &Shop, statements: &str) {
    sqlx::raw_sql(AssertSqlSafe(statements.to_owned())).execute(shop.database.pool()).await.unwrap();
}

/// Writes a delivered order of so many months ago, with its line and its timeline; gives its number.
async fn old_order(shop: &Shop, months_ago: i32) -> i64 {
    let order = format!(
        "WITH t AS (SELECT date_trunc('month', now(), 'UTC') - INTERVAL '{months_ago} months' + INTERVAL '3 days' AS at),
         o AS (
             INSERT INTO orders.orders (
                 reference, customer_name, customer_email, shipping_address, status, total_amount, created_at)
             SELECT (left(orders.first_reference(at)::text, 13) || '-7' || substr(gen_random_uuid()::text, 16))::uuid,
                    'Ada', 'ada@example.com', 'London', 'DELIVERED', 5, at FROM t
             RETURNING id),
         i AS (INSERT INTO orders.order_items (order_id, product_id, product_name, quantity, price, subtotal)
               SELECT id, {MOUSE}, 'Mouse', 1, 5, 5 FROM o),
         h AS (INSERT INTO orders.order_status_history (order_id, status, actor)
               SELECT id, unnest('{{PENDING,CONFIRMED,SHIPPED,DELIVERED}}'::text[]), 'x' FROM o)
         SELECT id FROM o"
    );
    shop.database.number(order).await
}

/// Starts order-service anew: what its jobs do at the start is done by the time that the test waits for.
async fn restart(shop: &mut Shop) -> &mut Service {
    shop.order_services.first_mut().unwrap().restart().await
}

/// The tables in the archive.
async fn archive(shop: &Shop) -> Vec<String> {
    shop.database.tables_in("orders_archive").await
}

async fn all_holds(shop: &Shop) {
    let found = shop.orders().get("/api/admin/invariants").await.is(200).json();
    assert_eq!(found["holds"], true, "{found}");
}

/// The name of the partition of so many months ago.
async fn partition(shop: &Shop, months_ago: i32) -> String {
    let name = format!(
        "SELECT to_char(date_trunc('month', now() AT TIME ZONE 'UTC') - INTERVAL '{months_ago} months', '\"orders_\"YYYY_MM')"
    );
    shop.database.texts(name).await.remove(0)
}

/// A shop that is `AGE` months old, with an order of each of its first four months, and jobs that have not run since.
async fn old_shop() -> Shop {
    let shop = Shop::plan().order_variable(KEPT.0, KEPT.1).open().await;
    run(&shop, ADD_NOTHING).await;
    cut(&shop).await;
    // At once: the job may come any moment.
    run(&shop, &format!("{ADD_AGAIN} SELECT orders.add_months('orders', 'reference', 3), orders.add_order_ranges(3)"))
        .await;
    for number in 1..=4 {
        assert_eq!(old_order(&shop, AGE + 1 - number).await, i64::from(number));
    }
    shop
}

#[tokio::test]
async fn old_months_are_archived_with_all_that_belongs_to_them() {
    let mut shop = old_shop().await;
    // It holds stock: also for one who looked before it did.
    shop.database.execute("UPDATE orders.orders SET status = 'CONFIRMED' WHERE id = 2").await;
    let late = AssertSqlSafe(format!("SELECT orders.archive_month('{}')", partition(&shop, AGE - 1).await));
    let refused = sqlx::raw_sql(late).execute(shop.database.pool()).await.unwrap_err().to_string();
    assert!(refused.contains("order 2 of orders_") && refused.contains("has something going on again"), "{refused}");
    let service = restart(&mut shop).await;
    let stays = "a partition is not archived: this row of it is not done with";
    poll::eventually("the month to stay", async || {
        poll::equal(service.log_lines(&[stays, "of=\"orders\" row=\"2\""]), 1)
    })
    .await;
    let first = partition(&shop, AGE).await;
    assert_eq!(archive(&shop).await, [first.clone(), "orders_before_months".to_owned()]);
    for path in ["", "/timeline", "/explain"] {
        shop.orders().get(&format!("/api/orders/1{path}")).await.problem(404, "not-found");
        shop.orders().get(&format!("/api/orders/2{path}")).await.is(200);
    }
    assert_eq!(ids(&shop.orders().get("/api/orders/customer/ada@example.com").await.is(200).array()), [4, 3, 2]);
    // A message about an archived order is erased with those about the others.
    let told = "INSERT INTO orders.notifications (event_id, order_id, kind, channel, recipient, status, data)
                SELECT gen_random_uuid(), n, 'order-placed', 'EMAIL', 'ada@example.com', 'SENT', '{}' FROM generate_series(1, 2) n";
    shop.database.execute(told).await;
    let erased = shop.orders().delete("/api/notifications?customerEmail=ada@example.com").await.is(200).json();
    assert_eq!(erased["erased"], 2);
    // Its timeline is at odds with its status until now.
    shop.database.execute("UPDATE orders.orders SET status = 'DELIVERED' WHERE id = 2").await;
    all_holds(&shop).await;

    restart(&mut shop).await;
    let (second, third) = (partition(&shop, AGE - 1).await, partition(&shop, AGE - 2).await);
    let archived = [
        "order_items_before_months".to_owned(),
        "order_status_history_before_months".to_owned(),
        first,
        second.clone(),
        third,
        "orders_before_months".to_owned(),
    ];
    poll::eventually("the months to be archived", async || poll::equal(archive(&shop).await, archived.to_vec())).await;
    assert_eq!(ids(&shop.orders().get("/api/orders").await.is(200).array()), [4]);
    // The third order is archived, and its lines are in a range in which others are kept.
    shop.orders().get("/api/orders/3/timeline").await.problem(404, "not-found");
    shop.orders().get("/api/orders/4/timeline").await.is(200);
    is_taken_back(&shop, &second).await;
    assert_eq!(shop.database.number("SELECT count(*) FROM orders_archive.order_items_before_months").await, 2);
    all_holds(&shop).await;

    let order = shop.place(&[(MOUSE, 1)]).await;
    shop.order_becomes(int(&order["id"]), "CONFIRMED").await;
    all_holds(&shop).await;
}

/// Takes the month of the second order back, and looks for all that belongs to it. Then it is as before: the job would archive
/// it again.
async fn is_taken_back(shop: &Shop, month: &str) {
    let mut transaction = shop.database.pool().begin().await.unwrap();
    let take_back = format!("SELECT orders.take_back('{month}')");
    sqlx::raw_sql(AssertSqlSafe(take_back.clone())).execute(&mut *transaction).await.unwrap();
    let there = "SELECT (SELECT count(*) FROM orders.orders WHERE id = 2),
                        (SELECT count(*) FROM orders.order_items WHERE order_id <= 3),
                        (SELECT count(*) FROM orders.order_status_history WHERE order_id = 2),
                        (SELECT string_agg(partition, ' ') FROM orders.months WHERE archived_at IS NULL AND partition = $1)";
    let found: (i64, i64, i64, Option<String>) =
        sqlx::query_as(there).bind(month).fetch_one(&mut *transaction).await.unwrap();
    assert_eq!(found, (1, 3, 4, Some(month.to_owned())));
    let again = sqlx::raw_sql(AssertSqlSafe(take_back)).execute(&mut *transaction).await.unwrap_err().to_string();
    assert!(again.contains("is no archived month"), "{again}");
    transaction.rollback().await.unwrap();
}

#[tokio::test]
async fn stock_of_archived_orders_is_no_difference_where_one_says_so() {
    let shop = Shop::open().await;
    let order = shop.place(&[(MOUSE, 1)]).await;
    shop.order_becomes(int(&order["id"]), "CONFIRMED").await;
    // As if its month were archived.
    let mut conn = shop.database.pool().acquire().await.unwrap();
    for statement in [
        "SET session_replication_role = replica",
        "DELETE FROM orders.order_status_history",
        "DELETE FROM orders.order_items",
        "DELETE FROM orders.orders",
    ] {
        sqlx::raw_sql(statement).execute(&mut *conn).await.unwrap();
    }
    let today = OffsetDateTime::now_utc().date();
    let client = |client: &Client| Api::new(client.base()).unwrap();
    let (orders, inventory) = (client(shop.orders()), client(shop.inventory()));
    for (archived_before, found) in [(None, 1), (Some(today), 1), (today.next_day(), 0)] {
        let leniency = Leniency { patience: Duration::ZERO, archived_before };
        let report = verify::run_and_tell(&orders, &inventory, leniency, &|_| {}).await.unwrap();
        assert_eq!((report.reservations, report.breaches.len()), (1, found), "{archived_before:?}: {report}");
    }
}

#[tokio::test]
async fn nothing_is_archived_while_the_orders_are_in_use_for_long() {
    let mut shop = old_shop().await;
    let reader = shop.database.lock("LOCK TABLE orders.orders IN ACCESS SHARE MODE").await;
    let service = restart(&mut shop).await;
    let gave_up = ["failed, will be tried again", "keep the months of orders", "lock timeout"];
    poll::eventually("the job to give up", async || poll::equal(service.log_lines(&gave_up), 1)).await;
    shop.place(&[(MOUSE, 1)]).await;
    assert_eq!(archive(&shop).await, [""; 0]);
    reader.rollback().await.unwrap();
    restart(&mut shop).await;
    poll::eventually("the months to be archived", async || poll::equal(archive(&shop).await.len(), 6)).await;
}

#[tokio::test]
async fn orders_of_months_that_nobody_added_are_placed_and_moved_later() {
    let mut shop = Shop::open().await;
    run(&shop, ADD_NOTHING).await;
    cut(&shop).await;
    let mut placed = Vec::new();
    for _ in 0..4 {
        let order = shop.place(&[(MOUSE, 1)]).await;
        shop.order_becomes(int(&order["id"]), "CONFIRMED").await;
        placed.push(int(&order["id"]));
    }
    let beyond = "SELECT (SELECT count(*) FROM orders.orders_beyond) * 100
                       + (SELECT count(*) FROM orders.order_items_beyond) * 10
                       + (SELECT count(*) FROM orders.order_status_history_beyond)";
    assert_eq!(shop.database.number(beyond).await, 424);
    let found = shop.orders().get("/api/admin/invariants").await.is(200).json();
    let broken: Vec<&str> = found["breaches"].as_array().unwrap().iter().map(|it| text(&it["invariant"])).collect();
    assert_eq!(broken, ["months-are-ahead", "months-are-ahead"], "{found}");

    run(&shop, ADD_AGAIN).await;
    restart(&mut shop).await;
    poll::eventually("them to be moved", async || poll::equal(shop.database.number(beyond).await, 0)).await;
    let of_this_month = format!("SELECT count(*) FROM orders.{}", partition(&shop, 0).await);
    assert_eq!(shop.database.number(of_this_month).await, 4);
    all_holds(&shop).await;
    for id in placed {
        let order = shop.orders().get(&format!("/api/orders/{id}")).await.is(200).json();
        assert_eq!(order["items"].as_array().unwrap().len(), 1);
        assert_eq!(shop.timeline(id).await.len(), 2);
        shop.orders().post(&format!("/api/orders/{id}/cancel"), json!({})).await.is(200);
    }
}

#[tokio::test]
async fn as_many_months_are_added_ahead_as_are_asked_for() {
    let mut shop = Shop::plan().order_variable("PARTITIONS_AHEAD", "7").open().await;
    let last = "SELECT (orders.time_of(max(end_key::text)::uuid) AT TIME ZONE 'UTC')::text FROM orders.months
                GROUP BY parent";
    let wanted = "SELECT (date_trunc('month', now() AT TIME ZONE 'UTC') + INTERVAL '8 months')::text";
    let wanted = shop.database.texts(wanted).await.remove(0);
    let wanted = [wanted.clone(), wanted];
    poll::eventually("the months", async || poll::equal(shop.database.texts(last).await, wanted.to_vec())).await;
    let before = shop.database.texts("SELECT partition FROM orders.months ORDER BY 1").await;
    restart(&mut shop).await;
    shop.place(&[(MOUSE, 1)]).await;
    assert_eq!(shop.database.texts("SELECT partition FROM orders.months ORDER BY 1").await, before);
}

/// An order with a line and a timeline, written by hand.
async fn write(database: &TestDatabase, reference: &str) -> i64 {
    let order = format!(
        "WITH o AS (
             INSERT INTO orders.orders (reference, customer_name, customer_email, shipping_address, status, total_amount)
             VALUES ({reference}, 'Ada', 'ada@example.com', 'London', 'PENDING', 5) RETURNING id),
         i AS (INSERT INTO orders.order_items (order_id, product_id, product_name, quantity, price, subtotal)
               SELECT id, 2, 'Mouse', 1, 5, 5 FROM o),
         h AS (INSERT INTO orders.order_status_history (order_id, status, actor) SELECT id, 'PENDING', 'x' FROM o)
         SELECT id FROM o"
    );
    database.number(order).await
}

#[tokio::test]
async fn what_there_was_becomes_the_first_partition_while_orders_are_placed() {
    const NOW: &str = "(lpad(to_hex((extract(epoch FROM now()) * 1000)::bigint), 12, '0') || '7'
                        || left(md5(random()::text), 19))::uuid";
    const STRAY: &str = "'fedcba98-0000-5000-8000-000000000000'";
    let database = TestDatabase::create(&Environment::get().database_url).await;
    let mut conn = database.pool().acquire().await.unwrap().detach();
    migrate(&mut conn, "order-service", 1..=36).await;
    for (id, reference) in [(1, NOW), (2, STRAY), (3, NOW)] {
        assert_eq!(write(&database, reference).await, id);
    }
    migrate(&mut conn, "order-service", 37..=38).await;
    // One is being placed; the migration lets it end, and those that come after it.
    let mut placing = database.pool().begin().await.unwrap();
    let touch = "UPDATE orders.orders SET note = 'x' WHERE id = 1";
    sqlx::raw_sql(touch).execute(&mut *placing).await.unwrap();
    let migrating = tokio::spawn(async move {
        migrate(&mut conn, "order-service", 39..=u32::MAX).await;
    });
    database.somebody_waits().await;
    assert_eq!(write(&database, NOW).await, 4);
    placing.commit().await.unwrap();
    migrating.await.unwrap();
    // Customers find their orders also before the next one is placed.
    assert_eq!(database.texts("SELECT bucket::text FROM orders.buckets").await, ["0"]);
    assert_eq!(write(&database, NOW).await, 5);
    let places =
        "SELECT o.id || ' ' || o.tableoid::regclass || ' ' || i.tableoid::regclass || ' ' || h.tableoid::regclass
                  FROM orders.orders o JOIN orders.order_items i ON i.order_id = o.id
                  JOIN orders.order_status_history h ON h.order_id = o.id ORDER BY o.id";
    let place = |id: i64, of: &str| {
        format!("{id} orders.{of} orders.order_items_before_months orders.order_status_history_before_months")
    };
    let before = "orders_before_months";
    let expected = [(1, before), (2, "orders_beyond"), (3, before), (4, before), (5, before)];
    assert_eq!(database.texts(places).await, expected.map(|(id, of)| place(id, of)));
    // What was promised of each row holds as before.
    for broken in [
        "INSERT INTO orders.orders OVERRIDING SYSTEM VALUE SELECT * FROM orders.orders WHERE id = 2",
        "DELETE FROM orders.orders",
        "UPDATE orders.order_status_history SET status = 'PENDING'",
        "UPDATE orders.orders SET total_amount = 0",
    ] {
        sqlx::raw_sql(broken).execute(database.pool()).await.expect_err(broken);
    }
    assert_eq!(database.number("SELECT version FROM orders.orders WHERE id = 1").await, 2);
}
