//! What is kept for a time only is deleted in portions, each table by itself, and an event that waits as a letter stays known.

use clap::Parser;
use e2e::database::TestDatabase;
use e2e::environment::Environment;
use e2e::poll;
use service_kit::config::DatabaseConfig;
use service_kit::db::Database;
use service_kit::jobs::forget_old_rows;
use service_kit::portions::PORTION;
use service_kit::schema::Schema;
use service_kit::shutdown::Shutdown;
use std::time::Duration;

#[derive(Parser, Debug)]
struct Flags {
    #[command(flatten)]
    database: DatabaseConfig,
}

/// The job of order-service.
fn forget(test: &TestDatabase) -> Shutdown {
    let flags = Flags::parse_from(["x", "--database-url", test.url()]);
    let (database, shutdown) = (Database::connect_lazy(&flags.database).unwrap(), Shutdown::default());
    shutdown.spawn(forget_old_rows(database, Schema("orders"), shutdown.token()));
    shutdown
}

/// Has the largest number of rows written down that a statement deletes from the table.
async fn measure_deletions(test: &TestDatabase, table: &str) {
    test.execute(format!("CREATE TABLE {table}_portions (rows BIGINT)")).await;
    let function = format!(
        "CREATE FUNCTION {table}_measured() RETURNS trigger LANGUAGE plpgsql AS $$
         BEGIN INSERT INTO {table}_portions SELECT count(*) FROM gone; RETURN NULL; END $$"
    );
    test.execute(function).await;
    let trigger = format!(
        "CREATE TRIGGER measured AFTER DELETE ON {table} REFERENCING OLD TABLE AS gone
         FOR EACH STATEMENT EXECUTE FUNCTION {table}_measured()"
    );
    test.execute(trigger).await;
}

async fn becomes(test: &TestDatabase, query: &str, rows: i64) {
    poll::eventually(query, async || poll::equal(test.number(query).await, rows)).await;
}

#[tokio::test]
async fn a_backlog_is_forgotten_in_portions() {
    let test = TestDatabase::migrated(Environment::get()).await;
    let old = "FROM generate_series(1, 25000) AS n";
    test.execute(format!("INSERT INTO orders.inbox SELECT 'c', gen_random_uuid(), now() - INTERVAL '8 days' {old}"))
        .await;
    test.execute(format!(
        "INSERT INTO orders.idempotency_keys (route, key, request_hash, status, body, created_at)
         SELECT 'r', n::text, '', 200, '', now() - INTERVAL '25 hours' {old}"
    ))
    .await;
    test.execute("INSERT INTO orders.inbox VALUES ('c', gen_random_uuid(), now() - INTERVAL '6 days')").await;
    for table in ["orders.inbox", "orders.idempotency_keys"] {
        measure_deletions(&test, table).await;
    }
    let job = forget(&test);
    becomes(&test, "SELECT count(*) FROM orders.inbox", 1).await;
    becomes(&test, "SELECT count(*) FROM orders.idempotency_keys", 0).await;
    for table in ["orders.inbox", "orders.idempotency_keys"] {
        assert_eq!(test.number(format!("SELECT max(rows) FROM {table}_portions")).await, PORTION);
    }
    job.finish(Duration::from_secs(10)).await;
}

#[tokio::test]
async fn a_table_that_cannot_be_worked_on_keeps_the_others_from_nothing() {
    let test = TestDatabase::migrated(Environment::get()).await;
    test.execute("INSERT INTO orders.inbox VALUES ('c', gen_random_uuid(), now() - INTERVAL '8 days')").await;
    test.execute("INSERT INTO orders.revocations (kind, id, until) VALUES ('sid', 's', now() - INTERVAL '1 hour')")
        .await;
    test.execute(
        "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'refused by the test'; END $$",
    )
    .await;
    test.execute("CREATE TRIGGER refuse BEFORE DELETE ON orders.idempotency_keys EXECUTE FUNCTION refuse()").await;
    let job = forget(&test);
    becomes(&test, "SELECT count(*) FROM orders.inbox", 0).await;
    becomes(&test, "SELECT count(*) FROM orders.revocations", 0).await;
    job.finish(Duration::from_secs(10)).await;
}

#[tokio::test]
async fn an_event_whose_letter_waits_stays_known() {
    let test = TestDatabase::migrated(Environment::get()).await;
    let event = |name: &str| format!("md5('{name}')::uuid");
    for (name, consumer) in [("waits", "c"), ("discarded", "c"), ("elsewhere", "d")] {
        let received = "now() - INTERVAL '8 days'";
        test.execute(format!("INSERT INTO orders.inbox VALUES ('c', {}, {received})", event(name))).await;
        let letter = "orders.dead_letters (consumer, event_id, event_type, body, reason, attempts)";
        let values = format!("'{consumer}', {}, 't', '{name}', 'r', 1", event(name));
        test.execute(format!("INSERT INTO {letter} VALUES ({values})")).await;
    }
    test.execute(
        "INSERT INTO orders.dead_letters (consumer, event_type, body, reason, attempts) VALUES ('c', 't', 'unreadable', 'r', 1)",
    )
    .await;
    let discard = "discarded_at = now(), discarded_by = 'o', discard_reason = 'r'";
    test.execute(format!("UPDATE orders.dead_letters SET {discard} WHERE event_id = {}", event("discarded"))).await;
    let job = forget(&test);
    becomes(&test, "SELECT count(*) FROM orders.inbox", 1).await;
    assert_eq!(test.number(format!("SELECT count(*) FROM orders.inbox WHERE event_id = {}", event("waits"))).await, 1);
    job.finish(Duration::from_secs(10)).await;
}
