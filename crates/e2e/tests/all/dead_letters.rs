//! Promise P6, what comes after: messages that were set aside are looked at and replayed over HTTP.

use crate::metrics::queue_shows;
use e2e::broker::event;
use e2e::client::{Client, Response};
use e2e::poll;
use e2e::samples::{LAPTOP, MOUSE, int, text};
use e2e::shop::Shop;
use reqwest::Method;
use serde_json::{Value, json};
use shared_types::topology::{INVENTORY_ORDER_EVENTS, ORDER_RESERVATION_EVENTS};

const LETTERS: &str = "/api/admin/dead-letters";
const QUEUE: &str = INVENTORY_ORDER_EVENTS.name;

async fn replay(client: &Client, letter: &Value) -> Response {
    client.call(Method::POST, &format!("{LETTERS}/{}/replay", letter["id"])).await
}

async fn replay_all(client: &Client, query: &str) -> Response {
    client.call(Method::POST, &format!("{LETTERS}/replay?{query}")).await
}

#[tokio::test]
async fn a_message_is_set_aside_looked_at_and_replayed() {
    let shop = Shop::plan().inventory_variable("RETRY_DELAYS_MS", "50,100").open().await;
    // 40001, serialization_failure: worth another attempt.
    shop.database.refuse_changes(LAPTOP, "40001").await;
    let placed = shop.place(&[(LAPTOP, 1)]).await;
    let other = int(&shop.place(&[(MOUSE, 1)]).await["id"]);
    shop.order_becomes(other, "CONFIRMED").await;
    let inventory = shop.inventory();
    let letter = inventory.dead_letters("", 1).await.remove(0);
    assert_eq!((text(&letter["consumer"]), text(&letter["eventType"])), (QUEUE, "order.created"));
    assert_eq!(int(&letter["attempts"]), 3, "one, and one after each delay");
    assert!(text(&letter["reason"]).contains("refused by the test"), "{letter}");
    let body: Value = serde_json::from_str(text(&letter["body"])).unwrap();
    assert_eq!((&body["subject"], &body["id"]), (&placed["reference"], &letter["eventId"]));
    assert_eq!(letter["replayedAt"], Value::Null);
    assert!(text(&letter["deadLetteredAt"]).ends_with('Z'), "{letter}");
    let shown = inventory.get(&format!("{LETTERS}/{}", letter["id"])).await.is(200).json();
    assert_eq!(shown, letter);

    shop.database.accept_changes().await;
    let path = format!("{LETTERS}/{}/replay", letter["id"]);
    let first = inventory.call(Method::POST, &path).key("once").await.is(202);
    let again = inventory.call(Method::POST, &path).key("once").await.is(202);
    assert_eq!((&again.text, again.header("idempotency-replayed")), (&first.text, "true"));
    let replayed = first.json();
    assert_eq!((&replayed["id"], &replayed["body"]), (&letter["id"], &letter["body"]));
    assert!(text(&replayed["replayedAt"]).ends_with('Z'), "{replayed}");
    shop.order_becomes(int(&placed["id"]), "CONFIRMED").await;
    replay(inventory, &letter).await.problem(409, "already-replayed");
    assert_eq!(inventory.dead_letters("replayed=true", 1).await, [replayed]);
    inventory.dead_letters("replayed=false", 0).await;
    assert_eq!(shop.database.stock(LAPTOP).await, 49);
    shop.assert_invariants().await;
}

#[tokio::test]
async fn letters_are_listed_newest_first_in_pages() {
    let shop = Shop::open().await;
    for number in 1..=5 {
        shop.broker().send(QUEUE, &format!("letter {number}")).await;
    }
    let inventory = shop.inventory();
    inventory.dead_letters("", 5).await;
    let (mut page, mut seen) = (Some(format!("{LETTERS}?consumer={QUEUE}&replayed=false&limit=2")), Vec::new());
    while let Some(path) = page {
        let answer = inventory.get(&path).await.is(200);
        page = answer.next_page();
        seen.push(answer.array().iter().map(|letter| text(&letter["body"]).to_owned()).collect::<Vec<_>>());
    }
    assert_eq!(seen, [vec!["letter 5", "letter 4"], vec!["letter 3", "letter 2"], vec!["letter 1"]]);
    inventory.dead_letters("limit=4", 4).await;
    assert_eq!(inventory.get(&format!("{LETTERS}?consumer=nobody")).await.fields_at_fault(), ["consumer"]);
    inventory.dead_letters("replayed=true", 0).await;
    inventory.get(&format!("{LETTERS}/999")).await.problem(404, "not-found");
    inventory.get(&format!("{LETTERS}/first")).await.problem(400, "invalid-path");
    inventory.get(&format!("{LETTERS}?replayed=maybe")).await.problem(400, "validation");
    assert_eq!(inventory.get(&format!("{LETTERS}?limit=0&cursor=x")).await.fields_at_fault(), ["cursor", "limit"]);
    replay(inventory, &json!({"id": 999})).await.problem(404, "not-found");
}

