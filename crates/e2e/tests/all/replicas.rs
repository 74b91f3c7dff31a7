//! Lists that are read from a replica: never older than the caller's own writes, never older than the bound, and no request
//! fails for its sake.

use crate::metrics::value;
use e2e::client::{Client, Response};
use e2e::poll;
use e2e::samples::{LAPTOP, MOUSE, int, order, product};
use e2e::shop::{Plan, Shop};
use serde_json::Value;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

const ORDERS: &str = "/api/orders";
const PRODUCTS: &str = "/api/inventory/products";

/// So far behind the replica never is.
const NO_BOUND: (&str, &str) = ("REPLICA_MAX_LAG_MS", "3600000");

/// Sends what of the log is still with the primary: nobody waits for the record of a lock.
const SEND: &str = "SELECT pg_switch_wal()";

fn plan() -> Plan {
    Shop::plan().without_broker().replica()
}

/// Runs a statement at the replica; gives what it shows.
fn at_replica(shop: &Shop, sql: &str) -> String {
    let replica = shop.replica.as_ref().unwrap();
    let output = replica.psql_on(shop.database.name()).args(["-Atc", sql]).output().unwrap();
    assert!(output.status.success(), "{sql}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// From now on the replica shows nothing new.
async fn pause(shop: &Shop) {
    at_replica(shop, "SELECT pg_wal_replay_pause()");
    poll::eventually("the replica to stand still", async || {
        poll::equal(at_replica(shop, "SELECT pg_get_wal_replay_pause_state()"), "paused".to_owned())
    })
    .await;
}

fn resume(shop: &Shop) {
    at_replica(shop, "SELECT pg_wal_replay_resume()");
}

async fn counted(client: &Client, metric: &str) -> f64 {
    value(&client.get("/metrics").await.is(200).text, metric).unwrap_or_else(|| panic!("no {metric}"))
}

async fn at(client: &Client, pool: &str) -> f64 {
    counted(client, &format!("database_reads_total{{pool=\"{pool}\"}}")).await
}

async fn passed_over(client: &Client, reason: &str) -> f64 {
    counted(client, &format!("database_replica_passed_over_total{{reason=\"{reason}\"}}")).await
}

/// Waits until the list is read from the replica.
async fn reads_there(client: &Client, list: &str) {
    let before = at(client, "replica").await;
    poll::eventually("lists to be read from the replica", async || {
        client.get(list).await.is(200);
        if at(client, "replica").await > before { Ok(()) } else { Err("the primary answers".to_owned()) }
    })
    .await;
}

fn has(list: &Response, id: i64) -> bool {
    list.array().iter().any(|row| row["id"] == id)
}

fn name_of(list: &Response, id: i64) -> Value {
    list.array().into_iter().find(|row| row["id"] == id).map(|row| row["name"].clone()).unwrap_or_default()
}

#[tokio::test]
async fn who_has_just_written_sees_it() {
    let shop = plan().order_variable(NO_BOUND.0, NO_BOUND.1).open().await;
    reads_there(shop.orders(), ORDERS).await;
    pause(&shop).await;
    poll::eventually("an order that is looked for at once", async || {
        let begun = Instant::now();
        let id = int(&shop.place(&[(LAPTOP, 1)]).await["id"]);
        let seen = has(&shop.orders().get(ORDERS).await.is(200), id);
        if begun.elapsed() > Duration::from_millis(900) {
            return Err("that took a second".to_owned());
        }
        assert!(seen, "the order that was just placed is not in the list");
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn own_writes_are_seen_while_the_replica_stands_still() {
    let shop = plan().order_variable(NO_BOUND.0, NO_BOUND.1).open().await;
    let first = int(&shop.place(&[(LAPTOP, 1)]).await["id"]);
    poll::eventually("the first order at the replica", async || {
        poll::equal(at_replica(&shop, "SELECT count(*) FROM orders.orders"), "1".to_owned())
    })
    .await;
    reads_there(shop.orders(), ORDERS).await;
    pause(&shop).await;
    let placed = shop.orders().post(ORDERS, order(&[(LAPTOP, 1)])).await.is(201);
    let (id, after) = (int(&placed.json()["id"]), placed.header("read-after").to_owned());

    // Without the header, the list is as old as the replica after a while, and so is the explanation; the order itself is
    // never read there.
    let explain = format!("{ORDERS}/{id}/explain");
    poll::eventually("the list to be as old as the replica", async || {
        let old = !has(&shop.orders().get(ORDERS).await.is(200), id);
        let list = shop.orders().get(ORDERS).header("read-after", &after).await.is(200);
        assert!(has(&list, id), "the order is not in the list that has to show it");
        if old { Ok(()) } else { Err("the order is there".to_owned()) }
    })
    .await;
    // Behind an order that the replica lacks, a list goes on all the same.
    let behind = format!("{ORDERS}?createdFrom=2020-01-01T00:00:00Z&cursor={id}");
    assert!(has(&shop.orders().get(&behind).await.is(200), first));
    shop.orders().get(&explain).await.is(404);
    shop.orders().get(&explain).header("read-after", &after).await.is(200);
    shop.orders().get(&format!("{ORDERS}/{id}")).await.is(200);
    shop.orders().get(&format!("{ORDERS}/{id}/timeline")).await.is(200);
    // It is waited for a moment only.
    let begun = Instant::now();
    shop.orders().get(ORDERS).header("read-after", &after).await.is(200);
    assert!(begun.elapsed() < Duration::from_secs(1), "{:?}", begun.elapsed());
    assert!(passed_over(shop.orders(), "own_write").await >= 3.0);

    // Once it has come there, the replica answers those with the header, too.
    resume(&shop);
    let before = at(shop.orders(), "replica").await;
    poll::eventually("the replica to answer", async || {
        let list = shop.orders().get(ORDERS).header("read-after", &after).await.is(200);
        assert!(has(&list, id));
        if at(shop.orders(), "replica").await > before { Ok(()) } else { Err("the primary answers".to_owned()) }
    })
    .await;
}

#[tokio::test]
async fn nothing_older_than_the_bound_is_shown() {
    let shop = plan().inventory_only().open().await;
    reads_there(shop.inventory(), PRODUCTS).await;
    pause(&shop).await;
    // Past the service, which so knows of no writer.
    shop.database.execute(format!("UPDATE inventory.products SET name = 'Renamed' WHERE id = {MOUSE}")).await;
    let written = Instant::now();
    poll::eventually("the new name", async || {
        let begun = written.elapsed();
        let name = name_of(&shop.inventory().get(PRODUCTS).await.is(200), MOUSE);
        if name == "Renamed" {
            return Ok(());
        }
        assert!(begun < Duration::from_secs(1), "a list of {begun:?} later shows {name}");
        Err(name.to_string())
    })
    .await;
    assert!(passed_over(shop.inventory(), "behind").await >= 1.0);
    // An idle primary would hide it from a clock of the last commit; the position does not.
    poll::eventually("the lag to be measured", async || {
        let lag = counted(shop.inventory(), "database_replica_lag_seconds").await;
        let bytes = counted(shop.inventory(), "database_replica_lag_bytes").await;
        if lag > 2.0 && bytes > 0.0 { Ok(()) } else { Err(format!("{lag} s, {bytes} bytes")) }
    })
    .await;
    resume(&shop);
    reads_there(shop.inventory(), PRODUCTS).await;
    poll::eventually("the lag to be over", async || {
        let lag = counted(shop.inventory(), "database_replica_lag_seconds").await;
        if lag < 1.0 { Ok(()) } else { Err(format!("{lag} s")) }
    })
    .await;
    // Where the machine is so busy that a look takes a second, the replica seems behind once more for a moment.
    poll::eventually("the log to tell the end of each time behind", async || {
        let told = |what: &str| shop.inventory_services[0].log_lines(&["watch the replica", what]);
        let (behind, again) = (told("s behind"), told("works again"));
        assert!(behind <= 3, "told of with each look");
        if behind >= 1 && behind == again { Ok(()) } else { Err(format!("{behind} times behind, {again} times again")) }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_read_fails_when_the_replica_is_killed() {
    let shop = plan().with_accounts().open().await;
    let lists = [
        (shop.orders().clone(), ORDERS),
        (shop.inventory().clone(), PRODUCTS),
        (shop.accounts().clone(), "/api/accounts"),
    ];
    for (client, list) in &lists {
        reads_there(client, list).await;
    }
    let done = Arc::new(AtomicBool::new(false));
    let readers: Vec<_> = lists
        .iter()
        .cycle()
        .take(6)
        .cloned()
        .map(|(client, list)| {
            let done = done.clone();
            tokio::spawn(async move {
                let mut longest = Duration::ZERO;
                while !done.load(Ordering::Relaxed) {
                    let begun = Instant::now();
                    client.get(list).await.is(200);
                    longest = longest.max(begun.elapsed());
                }
                longest
            })
        })
        .collect();
    shop.replica.as_ref().unwrap().kill().unwrap();
    for (client, _) in &lists {
        let before = at(client, "primary").await;
        poll::eventually("the primary to answer", async || {
            let answered = at(client, "primary").await - before;
            if answered >= 20.0 { Ok(()) } else { Err(format!("{answered} times")) }
        })
        .await;
        assert!(passed_over(client, "away").await >= 1.0);
    }
    shop.replica.as_ref().unwrap().restart().unwrap();
    for (client, list) in &lists {
        reads_there(client, list).await;
    }
    done.store(true, Ordering::Relaxed);
    for reader in readers {
        let longest = reader.await.expect("each read to be answered");
        assert!(longest < Duration::from_secs(3), "a read took {longest:?}");
    }
    for service in shop.order_services.iter().chain(&shop.inventory_services).chain(&shop.account_services) {
        let said = service.log_lines(&["watch the replica", "failed"]);
        assert!((1..=3).contains(&said), "said {said} times: {}", service.log());
    }
}

#[tokio::test]
async fn a_replica_that_was_promoted_is_not_read() {
    let shop = plan().inventory_only().inventory_variable(NO_BOUND.0, NO_BOUND.1).open().await;
    reads_there(shop.inventory(), PRODUCTS).await;
    assert_eq!(at_replica(&shop, "SELECT pg_promote()"), "t");
    at_replica(&shop, &format!("UPDATE inventory.products SET name = 'Another world' WHERE id = {LAPTOP}"));
    let there = at(shop.inventory(), "replica").await;
    for _ in 0..30 {
        let list = shop.inventory().get(PRODUCTS).await.is(200);
        assert_ne!(name_of(&list, LAPTOP), "Another world");
    }
    assert_eq!(at(shop.inventory(), "replica").await, there);
    assert_eq!(passed_over(shop.inventory(), "promoted").await, 30.0);
    // It takes writes, and gets none.
    let created = shop.inventory().post(PRODUCTS, product("NEW-1", "1.00", 1)).await.is(201);
    let list = shop.inventory().get(PRODUCTS).header("read-after", created.header("read-after")).await.is(200);
    assert!(has(&list, int(&created.json()["id"])));
}

#[tokio::test]
async fn a_read_that_hangs_at_the_replica_is_made_at_the_primary() {
    let shop = plan().order_variable(NO_BOUND.0, NO_BOUND.1).open().await;
    reads_there(shop.orders(), ORDERS).await;
    let lock = shop.database.lock("LOCK TABLE orders.orders IN ACCESS EXCLUSIVE MODE").await;
    shop.database.execute(SEND).await;
    let held =
        "SELECT count(*) FROM pg_locks WHERE mode = 'AccessExclusiveLock' AND relation = 'orders.orders'::regclass";
    poll::eventually("the lock to be replayed", async || poll::equal(at_replica(&shop, held), "1".to_owned())).await;
    pause(&shop).await;
    lock.rollback().await.unwrap();
    let begun = Instant::now();
    shop.orders().get(ORDERS).await.is(200);
    assert!(begun.elapsed() < Duration::from_secs(3), "{:?}", begun.elapsed());
    assert!(passed_over(shop.orders(), "away").await >= 1.0);
}

#[tokio::test]
async fn a_read_that_stood_in_the_way_of_the_replica_is_made_at_the_primary() {
    let shop = plan().order_variable(NO_BOUND.0, NO_BOUND.1).open().await;
    // What is in the way is cancelled at once, with SQLSTATE 40001.
    at_replica(&shop, "ALTER SYSTEM SET max_standby_streaming_delay = 0");
    at_replica(&shop, "SELECT pg_reload_conf()");
    reads_there(shop.orders(), ORDERS).await;
    poll::eventually("a read to be cancelled", async || {
        let lines = shop.database.lock("LOCK TABLE orders.order_items IN ACCESS EXCLUSIVE MODE").await;
        shop.database.execute(SEND).await;
        let held = "SELECT count(*) FROM pg_locks
                    WHERE mode = 'AccessExclusiveLock' AND relation = 'orders.order_items'::regclass";
        poll::eventually("the lock to be replayed", async || poll::equal(at_replica(&shop, held), "1".to_owned()))
            .await;
        let client = shop.orders().clone();
        let read = tokio::spawn(async move { client.get(ORDERS).await.is(200) });
        let waits = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'";
        poll::eventually("the read to wait", async || poll::equal(at_replica(&shop, waits), "1".to_owned())).await;
        let orders = shop.database.lock("LOCK TABLE orders.orders IN ACCESS EXCLUSIVE MODE").await;
        shop.database.execute(SEND).await;
        // At the primary it waits, too.
        shop.database.somebody_waits().await;
        lines.rollback().await.unwrap();
        orders.rollback().await.unwrap();
        read.await.expect("an answer");
        if passed_over(shop.orders(), "conflict").await > 0.0 { Ok(()) } else { Err("none was".to_owned()) }
    })
    .await;
}

#[tokio::test]
async fn plans_are_those_of_the_primary() {
    let shop = plan().with_accounts().open().await;
    let order = shop.place(&[(LAPTOP, 1), (MOUSE, 1)]).await;
    let id = int(&order["id"]);
    let whole = "SELECT string_agg(schemaname || '.' || relname || ' ' || seq_scan, ', ' ORDER BY schemaname, relname)
                 FROM pg_stat_user_tables WHERE relname <> '_sqlx_migrations'";
    let before = at_replica(&shop, whole);
    for (client, list) in [(shop.orders(), ORDERS), (shop.inventory(), PRODUCTS), (shop.accounts(), "/api/accounts")] {
        reads_there(client, list).await;
    }
    for path in [
        format!("{ORDERS}/{id}/explain"),
        format!("{ORDERS}/status/PENDING"),
        format!("{ORDERS}/customer/ada@example.com"),
        "/api/payments".to_owned(),
        "/api/notifications".to_owned(),
        "/api/admin/dead-letters".to_owned(),
    ] {
        shop.orders().get(&path).await.is(200);
    }
    for path in ["/active", "/low-stock", "?q=laptop", "/1/movements"] {
        shop.inventory().get(&format!("{PRODUCTS}{path}")).await.is(200);
    }
    let used = "SELECT count(*) FROM pg_stat_user_tables
                WHERE relname IN ('orders_before_months', 'products', 'users', 'payments', 'stock_movements_before_months') AND idx_scan > 0";
    poll::eventually("the counters", async || poll::equal(at_replica(&shop, used), "5".to_owned())).await;
    assert_eq!(at_replica(&shop, whole), before);
}

#[tokio::test]
async fn every_list_and_explanation_knows_the_header() {
    let shop = Shop::plan().without_broker().with_accounts().open().await;
    // What is decided by them is read at the primary.
    let mut at_primary = vec!["/api/inventory/reservations".to_owned()];
    for client in [shop.orders(), shop.inventory(), shop.accounts()] {
        let document = client.get("/api-docs/openapi.json").await.is(200).json();
        for (path, item) in document["paths"].as_object().unwrap() {
            let named = |name: &str| {
                item["get"]["parameters"].as_array().into_iter().flatten().any(|parameter| parameter["name"] == name)
            };
            if !named("Read-After") {
                let is_list = named("cursor") || path.ends_with("/explain");
                assert!(!is_list || at_primary.contains(path), "{path} takes no Reader, or does not say so");
                at_primary.retain(|known| !(is_list && known == path));
                continue;
            }
            let concrete = path.replace("{id}", "1").replace("{status}", "PENDING").replace("{email}", "a@example.com");
            for bad in ["x", "0/16B3748", "00000000016B3748"] {
                let refused = client.get(&concrete).header("read-after", bad).await;
                assert_eq!(refused.fields_at_fault(), ["Read-After"], "{path}");
            }
        }
    }
    assert_eq!(at_primary, [""; 0]);
    // Nothing is to be sent back where everything is read at the primary.
    let placed = shop.orders().post(ORDERS, order(&[(LAPTOP, 1)])).await.is(201);
    assert_eq!(placed.find_header("read-after"), None);
}
