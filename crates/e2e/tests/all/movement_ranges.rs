//! Movements of stock in ranges: partitions are added ahead, old ranges are archived with the balances they end with, and nobody
//! notices.

use e2e::database::TestDatabase;
use e2e::environment::Environment;
use e2e::migrations::migrate;
use e2e::pages::ids;
use e2e::poll;
use e2e::process::Service;
use e2e::samples::{KEYBOARD, LAPTOP, MOUSE, int, reservation, text};
use e2e::shop::Shop;
use serde_json::{Value, json};
use uuid::Uuid;

/// The months that an old shop keeps.
const KEPT: (&str, &str) = ("MOVEMENTS_KEEP_MONTHS", "12");

/// When what is old enough to be archived was over, and not a second later.
const LONG_AGO: &str = "date_trunc('month', now(), 'UTC') - INTERVAL '12 months 1 second'";

const RESERVATIONS: &str = "/api/inventory/reservations";

async fn inventory() -> Shop {
    Shop::plan().inventory_only().inventory_variable(KEPT.0, KEPT.1).open().await
}

/// Cuts the table as if its first range had ended before this number, and no other one had been added since.
async fn cut(shop: &Shop, end_id: i64) {
    let cut = format!(
        "DO $$
         DECLARE
             name TEXT;
         BEGIN
             FOR name IN SELECT partition FROM inventory.movement_ranges WHERE first_id > 0 LOOP
                 EXECUTE format('DROP TABLE inventory.%I', name);
             END LOOP;
             DELETE FROM inventory.movement_ranges WHERE first_id > 0;
             UPDATE inventory.movement_ranges SET end_id = {end_id};
             ALTER TABLE inventory.stock_movements DETACH PARTITION inventory.stock_movements_before_months;
             ALTER TABLE inventory.stock_movements DETACH PARTITION inventory.stock_movements_beyond;
             ALTER TABLE inventory.stock_movements ATTACH PARTITION inventory.stock_movements_before_months
                 FOR VALUES FROM (MINVALUE) TO ({end_id});
             ALTER TABLE inventory.stock_movements ATTACH PARTITION inventory.stock_movements_beyond
                 FOR VALUES FROM ({end_id}) TO (MAXVALUE);
         END $$"
    );
    shop.database.execute(cut).await;
}

/// Adds what comes behind the ranges there are, and has those that are over be so since long ago, with all reservations from
/// before that.
async fn grow_old(shop: &Shop) {
    shop.database.texts("SELECT inventory.add_movement_ranges(3)").await;
    let over = format!("UPDATE inventory.movement_ranges SET over_since = {LONG_AGO} WHERE over_since IS NOT NULL");
    assert_ne!(shop.database.execute(over).await, 0);
    let made = format!("UPDATE inventory.reservations SET created_at = {LONG_AGO} - INTERVAL '1 hour'");
    shop.database.execute(made).await;
}

/// Starts inventory-service anew: what its jobs do at the start is done by the time that the test waits for.
async fn restart(shop: &mut Shop) -> &mut Service {
    shop.inventory_services.first_mut().unwrap().restart().await
}

async fn archive(shop: &Shop) -> Vec<String> {
    shop.database.tables_in("inventory_archive").await
}

async fn becomes_archived(shop: &Shop, tables: &[&str]) {
    let tables: Vec<String> = tables.iter().map(|&table| table.to_owned()).collect();
    poll::eventually("the range to be archived", async || poll::equal(archive(shop).await, tables.clone())).await;
}

async fn balances(shop: &Shop) -> Vec<String> {
    let balances =
        "SELECT product_id || ': ' || balance || ' after ' || last_id FROM inventory.opening_balances ORDER BY 1";
    shop.database.texts(balances).await
}

async fn breaches(shop: &Shop) -> Vec<Value> {
    let found = shop.inventory().get("/api/admin/invariants").await.is(200).json();
    found["breaches"].as_array().cloned().unwrap_or_default()
}

