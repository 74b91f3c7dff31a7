//! Promise P6, what comes after: messages that were set aside are edited, tried out, discarded, and replayed at a rate.

use crate::metrics::queue_shows;
use e2e::broker::event;
use e2e::client::{Client, Response};
use e2e::samples::{LAPTOP, int, text};
use e2e::shop::Shop;
use reqwest::Method;
use serde_json::{Value, json};
use shared_types::topology::{INVENTORY_ORDER_EVENTS, INVENTORY_SHIPMENTS};
use uuid::Uuid;

const LETTERS: &str = "/api/admin/dead-letters";
const QUEUE: &str = INVENTORY_ORDER_EVENTS.name;

async fn act(client: &Client, letter: &Value, what: &str) -> Response {
    client.call(Method::POST, &format!("{LETTERS}/{}/{what}", letter["id"])).await
}

async fn edit(client: &Client, letter: &Value, body: &str) -> Response {
    let path = format!("{LETTERS}/{}", letter["id"]);
    client.patch(&path, json!({"body": body, "reason": "It lacked its reference"})).await
}

async fn discard(client: &Client, letter: &Value) -> Response {
    client.post(&format!("{LETTERS}/{}/discard", letter["id"]), json!({"reason": "Sent by a test"})).await
}

async fn dry_run(client: &Client, letter: &Value) -> Value {
    act(client, letter, "replay?dryRun=true").await.is(200).json()
}

/// An event about an order that lacks what the consumer needs, set aside.
async fn set_aside(shop: &Shop, subject: &str) -> Value {
    let broken = event("order.cancelled", subject, json!({}));
    shop.broker().send(QUEUE, &broken.to_string()).await;
    shop.inventory().dead_letters(&format!("subject={subject}"), 1).await.remove(0)
}

#[tokio::test]
async fn a_message_is_edited_and_tried_out_before_it_is_replayed() {
    let shop = Shop::open().await;
    let inventory = shop.inventory();
    let placed = shop.place(&[(LAPTOP, 1)]).await;
    let (id, reference) = (int(&placed["id"]), text(&placed["reference"]));
    shop.order_becomes(id, "CONFIRMED").await;
    shop.reservation_becomes(reference, "COMMITTED").await;
    let letter = set_aside(&shop, reference).await;
    assert_eq!((text(&letter["state"]), text(&letter["subject"])), ("WAITING", reference));
    assert_eq!((letter.get("edited"), letter.get("originalBody")), (None, None));
    let run = dry_run(inventory, &letter).await;
    assert_eq!((text(&run["outcome"]), &run["changes"]), ("DEAD_LETTERED", &json!([])));
    assert!(text(&run["detail"]).contains("missing field"), "{run}");

    let mut whole: Value = serde_json::from_str(text(&letter["body"])).unwrap();
    whole["data"] = json!({"orderId": id, "reference": reference});
    let edited = edit(inventory, &letter, &whole.to_string()).await.is(200).json();
    assert_eq!((text(&edited["body"]), &edited["originalBody"]), (whole.to_string().as_str(), &letter["body"]));
    let edit_again = edit(inventory, &letter, &format!("{whole} ")).await.is(200).json();
    assert_eq!(edit_again["originalBody"], letter["body"], "the first one stays");
    let who_and_why = &edited["edited"];
    assert_eq!((text(&who_and_why["by"]), text(&who_and_why["reason"])), ("operator", "It lacked its reference"));
    assert_eq!((text(&edited["state"]), &edited["attempts"]), ("WAITING", &letter["attempts"]));

    let run = dry_run(inventory, &letter).await;
    assert_eq!((text(&run["outcome"]), run.get("detail")), ("PROCESSED", None), "{run}");
    let changed = json!({"table": "reservations", "inserted": 0, "updated": 1, "deleted": 0});
    assert!(run["changes"].as_array().unwrap().contains(&changed), "{run}");
    assert_eq!(run["announces"], json!(["reservation.released"]));
    assert_eq!(dry_run(inventory, &letter).await, run, "it left nothing behind");
    shop.reservation_becomes(reference, "COMMITTED").await;
    assert_eq!(shop.database.stock(LAPTOP).await, 49);

    act(inventory, &letter, "replay").await.is(202);
    shop.reservation_becomes(reference, "RELEASED").await;
    assert_eq!(shop.database.stock(LAPTOP).await, 50);
    edit(inventory, &letter, &whole.to_string()).await.problem(409, "already-replayed");
    act(inventory, &letter, "replay?dryRun=true").await.problem(409, "already-replayed");
    discard(inventory, &letter).await.problem(409, "already-replayed");
}

