//! The audit in ranges: partitions are added ahead, old ones are archived, and the chain of entries is one.

mod archive;

use e2e::database::TestDatabase;
use e2e::environment::Environment;
use e2e::migrations::migrate;
use e2e::pages::ids;
use e2e::poll;
use e2e::process::Service;
use e2e::samples::text;
use e2e::shop::Shop;
use sqlx::AssertSqlSafe;
use std::collections::BTreeSet;
use uuid::Uuid;

/// The months that an old shop keeps.
const KEPT: (&str, &str) = ("AUDIT_KEEP_MONTHS", "12");

/// The first number of the second range, once the audit is cut.
const SECOND_RANGE: i64 = 3;

/// Whose entries tests write.
const ADA: Uuid = Uuid::from_u128(0x0193_6f5e_7c3a_7b1e_8a4e_3f1d_2c5b_6a70);

/// Whether numbers have no gap and each entry follows the one before, from the first on.
const IS_WHOLE: &str = "
    SELECT COALESCE(bool_and(id = place AND previous = before AND hash = computed), TRUE)::text
    FROM (SELECT a.*, row_number() OVER (ORDER BY id) AS place, accounts.audit_hash(a) AS computed,
                 COALESCE(lag(hash) OVER (ORDER BY id), '') AS before FROM accounts.audit a) e";

/// An entry as account-service writes it, also the builds before there were ranges.
fn entry(action: &str) -> String {
    format!(
        "INSERT INTO accounts.audit (at, actor, action, user_id, detail) VALUES (now(), 'nobody', '{action}', '{ADA}', NULL)"
    )
}

/// Makes the account that the entries are of.
async fn is_there(database: &TestDatabase) {
    let ada = "INSERT INTO accounts.users (id, email, email_key, password_hash) VALUES ('ADA', 'ada@a.example', 'ada@a.example', '')";
    database.execute(ada.replace("ADA", &ADA.to_string())).await;
}

async fn write(database: &TestDatabase, entries: usize) {
    for _ in 0..entries {
        database.execute(entry("logged-in")).await;
    }
}

/// Ends the first range early and adds so many of two numbers after it. Nothing is in them yet, and there are none beyond.
async fn cut(database: &TestDatabase, further: i32) {
    let cut = format!(
        "DO $$
         DECLARE
             name TEXT;
         BEGIN
             LOCK TABLE accounts.audit IN ACCESS EXCLUSIVE MODE;
             FOR name IN SELECT partition FROM accounts.audit_ranges WHERE partition <> 'audit_before_months' LOOP
                 EXECUTE format('DROP TABLE accounts.%I', name);
             END LOOP;
             DELETE FROM accounts.audit_ranges WHERE partition <> 'audit_before_months';
             UPDATE accounts.audit_ranges SET end_id = {SECOND_RANGE};
             FOREACH name IN ARRAY ARRAY['audit_before_months', 'audit_beyond'] LOOP
                 EXECUTE format('ALTER TABLE accounts.audit DETACH PARTITION accounts.%I', name);
             END LOOP;
             ALTER TABLE accounts.audit ATTACH PARTITION accounts.audit_before_months
                 FOR VALUES FROM (MINVALUE) TO ({SECOND_RANGE});
             ALTER TABLE accounts.audit ATTACH PARTITION accounts.audit_beyond
                 FOR VALUES FROM ({SECOND_RANGE}) TO (MAXVALUE);
             PERFORM accounts.add_audit_range(2) FROM generate_series(1, {further});
         END $$"
    );
    database.execute(cut).await;
}

/// A shop with seven entries. The first three ranges are full: two of them for twelve months, and the third not quite so long.
async fn old_shop() -> Shop {
    let plan = Shop::plan().inventory_only().account_variable(KEPT.0, KEPT.1);
    let mut shop = plan.open().await;
    account_service(&mut shop).kill();
    cut(&shop.database, 2).await;
    write(&shop.database, 7).await;
    shop.database.texts("SELECT accounts.add_audit_ranges(3)").await;
    is_there(&shop.database).await;
    let full = "SELECT partition FROM accounts.audit_ranges WHERE over_since IS NOT NULL ORDER BY end_id";
    assert_eq!(shop.database.texts(full).await, ["audit_before_months", "audit_from_3", "audit_from_5"]);
    let long_ago = "UPDATE accounts.audit_ranges
                    SET over_since = date_trunc('month', now(), 'UTC') - INTERVAL '12 months'
                                     + CASE WHEN end_id > 5 THEN INTERVAL '1 ms' ELSE INTERVAL '0' END
                    WHERE over_since IS NOT NULL";
    assert_eq!(shop.database.execute(long_ago).await, 3);
    shop
}