async fn all_holds(shop: &Shop) {
    assert_eq!(breaches(shop).await, [Value::Null; 0]);
}

async fn movements(shop: &Shop, product: i64) -> Vec<i64> {
    ids(&shop.inventory().get(&format!("/api/inventory/products/{product}/movements")).await.is(200).array())
}

async fn add(shop: &Shop, product: i64, quantity: i64) -> i64 {
    let call =
        shop.inventory().post(&format!("/api/inventory/products/{product}/add-stock"), json!({"quantity": quantity}));
    int(&call.await.is(200).json()["stockQuantity"])
}

async fn hold(shop: &Shop, id: Uuid, lines: &[(i64, i64)]) {
    shop.inventory().post(RESERVATIONS, reservation(id, lines)).await.is(201);
}

async fn settle(shop: &Shop, id: Uuid, how: &str) {
    shop.inventory().post(&format!("{RESERVATIONS}/{id}/{how}"), json!({})).await.is(200);
}

#[tokio::test]
async fn old_ranges_are_archived_and_balances_stand_for_them() {
    let mut shop = inventory().await;
    let [sold, released, anew] = [(); 3].map(|()| Uuid::now_v7());
    for (id, product, quantity) in [(sold, LAPTOP, 2), (released, LAPTOP, 1), (anew, MOUSE, 3)] {
        hold(&shop, id, &[(product, quantity)]).await;
    }
    settle(&shop, sold, "commit").await;
    cut(&shop, 9).await;
    grow_old(&shop).await;
    // They were made before and are given back after.
    settle(&shop, released, "release").await;
    settle(&shop, anew, "release").await;
    all_holds(&shop).await;

    restart(&mut shop).await;
    becomes_archived(&shop, &["stock_movements_before_months"]).await;
    assert_eq!(shop.database.number("SELECT count(*) FROM inventory_archive.stock_movements_before_months").await, 8);
    assert_eq!(
        balances(&shop).await,
        ["1: 47 after 7", "2: 197 after 8", "3: 75 after 3", "4: 30 after 4", "5: 8 after 5"]
    );
    assert_eq!((movements(&shop, LAPTOP).await, movements(&shop, MOUSE).await), (vec![9], vec![10]));
    assert_eq!(movements(&shop, KEYBOARD).await, [0; 0]);
    all_holds(&shop).await;

    // Stock moves on, also that of a reservation whose first sale is archived.
    hold(&shop, anew, &[(MOUSE, 3)]).await;
    let new = Uuid::now_v7();
    hold(&shop, new, &[(MOUSE, 1)]).await;
    assert_eq!((add(&shop, LAPTOP, 5).await, add(&shop, KEYBOARD, 1).await), (53, 76));
    all_holds(&shop).await;
    let other = |quantity: i64| {
        format!("UPDATE inventory.reservation_items SET quantity = {quantity} WHERE reservation_id = '{new}'")
    };
    shop.database.execute(other(2)).await;
    let found = breaches(&shop).await;
    let named = found.iter().find(|breach| breach["invariant"] == "reservation-moved-its-stock").unwrap();
    assert_eq!(named["ids"], json!([new]));
    shop.database.execute(other(1)).await;
    for id in [anew, new] {
        settle(&shop, id, "commit").await;
    }

    // The next range is over one day, too.
    shop.database.number("SELECT setval('inventory.stock_movements_id_seq', 9 + 262144)").await;
    assert_eq!(add(&shop, LAPTOP, 1).await, 54);
    grow_old(&shop).await;
    restart(&mut shop).await;
    becomes_archived(&shop, &["stock_movements_before_months", "stock_movements_from_9"]).await;
    assert_eq!(
        balances(&shop).await,
        ["1: 53 after 13", "2: 196 after 12", "3: 76 after 14", "4: 30 after 4", "5: 8 after 5"]
    );
    assert_eq!((movements(&shop, LAPTOP).await, movements(&shop, MOUSE).await), (vec![262_154], vec![]));
    all_holds(&shop).await;
    assert_eq!(add(&shop, MOUSE, 1).await, 197);
    all_holds(&shop).await;

    shop.inventory_services.first_mut().unwrap().set(KEPT.0, "0");
    restart(&mut shop).await;
    shop.database.texts("SELECT inventory.take_back_movements('stock_movements_from_9')::text").await;
    assert_eq!(
        balances(&shop).await,
        ["1: 47 after 8", "2: 197 after 9", "3: 75 after 13", "4: 30 after 4", "5: 8 after 5"]
    );
    assert_eq!(movements(&shop, LAPTOP).await, [262_154, 13, 9]);
    all_holds(&shop).await;
}