#[tokio::test]
async fn all_letters_of_a_consumer_are_replayed() {
    let shop = Shop::open().await;
    // 23514, check_violation: no use in trying again.
    shop.database.refuse_changes(LAPTOP, "23514").await;
    let mut ids = Vec::new();
    for _ in 0..3 {
        ids.push(int(&shop.place(&[(LAPTOP, 1)]).await["id"]));
    }
    let inventory = shop.inventory();
    inventory.dead_letters("", 3).await;
    shop.database.accept_changes().await;

    let refused = replay_all(inventory, "consumer=nobody").await;
    assert_eq!(refused.fields_at_fault(), ["consumer"]);
    assert!(refused.text.contains(QUEUE), "{}", refused.text);
    assert_eq!(replay_all(inventory, "").await.fields_at_fault(), ["consumer"]);
    let others = format!("consumer={}", ORDER_RESERVATION_EVENTS.name);
    assert_eq!(replay_all(inventory, &others).await.fields_at_fault(), ["consumer"]);

    let path = format!("{LETTERS}/replay?consumer={QUEUE}");
    let answer = inventory.call(Method::POST, &path).key("once").await.is(202);
    assert_eq!(answer.json(), json!({"replayed": 3}));
    for id in ids {
        shop.order_becomes(id, "CONFIRMED").await;
    }
    let again = inventory.call(Method::POST, &path).key("once").await.is(202);
    assert_eq!((again.json(), again.header("idempotency-replayed")), (json!({"replayed": 3}), "true"));
    assert_eq!(replay_all(inventory, &format!("consumer={QUEUE}")).await.is(202).json(), json!({"replayed": 0}));
    inventory.dead_letters("replayed=false", 0).await;
    shop.assert_invariants().await;
}

#[tokio::test]
async fn replays_at_once_have_one_effect() {
    let shop = Shop::open().await;
    let inventory = shop.inventory();
    shop.broker().send(QUEUE, "not JSON").await;
    let letter = inventory.dead_letters("", 1).await.remove(0);
    queue_shows(inventory, "dead_letters_total", QUEUE, 1.0).await;
    // They all get as far as they can before the first one is through.
    let lock = shop.database.lock("LOCK TABLE inventory.outbox IN EXCLUSIVE MODE").await;
    let replaying: Vec<_> = (0..4)
        .map(|_| {
            let (client, letter) = (inventory.clone(), letter.clone());
            tokio::spawn(async move { replay(&client, &letter).await })
        })
        .collect();
    let waiting = "SELECT COUNT(*) FROM pg_stat_activity
                   WHERE wait_event_type = 'Lock' AND datname = current_database() AND query LIKE '%dead_letters%'";
    poll::eventually("all to wait", async || poll::equal(shop.database.number(waiting).await, 4)).await;
    lock.rollback().await.unwrap();
    let mut statuses = Vec::new();
    for task in replaying {
        let answer = task.await.unwrap();
        statuses.push(answer.status);
        if answer.status != 202 {
            answer.problem(409, "already-replayed");
        }
    }
    statuses.sort_unstable();
    assert_eq!(statuses, [202, 409, 409, 409]);
    inventory.dead_letters("", 2).await;
    let queued = "SELECT COUNT(*) FROM inventory.outbox";
    poll::eventually("the outbox to be empty", async || poll::equal(shop.database.number(queued).await, 0)).await;
    shop.broker().drained(QUEUE).await;
    // It came back once.
    queue_shows(inventory, "dead_letters_total", QUEUE, 2.0).await;
}

#[tokio::test]
async fn bytes_that_are_no_text_come_back_as_they_were() {
    let shop = Shop::open().await;
    let (orders, queue) = (shop.orders(), ORDER_RESERVATION_EVENTS.name);
    shop.broker().send_base64(queue, "//4AeA==").await;
    let first = orders.dead_letters("", 1).await.remove(0);
    assert_eq!(text(&first["body"]), "\u{FFFD}\u{FFFD}\0x");
    assert_eq!((text(&first["eventType"]), &first["eventId"]), (queue, &Value::Null));
    replay(orders, &first).await.is(202);
    let both = orders.dead_letters("", 2).await;
    assert_eq!(both[1]["id"], first["id"]);
    for field in ["body", "reason", "attempts", "eventType", "eventId"] {
        assert_eq!(both[0][field], first[field]);
    }
    let bodies = shop.database.texts("SELECT encode(body, 'hex') FROM orders.dead_letters").await;
    assert_eq!(bodies, ["fffe0078", "fffe0078"]);
    assert_eq!(orders.dead_letters("replayed=false", 1).await, both[..1]);
    shop.broker().drained(queue).await;
}