fn account_service(shop: &mut Shop) -> &mut Service {
    shop.account_services.first_mut().unwrap()
}

/// Starts account-service anew: what its jobs do at the start is done by the time that the test waits for.
async fn restart(shop: &mut Shop) {
    account_service(shop).restart().await;
}

/// The tables in the archive.
async fn archive(database: &TestDatabase) -> Vec<String> {
    database.tables_in("accounts_archive").await
}

async fn two_are_archived(shop: &Shop) {
    let archived = vec!["audit_before_months".to_owned(), "audit_from_3".to_owned()];
    poll::eventually("the ranges to be archived", async || {
        poll::equal(archive(&shop.database).await, archived.clone())
    })
    .await;
}

/// The names of the invariants that are broken.
async fn broken(shop: &Shop) -> Vec<String> {
    let found = shop.accounts().get("/api/admin/invariants").await.is(200).json();
    let breaches = found["breaches"].as_array().cloned().unwrap_or_default();
    let names: BTreeSet<_> = breaches.iter().map(|it| text(&it["invariant"]).to_owned()).collect();
    names.into_iter().collect()
}

/// The numbers of the entries that an administrator sees of somebody.
async fn listed(shop: &Shop) -> Vec<i64> {
    ids(&shop.accounts().get(&format!("/api/accounts/{ADA}/audit")).await.is(200).array())
}

/// The error of a statement that has to fail.
async fn refused(database: &TestDatabase, statement: &str) -> String {
    let done = sqlx::raw_sql(AssertSqlSafe(statement)).execute(database.pool()).await;
    done.expect_err(statement).to_string()
}

#[tokio::test]
async fn entries_of_ranges_that_nobody_added_are_taken_and_moved_later() {
    let mut shop = Shop::plan().inventory_only().with_accounts().open().await;
    account_service(&mut shop).kill();
    cut(&shop.database, 0).await;
    is_there(&shop.database).await;
    // The job gives up each time.
    let reader = shop.database.lock("LOCK TABLE accounts.audit IN ACCESS SHARE MODE").await;
    restart(&mut shop).await;
    write(&shop.database, 3).await;
    let ada = shop.register("ada@example.com").await;
    let beyond = "SELECT count(*) FROM accounts.audit_beyond";
    assert_eq!(shop.database.number(beyond).await, 2);
    assert_eq!(broken(&shop).await, ["audit-ranges-are-ahead"]);

    reader.rollback().await.unwrap();
    restart(&mut shop).await;
    poll::eventually("them to be moved", async || poll::equal(shop.database.number(beyond).await, 0)).await;
    assert_eq!(broken(&shop).await, [""; 0]);
    assert_eq!(listed(&shop).await, [3, 2, 1]);
    let path = format!("/api/accounts/{}/audit", ada.id);
    assert_eq!(ids(&shop.accounts().get(&path).await.is(200).array()), [4]);
    let places = "SELECT id || ' ' || tableoid::regclass FROM accounts.audit ORDER BY id";
    let (first, second) = ("accounts.audit_before_months", "accounts.audit_from_3");
    let expected = [format!("1 {first}"), format!("2 {first}"), format!("3 {second}"), format!("4 {second}")];
    assert_eq!(shop.database.texts(places).await, expected);
}

