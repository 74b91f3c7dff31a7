//! Orders that were accepted (promises P1 to P4): each is placed once, whatever dies, waits or runs at once.

use e2e::poll;
use e2e::samples::{HEADSET, LAPTOP, MOUSE, int, order, order_of, text};
use e2e::shop::{Plan, Shop};
use serde_json::{Value, json};
use sqlx::{Postgres, Transaction};

const ORDERS: &str = "/api/orders";

/// Asking for stock may wait for a lock for some time.
fn patient() -> Plan {
    Shop::plan().order_variable("INVENTORY_TIMEOUT_MS", "3000")
}

/// Stock that is held for nothing goes back after two seconds.
fn short_window() -> Plan {
    patient().window(2)
}

async fn accepted(shop: &Shop, body: Value) -> Value {
    shop.orders().post(ORDERS, body).header("prefer", "respond-async").await.is(202).json()
}

type Lock = Transaction<'static, Postgres>;

/// An order of one laptop whose stock is asked for, and two locks: on the laptop, so that the stock cannot be held, and
/// on the order, so that it cannot be written.
async fn asked(shop: &Shop) -> (Value, Lock, Lock) {
    let laptop = shop.database.lock("SELECT id FROM inventory.products WHERE id = 1 FOR UPDATE").await;
    let order = accepted(shop, order(&[(LAPTOP, 1)])).await;
    shop.database.somebody_waits().await;
    let lock = shop.database.lock(format!("SELECT id FROM orders.orders WHERE id = {} FOR UPDATE", order["id"])).await;
    (order, laptop, lock)
}

/// An order of one laptop whose stock is held, with its row locked so that it cannot be written.
async fn held_up(shop: &Shop) -> (Value, Lock) {
    let (order, laptop, lock) = asked(shop).await;
    laptop.rollback().await.unwrap();
    stock_becomes(shop, 49).await;
    shop.database.somebody_waits().await;
    (order, lock)
}

async fn stock_becomes(shop: &Shop, stock: i64) {
    poll::eventually("the stock", async || poll::equal(shop.database.stock(LAPTOP).await, stock)).await;
}

/// Waits until two wait for a lock.
async fn two_wait(shop: &Shop) {
    poll::eventually("two to wait for a lock", async || {
        let waiting = "SELECT COUNT(*) FROM pg_stat_activity
                       WHERE wait_event_type = 'Lock' AND datname = current_database()";
        poll::equal(shop.database.number(waiting).await, 2)
    })
    .await;
}

async fn movements(shop: &Shop) -> i64 {
    shop.database
        .number("SELECT COUNT(*) FROM inventory.stock_movements WHERE product_id = 1 AND reason <> 'RECEIPT'")
        .await
}

#[tokio::test]
async fn an_accepted_order_survives_the_end_of_order_service() {
    let mut shop = Shop::open().await;
    let mut ids = Vec::new();
    for _ in 0..3 {
        for _ in 0..5 {
            ids.push(int(&accepted(&shop, order(&[(MOUSE, 1)])).await["id"]));
        }
        shop.order_services[0].kill();
        shop.order_services[0].start().await;
    }
    for id in ids {
        shop.order_becomes(id, "CONFIRMED").await;
    }
    shop.assert_invariants().await;
    assert_eq!(shop.database.stock(MOUSE).await, 185);
}

#[tokio::test]
async fn an_order_whose_worker_died_between_holding_and_writing_is_placed_once() {
    let mut shop = Shop::open().await;
    let mut tap = shop.broker.as_ref().unwrap().tap().await;
    shop.inventory_services[0].kill();
    let id = int(&accepted(&shop, order(&[(LAPTOP, 1)])).await["id"]);
    let lock = shop.database.lock("LOCK TABLE orders.order_items IN EXCLUSIVE MODE").await;
    shop.inventory_services[0].start().await;
    stock_becomes(&shop, 49).await;
    shop.database.somebody_waits().await;
    shop.order_services[0].kill();
    lock.rollback().await.unwrap();
    shop.order_services[0].start().await;
    shop.order_becomes(id, "CONFIRMED").await;
    tap.heard("order.confirmed", 1).await;
    shop.assert_invariants().await;
    assert_eq!((shop.database.stock(LAPTOP).await, movements(&shop).await), (49, 1));
    assert_eq!(tap.heard("order.created", 1).await.len(), 1);
}