#[tokio::test]
async fn an_event_from_a_newer_version_is_not_lost() {
    let shop = Shop::open().await;
    let mut newer = event("order.created", "x", json!({"anything": "newer"}));
    newer["dataversion"] = json!(2);
    shop.broker().publish("order.created", &newer.to_string()).await;
    let letter = shop.inventory().dead_letters("", 1).await.remove(0);
    assert_eq!((&letter["eventId"], text(&letter["body"])), (&newer["id"], newer.to_string().as_str()));
    // Nobody has become newer meanwhile.
    replay(shop.inventory(), &letter).await.is(202);
    let both = shop.inventory().dead_letters("", 2).await;
    assert_eq!((&both[0]["body"], &both[0]["reason"]), (&letter["body"], &letter["reason"]));
    assert!(text(&letter["reason"]).contains("data version 2"), "{letter}");
}

#[tokio::test]
async fn a_message_that_is_set_aside_twice_is_one_letter() {
    let shop = Shop::open().await;
    let inventory = shop.inventory();
    // As after a crash between keeping the letter and acknowledging the message.
    shop.broker().send(QUEUE, "not JSON").await;
    let first = inventory.dead_letters("", 1).await.remove(0);
    shop.broker().send(QUEUE, "not JSON").await;
    shop.broker().send(QUEUE, "neither").await;
    let both = inventory.dead_letters("", 2).await;
    assert_eq!((&both[1]["id"], text(&both[0]["body"])), (&first["id"], "neither"));
    assert_ne!(both[1]["deadLetteredAt"], first["deadLetteredAt"]);
    queue_shows(inventory, "dead_letters_total", QUEUE, 3.0).await;
    shop.broker().drained(QUEUE).await;
}

#[tokio::test]
async fn a_type_that_cannot_be_stored_or_sent_blocks_nothing() {
    let shop = Shop::open().await;
    let inventory = shop.inventory();
    let long = "x".repeat(300);
    for event_type in ["a\0b", &long] {
        shop.broker().send(QUEUE, &event(event_type, "x", json!({})).to_string()).await;
    }
    let kept = inventory.dead_letters("", 2).await;
    assert_eq!((text(&kept[1]["eventType"]), text(&kept[0]["eventType"])), ("a\u{FFFD}b", long.as_str()));
    replay_all(inventory, &format!("consumer={QUEUE}")).await.is(202);
    inventory.dead_letters("", 4).await;
    let id = int(&shop.place(&[(LAPTOP, 1)]).await["id"]);
    shop.order_becomes(id, "CONFIRMED").await;
    shop.assert_invariants().await;
}

#[tokio::test]
async fn an_answered_replay_survives_a_crash() {
    let mut shop = Shop::open().await;
    shop.database.refuse_changes(LAPTOP, "23514").await;
    let id = int(&shop.place(&[(LAPTOP, 1)]).await["id"]);
    let letter = shop.inventory().dead_letters("", 1).await.remove(0);
    shop.database.accept_changes().await;
    // It has no effect before the crash, however far it gets.
    let lock = shop.database.lock("LOCK TABLE inventory.inbox IN EXCLUSIVE MODE").await;
    let client = shop.inventory().clone();
    replay(&client, &letter).await.is(202);
    shop.inventory_services[0].kill();
    lock.rollback().await.unwrap();
    shop.inventory_services[0].start().await;
    shop.order_becomes(id, "CONFIRMED").await;
    replay(&client, &letter).await.problem(409, "already-replayed");
    shop.assert_invariants().await;
}

#[tokio::test]
async fn a_letter_of_a_queue_that_is_no_more_stays() {
    let shop = Shop::plan().inventory_only().open().await;
    let letter = "INSERT INTO inventory.dead_letters (consumer, event_type, body, reason, attempts)
                  VALUES ('inventory-service.returns', 'return.created', '{}', 'of an earlier version', 1)";
    shop.database.execute(letter).await;
    let letter = shop.inventory().dead_letters("", 1).await.remove(0);
    replay(shop.inventory(), &letter).await.problem(409, "not-consumed");
    assert_eq!(shop.inventory().dead_letters("replayed=false", 1).await, [letter]);
}