#[tokio::test]
async fn a_range_is_archived_once_it_has_been_over_for_long_enough() {
    let database = TestDatabase::migrated(Environment::get()).await;
    let found = "SELECT COALESCE(partition, '') || COALESCE(held_by, '') FROM inventory.movements_to_archive(12)";
    for (over_since, expected) in [
        ("NULL", ""),
        ("date_trunc('month', now(), 'UTC') - INTERVAL '12 months'", ""),
        (LONG_AGO, "stock_movements_before_months"),
    ] {
        let over = format!("UPDATE inventory.movement_ranges SET over_since = {over_since} WHERE first_id = 0");
        database.execute(over).await;
        assert_eq!(database.texts(found).await, [expected], "{over_since}");
    }
}

#[tokio::test]
async fn nothing_is_archived_while_the_movements_are_in_use_for_long() {
    let mut shop = inventory().await;
    cut(&shop, 6).await;
    grow_old(&shop).await;
    let in_use = [
        "LOCK TABLE inventory.stock_movements IN ACCESS SHARE MODE",
        "LOCK TABLE inventory.stock_movements_before_months IN ROW EXCLUSIVE MODE",
    ];
    for (nth, in_use) in (1..).zip(in_use) {
        let user = shop.database.lock(in_use).await;
        let service = restart(&mut shop).await;
        let gave_up = ["failed, will be tried again", "keep the ranges of movements", "lock timeout"];
        poll::eventually("the job to give up", async || poll::equal(service.log_lines(&gave_up), nth)).await;
        add(&shop, LAPTOP, 1).await;
        assert_eq!((archive(&shop).await, balances(&shop).await), (vec![], vec![]));
        user.rollback().await.unwrap();
    }
    restart(&mut shop).await;
    becomes_archived(&shop, &["stock_movements_before_months"]).await;
    all_holds(&shop).await;
}

#[tokio::test]
async fn what_is_still_being_written_is_waited_for_and_nobody_else_waits() {
    let shop = Shop::plan().inventory_only().open().await;
    cut(&shop, 7).await;
    shop.database.number("SELECT setval('inventory.stock_movements_id_seq', 6)").await;
    grow_old(&shop).await;
    let late = format!(
        "WITH moved AS (
             INSERT INTO inventory.stock_movements (id, product_id, delta, reason, balance_after) OVERRIDING SYSTEM VALUE
             VALUES (6, {LAPTOP}, 7, 'RECEIPT', 57))
         UPDATE inventory.products SET stock_quantity = 57, version = version + 1 WHERE id = {LAPTOP}"
    );
    let writer = shop.database.lock(late).await;
    let pool = shop.database.pool().clone();
    let archiving = tokio::spawn(async move {
        let archive = "SELECT inventory.archive_movements('stock_movements_before_months')";
        sqlx::query(archive).execute(&pool).await.unwrap();
    });
    shop.database.somebody_waits().await;
    assert_eq!(add(&shop, MOUSE, 1).await, 201);
    writer.commit().await.unwrap();
    archiving.await.unwrap();
    assert_eq!(balances(&shop).await.first().unwrap(), "1: 57 after 6");
    all_holds(&shop).await;
}