#[tokio::test]
async fn as_many_ranges_are_added_ahead_as_are_asked_for() {
    let database = TestDatabase::migrated(Environment::get()).await;
    cut(&database, 0).await;
    let add = |ahead: i32| format!("SELECT accounts.add_audit_ranges({ahead})");
    assert_eq!(database.texts(add(1)).await, ["audit_from_3"]);
    assert_eq!(database.texts(add(1)).await, [""; 0]);
    write(&database, 4).await;
    assert_eq!(database.texts(add(2)).await, ["audit_from_262147", "audit_from_524291"]);
    // Thirty days took two buckets of numbers, as if there were entries in between.
    let many = "INSERT INTO accounts.audit_beyond (id, at, actor, action, user_id, previous, hash)
                SELECT 1000000 + n * 262144, now() - INTERVAL '1 day' * (32 - n), 'nobody', 'x', gen_random_uuid(), '', ''
                FROM generate_series(1, 4) AS n";
    let mut by_hand = database.lock("SET LOCAL session_replication_role = replica").await;
    sqlx::query("DELETE FROM accounts.audit").execute(&mut *by_hand).await.unwrap();
    sqlx::query(many).execute(&mut *by_hand).await.unwrap();
    by_hand.commit().await.unwrap();
    database.texts(add(1)).await;
    let sizes =
        "SELECT DISTINCT ((end_id - first_id) / 262144)::text FROM accounts.audit_ranges WHERE first_id > 600000";
    assert_eq!(database.texts(sizes).await, ["2"]);
}

#[tokio::test]
async fn the_newest_entries_are_found_without_a_look_at_all_ranges() {
    let database = TestDatabase::migrated(Environment::get()).await;
    cut(&database, 20).await;
    let mut conn = database.pool().acquire().await.unwrap();
    for set in ["SET plan_cache_mode = force_generic_plan", "SET enable_seqscan = off"] {
        sqlx::query(set).execute(&mut *conn).await.unwrap();
    }
    for (reads, found) in [
        ("SELECT hash FROM accounts.audit WHERE id >= $1 ORDER BY id DESC LIMIT 1", "(0)"),
        (
            "SELECT id FROM accounts.audit WHERE user_id = $1 AND id < $2 ORDER BY id DESC LIMIT $3",
            "(gen_random_uuid(), 99, 3)",
        ),
    ] {
        let prepare = format!("DEALLOCATE ALL; PREPARE reads AS {reads}");
        sqlx::raw_sql(AssertSqlSafe(prepare)).execute(&mut *conn).await.unwrap();
        let explain = AssertSqlSafe(format!("EXPLAIN (COSTS OFF) EXECUTE reads {found}"));
        let plan: Vec<String> = sqlx::query_scalar(explain).persistent(false).fetch_all(&mut *conn).await.unwrap();
        let plan = plan.join("\n");
        // In the order of the partitions, not merged from all of them.
        assert!(plan.contains("->  Append") && !plan.contains("Sort"), "{plan}");
    }
}

#[tokio::test]
async fn nobody_chooses_a_number_and_nothing_is_changed() {
    let mut shop = old_shop().await;
    restart(&mut shop).await;
    two_are_archived(&shop).await;
    let database = &shop.database;
    for id in ["7", "9", "999999999", "NULL"] {
        let chosen = format!(
            "INSERT INTO accounts.audit (id, at, actor, action, user_id) VALUES ({id}, now(), 'nobody', 'x', '{ADA}')"
        );
        let reason = refused(database, &chosen).await;
        // A number that is NULL has no place in any range.
        assert!(reason.contains("the next entry of the audit is 8, not ") || id == "NULL", "{reason}");
    }
    let archived = format!(
        "INSERT INTO accounts.audit (id, at, actor, action, user_id) VALUES (4, now(), 'nobody', 'x', '{ADA}')"
    );
    assert!(refused(database, &archived).await.contains("no partition of relation"));
    for table in ["accounts.audit_from_7", "accounts.audit_beyond"] {
        let past_the_end = format!(
            "INSERT INTO {table} (id, at, actor, action, user_id) VALUES (99999999, now(), 'nobody', 'x', '{ADA}')"
        );
        refused(database, &past_the_end).await;
    }
    let tables = "SELECT relid::regclass::text FROM pg_partition_tree('accounts.audit')
                  UNION ALL SELECT 'accounts_archive.' || tablename FROM pg_tables WHERE schemaname = 'accounts_archive'";
    let tables = database.texts(tables).await;
    assert!(tables.len() > 6, "{tables:?}");
    for table in tables {
        for change in ["UPDATE TABLE SET action = 'x'", "DELETE FROM TABLE", "TRUNCATE TABLE"] {
            let reason = refused(database, &change.replace("TABLE", &table)).await;
            assert!(reason.contains("stays as it is"), "{table}: {reason}");
        }
    }
    let next = "INSERT INTO accounts.audit (id, at, actor, action, user_id) VALUES (8, now(), 'nobody', 'x', '{ADA}')";
    database.execute(next.replace("{ADA}", &ADA.to_string())).await;
    assert_eq!(broken(&shop).await, [""; 0]);
}