#[tokio::test]
async fn an_edit_must_be_an_event_with_a_reason() {
    let shop = Shop::open().await;
    let inventory = shop.inventory();
    let (first, second) = (set_aside(&shop, "first").await, set_aside(&shop, "second").await);
    let path = format!("{LETTERS}/{}", first["id"]);
    for body in ["not JSON", "{}", "[]"] {
        edit(inventory, &first, body).await.problem(422, "unreadable-event");
    }
    let mut newer: Value = serde_json::from_str(text(&first["body"])).unwrap();
    newer["dataversion"] = json!(2);
    edit(inventory, &first, &newer.to_string()).await.problem(422, "unreadable-event");
    assert_eq!(inventory.patch(&path, json!({})).await.fields_at_fault(), ["body", "reason"]);
    let blank = json!({"body": first["body"], "reason": " ", "why": "x"});
    assert_eq!(inventory.patch(&path, blank).await.fields_at_fault(), ["reason", "why"]);
    edit(inventory, &first, text(&second["body"])).await.problem(409, "already-waiting");
    edit(inventory, &json!({"id": 999}), text(&first["body"])).await.problem(404, "not-found");
    assert_eq!(inventory.get(&path).await.is(200).json(), first, "nothing of it has changed anything");
}

#[tokio::test]
async fn a_discarded_message_waits_no_more_and_is_not_replayed() {
    let shop = Shop::open().await;
    let inventory = shop.inventory();
    for queue in [QUEUE, INVENTORY_SHIPMENTS.name] {
        queue_shows(inventory, "dead_letters_waiting", queue, 0.0).await;
        queue_shows(inventory, "dead_letters_total", queue, 0.0).await;
    }
    shop.broker().send(QUEUE, "not JSON").await;
    let letter = inventory.dead_letters("", 1).await.remove(0);
    queue_shows(inventory, "dead_letters_waiting", QUEUE, 1.0).await;
    queue_shows(inventory, "dead_letters_total", QUEUE, 1.0).await;

    let path = format!("{LETTERS}/{}/discard", letter["id"]);
    assert_eq!(inventory.post(&path, json!({})).await.fields_at_fault(), ["reason"]);
    discard(inventory, &json!({"id": 999})).await.problem(404, "not-found");
    let because = json!({"reason": "Nobody needs it"});
    let first = inventory.post(&path, because.clone()).key("once").await.is(200);
    let again = inventory.post(&path, because).key("once").await.is(200);
    assert_eq!((&again.text, again.header("idempotency-replayed")), (&first.text, "true"));
    let discarded = first.json();
    assert_eq!(text(&discarded["state"]), "DISCARDED");
    assert_eq!(text(&discarded["discarded"]["by"]), "operator");
    assert_eq!(text(&discarded["discarded"]["reason"]), "Nobody needs it");
    queue_shows(inventory, "dead_letters_waiting", QUEUE, 0.0).await;

    discard(inventory, &letter).await.problem(409, "already-discarded");
    edit(inventory, &letter, &event("order.cancelled", "x", json!({})).to_string())
        .await
        .problem(409, "already-discarded");
    for what in ["replay", "replay?dryRun=true"] {
        act(inventory, &letter, what).await.problem(409, "already-discarded");
    }
    let all = inventory.call(Method::POST, &format!("{LETTERS}/replay?consumer={QUEUE}")).await.is(202);
    assert_eq!(all.json(), json!({"replayed": 0}));
    // The same message again is a new letter: somebody decided about the first one only.
    shop.broker().send(QUEUE, "not JSON").await;
    let both = inventory.dead_letters("", 2).await;
    assert_eq!((text(&both[0]["state"]), &both[1]), ("WAITING", &discarded));
}