#[tokio::test]
async fn movements_of_ranges_that_nobody_added_are_written_and_moved_later() {
    let mut shop = inventory().await;
    cut(&shop, 6).await;
    // The job stays away.
    let ranges = shop.database.lock("LOCK TABLE inventory.movement_ranges IN SHARE MODE").await;
    let id = Uuid::now_v7();
    hold(&shop, id, &[(LAPTOP, 1), (MOUSE, 2)]).await;
    settle(&shop, id, "release").await;
    let beyond = "SELECT count(*) FROM inventory.stock_movements_beyond";
    assert_eq!(shop.database.number(beyond).await, 4);
    let found = breaches(&shop).await;
    let broken: Vec<&str> = found.iter().map(|it| text(&it["invariant"])).collect();
    assert_eq!(broken, ["movement-ranges-are-ahead"], "{found:?}");
    ranges.rollback().await.unwrap();

    restart(&mut shop).await;
    poll::eventually("them to be moved", async || poll::equal(shop.database.number(beyond).await, 0)).await;
    assert_eq!(shop.database.number("SELECT count(*) FROM inventory.stock_movements_from_6").await, 4);
    all_holds(&shop).await;
    assert_eq!(movements(&shop, MOUSE).await.len(), 3);
    assert_eq!(add(&shop, MOUSE, 1).await, 201);
    let page = shop.inventory().get(&format!("/api/inventory/products/{MOUSE}/movements?limit=2")).await.is(200);
    let rest = shop.inventory().get(&page.next_page().unwrap()).await.is(200);
    assert_eq!((page.array().len(), rest.array().len()), (2, 2));
    for change in ["DELETE FROM inventory.stock_movements_beyond", "DELETE FROM inventory.stock_movements"] {
        shop.database
            .execute(
                "INSERT INTO inventory.stock_movements (id, product_id, delta, reason, balance_after)
                               OVERRIDING SYSTEM VALUE VALUES (100000000, 1, 1, 'RECEIPT', 1) ON CONFLICT DO NOTHING",
            )
            .await;
        let refused = sqlx::query(change).execute(shop.database.pool()).await.expect_err(change).to_string();
        assert!(refused.contains("is append-only"), "{refused}");
    }
}

#[tokio::test]
async fn a_range_has_as_many_numbers_as_thirty_days_took() {
    let database = TestDatabase::migrated(Environment::get()).await;
    database.execute("DELETE FROM inventory.movement_days").await;
    let days = "INSERT INTO inventory.movement_days (day, last_id)
                SELECT (now() AT TIME ZONE 'UTC')::date - ago, last_id
                FROM (VALUES (40, 0), (35, 300000), (29, 400000)) AS d (ago, last_id)";
    database.execute(days).await;
    database.number("SELECT setval('inventory.stock_movements_id_seq', 1000000)").await;
    // 700,000 numbers in whole buckets, behind the four that every shop begins with.
    let added = database.texts("SELECT inventory.add_movement_ranges(1)").await;
    assert_eq!(added, ["stock_movements_from_1048576"]);
    let size = "SELECT end_id - first_id FROM inventory.movement_ranges ORDER BY end_id DESC LIMIT 1";
    assert_eq!(database.number(size).await, 2 * 262_144);
    let days = "SELECT last_id::text FROM inventory.movement_days ORDER BY day";
    assert_eq!(database.texts(days).await, ["300000", "400000", "1000000"]);
    // What is over is noted once.
    let over = "SELECT count(*) FROM inventory.movement_ranges WHERE over_since IS NOT NULL";
    assert_eq!(database.number(over).await, 3);
    assert_eq!(database.texts("SELECT inventory.add_movement_ranges(1)").await, [""; 0]);
}