#[tokio::test]
async fn many_writers_at_once_keep_one_chain() {
    const WRITERS: usize = 4;
    const TURNS: usize = 15;
    let database = TestDatabase::migrated(Environment::get()).await;
    cut(&database, 20).await;
    let writers = (0..WRITERS).map(|writer| {
        let pool = database.pool().clone();
        tokio::spawn(async move {
            for turn in 0..TURNS {
                // One entry, two of one transaction, and several of one statement.
                let (one, both) = (entry("x"), format!("BEGIN; {}; {}; COMMIT", entry("y"), entry("z")));
                let several = "INSERT INTO accounts.audit (at, actor, action, user_id)
                               SELECT now(), 'nobody', 'x', gen_random_uuid() FROM generate_series(1, 3)";
                let statements = [one, both, several.to_owned()];
                let statement = AssertSqlSafe(statements[(writer + turn) % 3].clone());
                sqlx::raw_sql(statement).execute(&pool).await.unwrap();
            }
        })
    });
    for writer in writers.collect::<Vec<_>>() {
        writer.await.unwrap();
    }
    let entries = i64::try_from(WRITERS * TURNS * 2).unwrap();
    assert_eq!(database.number("SELECT count(*) FROM accounts.audit").await, entries);
    assert_eq!(database.texts(IS_WHOLE).await, ["true"]);
}

#[tokio::test]
async fn what_there_was_becomes_the_first_partition_while_entries_are_written() {
    const SERVICE: &str = "account-service";
    let database = TestDatabase::create(&Environment::get().database_url).await;
    let mut conn = database.pool().acquire().await.unwrap().detach();
    migrate(&mut conn, SERVICE, 1..=17).await;
    write(&database, 2).await;
    migrate(&mut conn, SERVICE, 18..=19).await;
    // One is being written; the migration lets it end, and the one that waits for it.
    let mut writing = database.pool().begin().await.unwrap();
    sqlx::query(AssertSqlSafe(entry("erased"))).execute(&mut *writing).await.unwrap();
    let pool = database.pool().clone();
    let behind = tokio::spawn(async move {
        let mut conn = pool.acquire().await.unwrap();
        // The second time by the plan of the first.
        for _ in 0..2 {
            sqlx::query(AssertSqlSafe(entry("disabled"))).execute(&mut *conn).await.unwrap();
        }
    });
    database.somebody_waits().await;
    let migrating = tokio::spawn(async move {
        migrate(&mut conn, SERVICE, 20..=u32::MAX).await;
    });
    let two_wait =
        "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()";
    poll::eventually("the migration to wait", async || poll::equal(database.number(two_wait).await, 2)).await;
    writing.commit().await.unwrap();
    behind.await.unwrap();
    migrating.await.unwrap();
    write(&database, 1).await;
    let places = "SELECT id || ' ' || action || ' ' || tableoid::regclass FROM accounts.audit ORDER BY id";
    let actions = ["logged-in", "logged-in", "erased", "disabled", "disabled", "logged-in"];
    let expected = (1..).zip(actions).map(|(id, action)| format!("{id} {action} accounts.audit_before_months"));
    assert_eq!(database.texts(places).await, expected.collect::<Vec<_>>());
    assert_eq!(database.texts(IS_WHOLE).await, ["true"]);
    assert!(refused(&database, "DELETE FROM accounts.audit_before_months").await.contains("stays as it is"));
}