#[tokio::test]
async fn letters_are_found_by_what_they_are_and_what_became_of_them() {
    let shop = Shop::open().await;
    let inventory = shop.inventory();
    let (waiting, gone) = (set_aside(&shop, "waiting").await, set_aside(&shop, "gone").await);
    discard(inventory, &gone).await.is(200);
    shop.broker().send(QUEUE, "not JSON").await;
    inventory.dead_letters("", 3).await;
    let since = text(&gone["deadLetteredAt"]);
    let found = [
        ("state=WAITING", 2),
        ("state=DISCARDED", 1),
        ("state=REPLAYED", 0),
        ("replayed=false", 3),
        ("replayed=true&state=WAITING", 0),
        ("eventType=order.cancelled", 2),
        ("eventType=order.cancelled&state=WAITING", 1),
        ("reason=MISSING%20field", 2),
        ("reason=%25", 0),
        ("subject=gone", 1),
        (&format!("subject=gone&consumer={QUEUE}"), 1),
        (&format!("subject=gone&consumer={}", INVENTORY_SHIPMENTS.name), 0),
        (&format!("since={since}"), 2),
        (&format!("consumer={QUEUE}&since={since}&state=WAITING"), 1),
    ];
    for (query, count) in found {
        let letters = inventory.get(&format!("{LETTERS}?{query}")).await.is(200).array();
        assert_eq!(letters.len(), count, "{query}: {letters:?}");
    }
    assert_eq!(inventory.dead_letters("state=WAITING&subject=waiting", 1).await, [waiting]);
    let refused = inventory.get(&format!("{LETTERS}?state=waiting&since=yesterday&consumer=nobody")).await;
    assert_eq!(refused.fields_at_fault(), ["consumer", "since", "state"]);
}

#[tokio::test]
async fn a_dry_run_says_what_would_go_wrong() {
    let shop = Shop::plan().inventory_variable("RETRY_DELAYS_MS", "50").open().await;
    let inventory = shop.inventory();
    // 40001, serialization_failure: worth another attempt.
    shop.database.refuse_changes(LAPTOP, "40001").await;
    let placed = shop.place(&[(LAPTOP, 1)]).await;
    let letter = inventory.dead_letters("", 1).await.remove(0);
    let run = dry_run(inventory, &letter).await;
    assert_eq!(text(&run["outcome"]), "RETRIED", "{run}");
    assert!(text(&run["detail"]).contains("refused by the test"), "{run}");
    shop.database.accept_changes().await;
    let run = dry_run(inventory, &letter).await;
    assert_eq!((text(&run["outcome"]), &run["announces"]), ("PROCESSED", &json!(["reservation.committed"])));
    act(inventory, &letter, "replay").await.is(202);
    shop.order_becomes(int(&placed["id"]), "CONFIRMED").await;

    // The same event once more.
    let again = "INSERT INTO inventory.dead_letters (consumer, event_type, body, reason, attempts)
                 SELECT consumer, event_type, body, reason, attempts FROM inventory.dead_letters";
    shop.database.execute(again).await;
    let again = inventory.dead_letters("state=WAITING", 1).await.remove(0);
    let nothing = json!({"outcome": "ALREADY_PROCESSED", "changes": [], "announces": []});
    assert_eq!(dry_run(inventory, &again).await, nothing);
    act(inventory, &json!({"id": 999}), "replay?dryRun=true").await.problem(404, "not-found");
    act(inventory, &again, "replay?dryRun=perhaps").await.problem(400, "validation");
    shop.database.execute("UPDATE inventory.dead_letters SET consumer = 'inventory-service.returns'").await;
    act(inventory, &again, "replay?dryRun=true").await.problem(409, "not-consumed");
}

