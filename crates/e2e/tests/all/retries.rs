//! Promise P6: a message that fails is tried again later, harms no other meanwhile, and is set aside when that is no use.

use crate::metrics::queue_shows;
use e2e::poll;
use e2e::samples::{LAPTOP, MOUSE, int, text};
use e2e::shop::Shop;
use shared_types::topology::{INVENTORY_ORDER_EVENTS, QUEUES};
use std::collections::HashSet;

async fn status(shop: &Shop, id: i64) -> String {
    shop.database.texts(format!("SELECT status FROM orders.orders WHERE id = {id}")).await.remove(0)
}

async fn dead_letters(shop: &Shop) -> Vec<String> {
    shop.database.texts("SELECT event_type || ' ' || attempts || ' ' || reason FROM inventory.dead_letters").await
}

#[tokio::test]
async fn a_message_that_fails_is_tried_again() {
    let delays = "100,500,1000,1000,1000,1000,1000,1000,1000,1000";
    let shop = Shop::plan().inventory_variable("RETRY_DELAYS_MS", delays).open().await;
    // 40001, serialization_failure: the same work can succeed later.
    shop.database.refuse_changes(LAPTOP, "40001").await;
    let id = int(&shop.place(&[(LAPTOP, 1)]).await["id"]);
    let inventory = &shop.inventory_services[0];
    poll::eventually("the first attempts to fail", async || {
        let said = |attempts| inventory.log_lines(&["message will be tried again", attempts]);
        if said("attempts=1") == 1 && said("attempts=2") == 1 { Ok(()) } else { Err("they did not".to_owned()) }
    })
    .await;
    // It waits in a queue of its own now: those behind it pass.
    let other = int(&shop.place(&[(MOUSE, 1)]).await["id"]);
    shop.order_becomes(other, "CONFIRMED").await;
    assert_eq!(status(&shop, id).await, "PENDING");
    shop.database.accept_changes().await;
    shop.order_becomes(id, "CONFIRMED").await;
    for attempt in 1..=10 {
        shop.broker().drained(&INVENTORY_ORDER_EVENTS.retry_queue(attempt)).await;
    }
    shop.broker().drained(INVENTORY_ORDER_EVENTS.name).await;
    assert!(dead_letters(&shop).await.is_empty());
    shop.assert_invariants().await;
}

#[tokio::test]
async fn a_message_that_can_never_succeed_is_set_aside_at_once() {
    let shop = Shop::open().await;
    // 23514, check_violation: the same work fails again and again.
    shop.database.refuse_changes(LAPTOP, "23514").await;
    let id = int(&shop.place(&[(LAPTOP, 1)]).await["id"]);
    let other = int(&shop.place(&[(MOUSE, 1)]).await["id"]);
    shop.order_becomes(other, "CONFIRMED").await;
    let letters = poll::eventually("a dead letter", async || {
        let letters = dead_letters(&shop).await;
        if letters.is_empty() { Err("none".to_owned()) } else { Ok(letters) }
    })
    .await;
    assert_eq!(letters.len(), 1);
    assert!(letters[0].starts_with("order.created 1 ") && letters[0].contains("refused by the test"), "{letters:?}");
    assert_eq!(status(&shop, id).await, "PENDING");
    queue_shows(shop.inventory(), "dead_letters_total", INVENTORY_ORDER_EVENTS.name, 1.0).await;
}

#[tokio::test]
async fn a_message_waits_about_as_long_as_configured() {
    let plan = Shop::plan().new_broker().inventory_variable("RETRY_DELAYS_MS", "60000,70000");
    let shop = plan.order_variable("RETRY_DELAYS_MS", "60000,70000").open().await;
    for queue in QUEUES {
        assert!(shop.broker().has(&queue.retry_queue(2)).await && !shop.broker().has(&queue.retry_queue(3)).await);
    }
    shop.database.refuse_changes(LAPTOP, "40001").await;
    for _ in 0..12 {
        shop.place(&[(LAPTOP, 1)]).await;
    }
    let waiting = poll::eventually("the messages to be put off", async || {
        let waiting = shop.broker().peek(&INVENTORY_ORDER_EVENTS.retry_queue(1)).await;
        // A message may be there twice: it is delivered at least once, and none has had its effect.
        let different: HashSet<&str> = waiting.iter().map(|it| text(&it["payload"])).collect();
        let count = different.len();
        if count == 12 { Ok(waiting) } else { Err(format!("{count} different messages")) }
    })
    .await;
    let waits: HashSet<u32> = waiting.iter().map(|it| text(&it["properties"]["expiration"]).parse().unwrap()).collect();
    assert!(waits.iter().all(|wait| (48_000..=72_000).contains(wait)), "{waits:?}");
    assert!(waits.len() > 6, "they would come back together: {waits:?}");
}

#[tokio::test]
async fn delays_can_be_changed_while_messages_wait() {
    let mut shop = Shop::plan().inventory_variable("RETRY_DELAYS_MS", "3000,600000").open().await;
    shop.database.refuse_changes(LAPTOP, "40001").await;
    let id = int(&shop.place(&[(LAPTOP, 1)]).await["id"]);
    poll::eventually("the message to wait", async || {
        poll::equal(shop.inventory_services[0].log_lines(&["message will be tried again"]), 1)
    })
    .await;
    shop.inventory_services[0].set("RETRY_DELAYS_MS", "100");
    shop.inventory_services[0].kill();
    shop.inventory_services[0].start().await;
    shop.inventory_services[0].ready_as(&["UP"]).await;
    // With the new setting the second attempt is the last.
    let letters = poll::eventually("a dead letter", async || {
        let letters = dead_letters(&shop).await;
        if letters.is_empty() { Err("none".to_owned()) } else { Ok(letters) }
    })
    .await;
    assert!(letters[0].starts_with("order.created 2 "), "{letters:?}");
    assert_eq!(status(&shop, id).await, "PENDING");
}

#[tokio::test]
async fn delays_that_make_no_sense_are_refused_at_start() {
    let mut shop = Shop::plan().inventory_only().open().await;
    shop.inventory_services[0].kill();
    shop.inventory_services[0].set("RETRY_DELAYS_MS", "1000,soon");
    shop.inventory_services[0].launch();
    assert!(!shop.inventory_services[0].ended().await.success());
    let said = shop.inventory_services[0].log();
    assert!(said.contains("must be 1 to 10 whole numbers"), "{said}");
}
