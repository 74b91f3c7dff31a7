//! Promises P2 and P3 across `kill -9`, and a shutdown that finishes what it has begun.

use e2e::client::Response;
use e2e::poll;
use e2e::samples::{LAPTOP, MOUSE, int, order};
use e2e::shop::{Plan, Shop};
use shared_types::topology::ORDER_RESERVATION_EVENTS;
use std::time::Duration;
use tokio::sync::mpsc;

const ORDERS: &str = "/api/orders";

/// Held stock without an order goes back after three seconds.
fn short_window() -> Plan {
    Shop::plan().window(3)
}

/// Many buyers at once, and the numbers of the orders they were promised, as they come.
fn buyers(shop: &Shop, count: usize) -> mpsc::UnboundedReceiver<i64> {
    let (sender, promised) = mpsc::unbounded_channel();
    for _ in 0..count {
        let (client, sender) = (shop.orders().clone(), sender.clone());
        tokio::spawn(async move {
            if let Ok(answer) = client.post(ORDERS, order(&[(MOUSE, 1)])).attempt().await {
                match answer.status {
                    201 => drop(sender.send(int(&answer.json()["id"]))),
                    status => assert_eq!(status, 503, "{}", answer.text),
                }
            }
        });
    }
    promised
}

/// Waits until nothing is held any more, and fails unless just the orders have stock.
async fn assert_settled(shop: &Shop) {
    poll::eventually("held stock to be settled", async || {
        let held = "SELECT COUNT(*) FROM inventory.reservations WHERE status = 'HELD'";
        poll::equal(shop.database.number(held).await, 0)
    })
    .await;
    shop.assert_invariants().await;
    let sold = shop.database.number("SELECT COALESCE(SUM(quantity), 0)::bigint FROM orders.order_items").await;
    let stock = shop.database.number("SELECT SUM(stock_quantity)::bigint FROM inventory.products").await;
    assert_eq!(stock + sold, 363);
}

#[tokio::test]
async fn an_answered_order_survives_the_end_of_order_service() {
    let mut shop = short_window().open().await;
    for promised_before in [1, 20] {
        let mut promised = buyers(&shop, 40);
        let mut ids = Vec::new();
        while ids.len() < promised_before {
            ids.extend(promised.recv().await);
        }
        shop.order_services[0].kill();
        while let Some(id) = promised.recv().await {
            ids.push(id);
        }
        shop.order_services[0].start().await;
        for id in ids {
            shop.orders().get(&format!("{ORDERS}/{id}")).await.is(200);
        }
    }
    assert_settled(&shop).await;
}

#[tokio::test]
async fn an_answered_order_survives_the_end_of_inventory_service() {
    let mut shop = short_window().open().await;
    let mut promised = buyers(&shop, 60);
    let mut ids: Vec<i64> = promised.recv().await.into_iter().collect();
    shop.inventory_services[0].kill();
    while let Some(id) = promised.recv().await {
        ids.push(id);
    }
    shop.inventory_services[0].start().await;
    for id in ids {
        shop.order_becomes(id, "CONFIRMED").await;
    }
    assert_settled(&shop).await;
}

#[tokio::test]
async fn both_services_die_again_and_again() {
    let mut shop = short_window().pairs(2).open().await;
    for round in 0..4 {
        let mut promised = buyers(&shop, 30);
        let first = promised.recv().await.expect("an order");
        if round % 2 == 0 {
            shop.order_services[1].kill();
            shop.inventory_services[0].kill();
        } else {
            shop.order_services[0].kill();
            shop.inventory_services[1].kill();
        }
        while promised.recv().await.is_some() {}
        for service in shop.order_services.iter_mut().chain(&mut shop.inventory_services) {
            service.kill();
            service.launch();
        }
        for service in shop.inventory_services.iter_mut().chain(&mut shop.order_services) {
            service.ready_as(&["UP"]).await;
        }
        shop.orders().get(&format!("{ORDERS}/{first}")).await.is(200);
    }
    assert_settled(&shop).await;
}

#[tokio::test]
async fn a_message_that_was_worked_on_in_a_crash_comes_again() {
    let mut shop = Shop::open().await;
    for schema in ["inventory", "orders"] {
        let lock = shop.database.lock(format!("LOCK TABLE {schema}.inbox IN EXCLUSIVE MODE")).await;
        let id = int(&shop.place(&[(LAPTOP, 1)]).await["id"]);
        shop.database.somebody_waits().await;
        let services = if schema == "orders" { &mut shop.order_services } else { &mut shop.inventory_services };
        services[0].kill();
        lock.rollback().await.unwrap();
        services[0].start().await;
        // Well before the settling job looks after it.
        shop.order_becomes(id, "CONFIRMED").await;
    }
    shop.assert_invariants().await;
}