#[tokio::test]
async fn two_workers_on_one_order_place_it_once() {
    let shop = patient().pairs(2).open().await;
    let mut tap = shop.broker().tap().await;
    let (order, lock) = held_up(&shop).await;
    // The claim of the one that waits has run out when the other comes to it.
    two_wait(&shop).await;
    lock.rollback().await.unwrap();
    shop.order_becomes(int(&order["id"]), "CONFIRMED").await;
    tap.heard("order.confirmed", 1).await;
    poll::eventually("both to have ended", async || {
        let writing = "SELECT COUNT(*) FROM pg_stat_activity
                       WHERE datname = current_database() AND backend_type = 'client backend'
                         AND xact_start IS NOT NULL AND pid <> pg_backend_pid()";
        poll::equal(shop.database.number(writing).await, 0)
    })
    .await;
    shop.assert_invariants().await;
    assert_eq!((shop.database.stock(LAPTOP).await, movements(&shop).await), (49, 1));
    assert_eq!(tap.heard("order.created", 1).await.len(), 1);
}

#[tokio::test]
async fn many_instances_sell_just_what_there_is() {
    let shop = Shop::plan().pairs(2).open().await;
    let tasks: Vec<_> = (0..60)
        .map(|task| {
            let client = shop.order_services[task % 2].client().clone();
            let body = order(&[(HEADSET, 1), (MOUSE, 1)]);
            tokio::spawn(async move { client.post(ORDERS, body).header("prefer", "respond-async").await.is(202) })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    shop.assert_invariants().await;
    let count = async |status: &str| {
        shop.database.number(format!("SELECT COUNT(*) FROM orders.orders WHERE status = '{status}'")).await
    };
    assert_eq!((count("CONFIRMED").await, count("CANCELLED").await), (8, 52));
    assert_eq!((shop.database.stock(HEADSET).await, shop.database.stock(MOUSE).await), (0, 192));
}

#[tokio::test]
async fn twins_at_once_get_one_order_and_one_answer() {
    let shop = Shop::plan().pairs(2).open().await;
    for round in 0..6 {
        let tasks: Vec<_> = (0..24)
            .map(|task| {
                let client = shop.order_services[task % 2].client().clone();
                let call = client.post(ORDERS, order(&[(MOUSE, 1)])).key(&format!("storm-{round}"));
                // In the first rounds all are accepted, in the others only half of them.
                let asynchronous = round < 2 || task / 2 % 2 == 0;
                tokio::spawn(async move {
                    if asynchronous { call.header("prefer", "respond-async").await } else { call.await }
                })
            })
            .collect();
        let mut answers = Vec::new();
        for task in tasks {
            answers.push(task.await.unwrap());
        }
        for answer in &answers {
            assert_eq!((answer.status, &answer.text), (answers[0].status, &answers[0].text), "round {round}");
        }
        assert!(matches!(answers[0].status, 201 | 202), "{}", answers[0].text);
    }
    shop.assert_invariants().await;
    assert_eq!(shop.database.number("SELECT COUNT(*) FROM orders.orders").await, 6);
    assert_eq!(shop.database.stock(MOUSE).await, 194);
}

#[tokio::test]
async fn an_order_that_is_cancelled_while_its_stock_is_held_stays_cancelled() {
    let shop = short_window().open().await;
    let mut tap = shop.broker().tap().await;
    let (order, laptop, lock) = asked(&shop).await;
    let id = int(&order["id"]);
    // Row locks are handed on in turn: the cancellation stands before the placement.
    let client = shop.orders().clone();
    let cancelling = tokio::spawn(async move { client.post(&format!("{ORDERS}/{id}/cancel"), json!({})).await });
    two_wait(&shop).await;
    laptop.rollback().await.unwrap();
    stock_becomes(&shop, 49).await;
    two_wait(&shop).await;
    lock.rollback().await.unwrap();
    cancelling.await.unwrap().is(200);
    stock_becomes(&shop, 50).await;
    tap.heard("reservation.released", 1).await;
    shop.assert_invariants().await;
    assert_eq!(shop.timeline(id).await, ["PENDING", "CANCELLED"]);
    let order = shop.orders().get(&format!("{ORDERS}/{id}")).await.is(200).json();
    assert_eq!((&order["status"], &order["totalAmount"]), (&json!("CANCELLED"), &Value::Null));
    assert!(tap.all().iter().all(|message| message.routing_key != "order.created"), "{:?}", tap.all());
}

#[tokio::test]
async fn stock_that_is_held_after_the_order_was_cancelled_goes_back() {
    let shop = short_window().open().await;
    let lock = shop.database.lock("SELECT id FROM inventory.products WHERE id = 1 FOR UPDATE").await;
    let id = int(&accepted(&shop, order(&[(LAPTOP, 1)])).await["id"]);
    shop.database.somebody_waits().await;
    shop.orders().post(&format!("{ORDERS}/{id}/cancel"), json!({})).await.is(200);
    poll::eventually("inventory-service to have heard of it", async || {
        poll::equal(shop.database.number("SELECT COUNT(*) FROM inventory.inbox").await, 1)
    })
    .await;
    lock.rollback().await.unwrap();
    poll::eventually("the stock to go and come back", async || poll::equal(movements(&shop).await, 2)).await;
    shop.assert_invariants().await;
    assert_eq!((shop.database.stock(LAPTOP).await, shop.timeline(id).await.len()), (50, 2));
}

#[tokio::test]
async fn stock_of_an_order_that_cannot_be_written_goes_back_and_is_held_anew() {
    let shop = short_window().open().await;
    let (order, lock) = held_up(&shop).await;
    stock_becomes(&shop, 50).await;
    lock.rollback().await.unwrap();
    shop.order_becomes(int(&order["id"]), "CONFIRMED").await;
    shop.assert_invariants().await;
    assert_eq!(shop.database.stock(LAPTOP).await, 49);
}

#[tokio::test]
async fn stock_that_somebody_committed_too_soon_leaves_no_order_behind() {
    let mut shop = short_window().open().await;
    let (order, lock) = held_up(&shop).await;
    shop.order_services[0].kill();
    let commit = format!("/api/inventory/reservations/{}/commit", text(&order["reference"]));
    shop.inventory().call(reqwest::Method::POST, &commit).await.is(200);
    lock.rollback().await.unwrap();
    shop.order_services[0].start().await;
    shop.order_becomes(int(&order["id"]), "CONFIRMED").await;
    shop.assert_invariants().await;
    // It is the order's; or its term was over before the order was placed, and it went back and was held anew.
    let (stock, movements) = (shop.database.stock(LAPTOP).await, movements(&shop).await);
    assert!(stock == 49 && matches!(movements, 1 | 3), "{stock} after {movements} movements");
}

#[tokio::test]
async fn one_bad_order_does_not_harm_its_neighbours() {
    let mut shop = Shop::open().await;
    shop.database.refuse_mallory("UPDATE").await;
    shop.inventory_services[0].kill();
    let bad = int(&accepted(&shop, order_of("mallory@example.com", &[(MOUSE, 1)])).await["id"]);
    let mut good = Vec::new();
    for _ in 0..5 {
        good.push(int(&accepted(&shop, order(&[(MOUSE, 1)])).await["id"]));
    }
    shop.inventory_services[0].start().await;
    for id in good {
        shop.order_becomes(id, "CONFIRMED").await;
    }
    assert_eq!(shop.timeline(bad).await, ["PENDING"]);
    shop.database.execute("DROP TRIGGER refuse ON orders.orders").await;
    shop.order_becomes(bad, "CONFIRMED").await;
    shop.assert_invariants().await;
    assert_eq!(shop.database.stock(MOUSE).await, 194);
}
