//! Who was erased is not told of what happened before, however late the event comes.

use e2e::broker::event;
use e2e::notices::{of_order, told};
use e2e::poll::{equal, eventually};
use e2e::samples::{MOUSE, int};
use e2e::shop::Shop;
use serde_json::json;
use shared_types::topology::{ORDER_ACCOUNT_MAILS, ORDER_NOTIFICATIONS};
use uuid::Uuid;

/// Makes every message that is written do this first.
async fn before_each_message(shop: &Shop, statement: &str) {
    let function = format!(
        "CREATE FUNCTION orders.meddle() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {statement}; RETURN NEW; END $$"
    );
    shop.database.execute(function).await;
    let trigger = "CREATE TRIGGER meddle BEFORE INSERT ON orders.notifications
                   FOR EACH ROW EXECUTE FUNCTION orders.meddle()";
    shop.database.execute(trigger).await;
}

/// Waits until so many events were dealt with.
async fn heard(shop: &Shop, consumer: &str, events: i64) {
    let sql = format!("SELECT count(*) FROM orders.inbox WHERE consumer = '{consumer}'");
    eventually("the events to be dealt with", async || equal(shop.database.number(sql.clone()).await, events)).await;
}

async fn erase(shop: &Shop) -> i64 {
    let erased = shop.orders().delete("/api/notifications?customerEmail=Ada@example.com").await.is(200).json();
    int(&erased["erased"])
}

/// Rows that name somebody.
async fn named(shop: &Shop) -> i64 {
    let sql = "SELECT count(*) FROM orders.notifications n WHERE n::text ~* 'ada@|Lovelace'";
    shop.database.number(sql).await
}

#[tokio::test]
async fn an_event_that_was_put_off_is_not_told_after_the_erasure() {
    let delays = "1000,1000,1000,1000,1000,1000,1000,1000,1000,1000";
    let shop = Shop::plan().order_variable("RETRY_DELAYS_MS", delays).open().await;
    before_each_message(&shop, "RAISE EXCEPTION 'refused by the test' USING ERRCODE = '40001'").await;
    let id = int(&shop.place(&[(MOUSE, 1)]).await["id"]);
    shop.order_becomes(id, "CONFIRMED").await;
    let service = &shop.order_services[0];
    eventually("both events to be put off", async || {
        equal(service.log_lines(&["message will be tried again", "attempts=1"]), 2)
    })
    .await;
    assert_eq!(erase(&shop).await, 0, "nothing was written yet");
    shop.database.execute("DROP TRIGGER meddle ON orders.notifications").await;
    heard(&shop, ORDER_NOTIFICATIONS.name, 2).await;
    assert_eq!((of_order(&shop, id).await.len(), named(&shop).await), (0, 0));
    let address = "SELECT count(*) FROM orders.erasures e WHERE e::text ~* 'ada'";
    assert_eq!(shop.database.number(address).await, 0, "nor is it kept who was erased");

    // What happens later is told.
    let later = int(&shop.place(&[(MOUSE, 1)]).await["id"]);
    told(&shop, later, 4).await;
    shop.orders().post(&format!("/api/orders/{id}/cancel"), json!({})).await.is(200);
    told(&shop, id, 2).await;
}

#[tokio::test]
async fn a_mail_about_an_account_that_comes_behind_its_erasure_is_not_written() {
    let shop = Shop::open().await;
    let user = Uuid::now_v7();
    let of_account = |event_type: &str, name: &str| {
        event(event_type, &user.to_string(), json!({"userId": user, "email": "ada@example.com", "name": name}))
            .to_string()
    };
    let before = of_account("user.registered", "Ada Lovelace");
    let erased = of_account("user.erased", "");
    let after = of_account("user.registered", "Ada Byron");
    for (number, body) in [&erased, &before, &after].into_iter().enumerate() {
        shop.broker().send(ORDER_ACCOUNT_MAILS.name, body).await;
        heard(&shop, ORDER_ACCOUNT_MAILS.name, number as i64 + 1).await;
    }
    let names = shop.database.texts("SELECT data::jsonb ->> 'name' FROM orders.notifications").await;
    assert_eq!(names, ["Ada Byron"], "who comes back is told");
    // Messages about orders stay until they are erased themselves.
    let id = int(&shop.place(&[(MOUSE, 1)]).await["id"]);
    told(&shop, id, 4).await;
}

#[tokio::test]
async fn an_erasure_finds_what_is_being_written_at_the_moment() {
    let shop = Shop::open().await;
    before_each_message(&shop, "PERFORM pg_advisory_xact_lock_shared(7)").await;
    let other = shop.database.lock("SELECT pg_advisory_xact_lock(7)").await;
    let id = int(&shop.place(&[(MOUSE, 1)]).await["id"]);
    shop.database.somebody_waits().await;
    let waits = "SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 'orders.erasures'::regclass";
    let release = async || {
        eventually("the erasure to wait", async || equal(shop.database.number(waits).await, 1)).await;
        other.rollback().await.unwrap();
    };
    let (erased, ()) = tokio::join!(erase(&shop), release());
    assert!(erased > 0);
    shop.order_becomes(id, "CONFIRMED").await;
    heard(&shop, ORDER_NOTIFICATIONS.name, 2).await;
    let kept = "SELECT count(*) FROM orders.notifications WHERE kind = 'order-placed' AND recipient IS NOT NULL";
    assert_eq!(shop.database.number(kept).await, 0);
}

#[tokio::test]
async fn an_erasure_is_known_for_a_month_and_while_a_dead_letter_is_older() {
    let mut shop = Shop::open().await;
    let note = |name: &str, days: i64| {
        format!("INSERT INTO orders.erasures VALUES (sha256('{name}'), TRUE, now() - {days} * INTERVAL '1 day')")
    };
    for (name, days) in [("lately", 29), ("before", 40), ("long before", 60)] {
        shop.database.execute(note(name, days)).await;
    }
    let letter = |state: &str, days: i64| {
        format!(
            "INSERT INTO orders.dead_letters (consumer, event_id, event_type, body, reason, attempts{state})
             SELECT 'nobody', (left(orders.first_reference(now() - {days} * INTERVAL '1 day')::text, 13)
                               || '-7' || substr(gen_random_uuid()::text, 16))::uuid, 'x', '{days}', 'x', 1{}",
            if state.is_empty() { "" } else { ", now()" }
        )
    };
    shop.database.execute(letter("", 50)).await;
    shop.database.execute(letter(", replayed_at", 90)).await;
    let known = "SELECT count(*) FROM orders.erasures";
    for (left, then) in [(2, "DELETE FROM orders.dead_letters"), (1, "SELECT 1")] {
        // It is looked for at the start.
        shop.order_services[0].kill();
        shop.order_services[0].start().await;
        eventually("what is old to be forgotten", async || equal(shop.database.number(known).await, left)).await;
        shop.database.execute(then).await;
    }
}
