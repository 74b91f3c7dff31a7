//! Promise P6, the last net: a message that its consumer dies on, again and again, is set aside as well.

use e2e::poll;
use e2e::samples::{LAPTOP, int, text};
use e2e::shop::Shop;
use shared_types::topology::{DELIVERY_LIMIT, INVENTORY_ORDER_EVENTS, ORDER_RESERVATION_EVENTS};

/// Waits until order-service has the message in hand: it waits for the lock to write into its inbox. So does the consumer
/// of notifications, with a message of its own, and so do others, to delete from there.
async fn it_has_the_message(shop: &Shop) {
    let waiting = "SELECT COUNT(*) FROM pg_stat_activity
                   WHERE wait_event_type = 'Lock' AND query LIKE 'INSERT INTO orders.inbox%'";
    poll::eventually("the message to be in hand", async || poll::equal(shop.database.number(waiting).await, 2)).await;
}

/// Kills order-service, and its sessions in the database, which else would wait on for their lock.
async fn die(shop: &mut Shop) {
    shop.order_services[0].kill();
    let sessions = "FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()";
    shop.database.execute(format!("SELECT pg_terminate_backend(pid) {sessions}")).await;
    poll::eventually("its sessions to end", async || {
        poll::equal(shop.database.number(format!("SELECT COUNT(*) {sessions}")).await, 0)
    })
    .await;
}

#[tokio::test]
async fn what_a_consumer_dies_on_again_and_again_is_set_aside() {
    let mut shop = Shop::open().await;
    let queue = ORDER_RESERVATION_EVENTS.name;
    // Every attempt of order-service to deal with the message ends here.
    let lock = shop.database.lock("LOCK TABLE orders.inbox IN EXCLUSIVE MODE").await;
    let id = int(&shop.place(&[(LAPTOP, 1)]).await["id"]);
    it_has_the_message(&shop).await;
    die(&mut shop).await;
    // As good as dying on it, and faster.
    for _ in 1..DELIVERY_LIMIT {
        poll::eventually("the message to be back", async || {
            if shop.broker().hand_back(queue).await { Ok(()) } else { Err("it is not".to_owned()) }
        })
        .await;
    }
    assert!(shop.broker().peek(&ORDER_RESERVATION_EVENTS.undeliverable()).await.is_empty(), "too early");
    shop.order_services[0].launch();
    it_has_the_message(&shop).await;
    die(&mut shop).await;
    poll::eventually("the broker to give up", async || {
        let undeliverable = shop.broker().peek(&ORDER_RESERVATION_EVENTS.undeliverable()).await;
        if undeliverable.len() == 1 { Ok(()) } else { Err("it has not".to_owned()) }
    })
    .await;

    // The lock still stands: only that message needs what it holds.
    shop.order_services[0].start().await;
    let letter = shop.orders().dead_letters("", 1).await.remove(0);
    assert_eq!((text(&letter["consumer"]), text(&letter["eventType"])), (queue, "reservation.committed"));
    assert_eq!(text(&letter["reason"]), "delivered 21 times without being acknowledged");
    assert_eq!(int(&letter["attempts"]), 21);
    shop.broker().drained(&ORDER_RESERVATION_EVENTS.undeliverable()).await;
    lock.rollback().await.unwrap();
    let replay = format!("/api/admin/dead-letters/{}/replay", letter["id"]);
    shop.orders().call(reqwest::Method::POST, &replay).await.is(202);
    shop.order_becomes(id, "CONFIRMED").await;
    shop.assert_invariants().await;
}

#[tokio::test]
async fn what_is_to_be_set_aside_waits_for_the_database() {
    let shop = Shop::plan().own_postgres().inventory_variable("DATABASE_ACQUIRE_TIMEOUT_MS", "200").open().await;
    let queue = INVENTORY_ORDER_EVENTS;
    shop.postgres.as_ref().unwrap().kill().unwrap();
    shop.broker().send(queue.name, "not JSON").await;
    shop.broker().send(&queue.undeliverable(), "neither").await;
    poll::eventually("both to wait", async || {
        poll::equal(shop.inventory_services[0].log_lines(&["messages wait for the database"]), 2)
    })
    .await;
    shop.postgres.as_ref().unwrap().restart().unwrap();
    let letters = shop.inventory().dead_letters("", 2).await;
    let mut kept: Vec<&str> = letters.iter().map(|letter| text(&letter["body"])).collect();
    kept.sort_unstable();
    assert_eq!(kept, ["neither", "not JSON"]);
    // The broker was not asked for them again.
    assert_eq!(shop.inventory_services[0].log_lines(&["message is set aside"]), 2);
    shop.broker().drained(queue.name).await;
    shop.broker().drained(&queue.undeliverable()).await;
}