/// Places orders that wait for a row lock in the database, asks a service to end meanwhile, and lets go of the lock
/// when the service has heard it.
async fn end_while_placing(end: impl Fn(&Shop) -> &e2e::process::Service) -> (Shop, Vec<Response>) {
    let shop = Shop::plan().order_variable("INVENTORY_TIMEOUT_MS", "2500").open().await;
    let lock = shop.database.lock("SELECT id FROM inventory.products WHERE id = 1 FOR UPDATE").await;
    let place = || {
        let client = shop.orders().clone();
        tokio::spawn(async move { client.post(ORDERS, order(&[(LAPTOP, 1)])).await })
    };
    let placing: Vec<_> = (0..10).map(|_| place()).collect();
    shop.database.somebody_waits().await;
    // Connections are taken in the order in which they were opened: behind these, the ten have arrived.
    for _ in 0..3 {
        shop.order_services[0].live().await.is(200);
    }
    end(&shop).ask_to_end();
    poll::eventually("the service to hear it", async || {
        let said = end(&shop).log_lines(&["shutting down"]);
        poll::equal(said, 1)
    })
    .await;
    lock.rollback().await.unwrap();
    let mut answers = Vec::new();
    for task in placing {
        answers.push(task.await.unwrap());
    }
    (shop, answers)
}

#[tokio::test]
async fn order_service_finishes_what_it_has_begun() {
    let (mut shop, answers) = end_while_placing(|shop| &shop.order_services[0]).await;
    for answer in answers {
        answer.is(201);
    }
    let status = shop.order_services[0].ended().await;
    assert!(status.success(), "{status}");
    shop.order_services[0].start().await;
    shop.assert_invariants().await;
    assert_eq!(shop.database.stock(LAPTOP).await, 40);
}

#[tokio::test]
async fn inventory_service_finishes_what_it_has_begun() {
    let (mut shop, answers) = end_while_placing(|shop| &shop.inventory_services[0]).await;
    // Those of the first batch were on their way; the others may have come too late.
    let placed = answers.iter().filter(|answer| answer.status == 201).count() as i64;
    assert!(placed >= 1);
    for answer in answers.iter().filter(|answer| answer.status != 201) {
        answer.unavailable();
    }
    let status = shop.inventory_services[0].ended().await;
    assert!(status.success(), "{status}");
    shop.inventory_services[0].start().await;
    shop.assert_invariants().await;
    assert_eq!(shop.database.stock(LAPTOP).await, 50 - placed);
}

#[tokio::test]
async fn an_idle_service_ends_at_once() {
    let mut shop = Shop::open().await;
    let started = std::time::Instant::now();
    for service in shop.order_services.iter_mut().chain(&mut shop.inventory_services) {
        service.ask_to_end();
        let status = service.ended().await;
        assert!(status.success(), "{status}");
    }
    assert!(started.elapsed() < Duration::from_secs(5), "{:?}", started.elapsed());
}

#[tokio::test]
async fn requests_and_background_work_end_by_one_deadline() {
    let mut shop = Shop::plan().order_variable("SHUTDOWN_TIMEOUT_SECONDS", "4").open().await;
    // Neither a request nor a consumer can go on.
    let orders = shop.database.lock("LOCK TABLE orders.orders IN SHARE MODE").await;
    let letters = shop.database.lock("LOCK TABLE orders.dead_letters IN SHARE MODE").await;
    let client = shop.orders().clone();
    let placing = tokio::spawn(async move { client.post(ORDERS, order(&[(LAPTOP, 1)])).attempt().await.map(drop) });
    shop.broker().send(ORDER_RESERVATION_EVENTS.name, "no event").await;
    poll::eventually("both to wait", async || {
        let both = "SELECT COUNT(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'
                    AND datname = current_database() AND query ~* 'insert into orders.(orders|dead_letters)'";
        poll::equal(shop.database.number(both).await, 2)
    })
    .await;
    let asked = std::time::Instant::now();
    shop.order_services[0].ask_to_end();
    assert!(shop.order_services[0].ended().await.success());
    let took = asked.elapsed();
    assert!(took > Duration::from_secs(4), "nothing was waited for: {took:?}");
    assert!(took < Duration::from_secs(6), "each had the whole time: {took:?}");
    for lock in [orders, letters] {
        lock.rollback().await.unwrap();
    }
    let _ = placing.await;
}