/// A movement of the first product written by hand, so many days ago; gives its number.
async fn write(database: &TestDatabase, days_ago: i64) -> i64 {
    let movement = format!(
        "WITH p AS (UPDATE inventory.products SET stock_quantity = stock_quantity + 1 WHERE id = 1 RETURNING stock_quantity)
         INSERT INTO inventory.stock_movements (product_id, delta, reason, balance_after, created_at)
         SELECT 1, 1, 'RECEIPT', stock_quantity, now() - INTERVAL '{days_ago} days' FROM p RETURNING id"
    );
    database.number(movement).await
}

#[tokio::test]
async fn what_there_was_becomes_the_first_range_while_stock_moves() {
    let database = TestDatabase::create(&Environment::get().database_url).await;
    let mut conn = database.pool().acquire().await.unwrap().detach();
    migrate(&mut conn, "inventory-service", 1..=18).await;
    database.execute("INSERT INTO inventory.products (sku, name, price, stock_quantity) VALUES ('A', 'A', 1, 0)").await;
    for (id, days_ago) in [(1, 50), (2, 20), (3, 20), (4, 1)] {
        assert_eq!(write(&database, days_ago).await, id);
    }
    // Stock is being moved; the migration lets that end, and what comes after it.
    let mut moving = database.lock("LOCK TABLE inventory.stock_movements IN ROW EXCLUSIVE MODE").await;
    let mut migrating = tokio::spawn(async move {
        migrate(&mut conn, "inventory-service", 19..=20).await;
        conn
    });
    database.somebody_waits().await;
    assert_eq!(write(&database, 0).await, 5);
    moving.commit().await.unwrap();
    conn = migrating.await.unwrap();
    let days = "SELECT (now() AT TIME ZONE 'UTC')::date - day || ' days ago ' || last_id FROM inventory.movement_days ORDER BY day";
    assert_eq!(database.texts(days).await, ["20 days ago 1", "1 days ago 3", "0 days ago 4"]);

    moving = database.lock("LOCK TABLE inventory.stock_movements IN ROW EXCLUSIVE MODE").await;
    migrating = tokio::spawn(async move {
        migrate(&mut conn, "inventory-service", 21..=u32::MAX).await;
        conn
    });
    database.somebody_waits().await;
    assert_eq!(write(&database, 0).await, 6);
    moving.commit().await.unwrap();
    migrating.await.unwrap();
    assert_eq!(write(&database, 0).await, 7);
    let places = "SELECT id || ' ' || tableoid::regclass FROM inventory.stock_movements ORDER BY id";
    let expected: Vec<_> = (1..=7).map(|id| format!("{id} inventory.stock_movements_before_months")).collect();
    assert_eq!(database.texts(places).await, expected);
    let ranges = "SELECT partition || ' ' || end_id FROM inventory.movement_ranges ORDER BY end_id";
    let ranges = database.texts(ranges).await;
    assert_eq!((ranges.len(), ranges[0].as_str()), (3, "stock_movements_before_months 524288"));
    assert_eq!(database.texts("SELECT sku FROM inventory.stock_breaches").await, [""; 0]);
    // What was promised of each row holds as before.
    for broken in [
        "INSERT INTO inventory.stock_movements OVERRIDING SYSTEM VALUE SELECT * FROM inventory.stock_movements WHERE id = 2",
        "INSERT INTO inventory.stock_movements (product_id, delta, reason, balance_after) VALUES (1, 0, 'RECEIPT', 1)",
        "INSERT INTO inventory.stock_movements (product_id, delta, reason, balance_after) VALUES (1, 1, 'GIFT', 1)",
        "INSERT INTO inventory.stock_movements (product_id, delta, reason, balance_after) VALUES (1, 1, 'SALE', -1)",
        "DELETE FROM inventory.stock_movements",
        "UPDATE inventory.stock_movements SET balance_after = 9",
    ] {
        sqlx::raw_sql(broken).execute(database.pool()).await.expect_err(broken);
    }
    database.execute("UPDATE inventory.products SET stock_quantity = stock_quantity + 1 WHERE id = 1").await;
    assert_eq!(database.texts("SELECT sku || ' ' || moved FROM inventory.stock_breaches").await, ["A 7"]);
}