#[tokio::test]
async fn many_are_replayed_one_after_the_other() {
    let shop = Shop::open().await;
    let inventory = shop.inventory();
    for subject in ["first", "second", "third"] {
        set_aside(&shop, subject).await;
    }
    shop.broker().send(QUEUE, "not JSON").await;
    inventory.dead_letters("", 4).await;
    let path = format!("{LETTERS}/replay?consumer={QUEUE}");
    for rate in ["0", "1001", "-1"] {
        let refused = inventory.call(Method::POST, &format!("{path}&perSecond={rate}")).await;
        assert_eq!(refused.fields_at_fault(), ["perSecond"], "{rate}");
    }
    let refused = inventory.call(Method::POST, &format!("{path}&since=yesterday")).await;
    assert_eq!(refused.fields_at_fault(), ["since"]);
    for nothing in ["eventType=order.created", "reason=no%20such%20reason", "since=2999-01-01T00:00:00Z"] {
        let answer = inventory.call(Method::POST, &format!("{path}&{nothing}")).await.is(202).json();
        assert_eq!(answer, json!({"replayed": 0}), "{nothing}");
    }

    let slowly = format!("{path}&eventType=order.cancelled&perSecond=1");
    let answer = inventory.call(Method::POST, &slowly).key("once").await.is(202).json();
    assert_eq!(answer["replayed"], 3);
    inventory.call(Method::POST, &path).key("once").await.problem(422, "idempotency-key-reused");
    let third = inventory.dead_letters("subject=third", 1).await.remove(0);
    assert_eq!((&third["replayDueAt"], text(&third["state"])), (&answer["lastAt"], "WAITING"));
    let due = inventory.dead_letters("subject=second", 1).await.remove(0)["replayDueAt"].clone();
    assert!(text(&due) < text(&third["replayDueAt"]), "{due} {third}");
    // Somebody thinks better of it before its turn comes.
    let discarded = discard(inventory, &third).await.is(200).json();
    assert_eq!(discarded.get("replayDueAt"), None);
    // They cannot be read this time either, and are set aside again.
    for subject in ["first", "second"] {
        inventory.dead_letters(&format!("subject={subject}"), 2).await;
    }
    let replayed = inventory.dead_letters("subject=second&state=REPLAYED", 1).await.remove(0);
    assert!(text(&replayed["replayedAt"]) >= text(&due), "{replayed} before {due}");
    assert_eq!(inventory.dead_letters("subject=third", 1).await, [discarded]);
    assert_eq!(inventory.dead_letters(&format!("eventType={QUEUE}"), 1).await[0]["state"], "WAITING");
}

#[tokio::test]
async fn a_letter_about_something_of_any_length_is_kept_and_edited() {
    let shop = Shop::open().await;
    // Nothing that can be compressed to what an index takes.
    let long = || (0..400).map(|_| Uuid::now_v7().simple().to_string()).collect::<String>();
    let mut broken = event("order.cancelled", &long(), json!({}));
    shop.broker().send(QUEUE, &broken.to_string()).await;
    let letter = shop.inventory().dead_letters("", 1).await.remove(0);
    assert_eq!(text(&letter["subject"]), &text(&broken["subject"])[..200]);
    broken["subject"] = json!(format!("é{}", long()));
    let edited = edit(shop.inventory(), &letter, &broken.to_string()).await.is(200).json();
    assert_eq!(text(&edited["subject"]).chars().count(), 200);
    assert_eq!(text(&edited["body"]), broken.to_string(), "the message is whole");
}
