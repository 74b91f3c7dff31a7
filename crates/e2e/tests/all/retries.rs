//! Promise P6: a message that fails is tried again later, harms no other meanwhile, and is set aside when that is no use.

use e2e::poll;
use e2e::samples::{LAPTOP, MOUSE, int};
use e2e::shop::Shop;
use shared_types::topology::{INVENTORY_ORDER_EVENTS, RETRY_DELAYS_MS};

/// Makes the database refuse, with this SQLSTATE, every change of a reservation that holds laptops.
async fn refuse_changes(shop: &Shop, sqlstate: &str) {
    let function = format!(
        "CREATE FUNCTION inventory.refuse() RETURNS trigger LANGUAGE plpgsql AS $$
         BEGIN
             IF EXISTS (SELECT FROM inventory.reservation_items WHERE reservation_id = OLD.id AND product_id = {LAPTOP})
             THEN RAISE EXCEPTION 'refused by the test' USING ERRCODE = '{sqlstate}';
             END IF;
             RETURN NEW;
         END $$"
    );
    shop.database.execute(function).await;
    let trigger = "CREATE TRIGGER refuse BEFORE UPDATE ON inventory.reservations
                   FOR EACH ROW EXECUTE FUNCTION inventory.refuse()";
    shop.database.execute(trigger).await;
}

async fn status(shop: &Shop, id: i64) -> String {
    shop.database.texts(format!("SELECT status FROM orders.orders WHERE id = {id}")).await.remove(0)
}

async fn dead_letters(shop: &Shop) -> Vec<String> {
    shop.database.texts("SELECT event_type || ' ' || attempts || ' ' || reason FROM inventory.dead_letters").await
}

#[tokio::test]
async fn a_message_that_fails_is_tried_again() {
    let shop = Shop::open().await;
    // 40001, serialization_failure: the same work can succeed later.
    refuse_changes(&shop, "40001").await;
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
    shop.database.execute("DROP TRIGGER refuse ON inventory.reservations").await;
    shop.order_becomes(id, "CONFIRMED").await;
    for delay in &RETRY_DELAYS_MS[..2] {
        shop.broker().drained(&INVENTORY_ORDER_EVENTS.retry_queue(*delay)).await;
    }
    shop.broker().drained(INVENTORY_ORDER_EVENTS.name).await;
    assert!(dead_letters(&shop).await.is_empty());
    shop.assert_invariants().await;
}

#[tokio::test]
async fn a_message_that_can_never_succeed_is_set_aside_at_once() {
    let shop = Shop::open().await;
    // 23514, check_violation: the same work fails again and again.
    refuse_changes(&shop, "23514").await;
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
    let metrics = shop.inventory().get("/metrics").await.is(200).text;
    let counted = metrics.lines().any(|line| line.starts_with("dead_letters_total") && line.ends_with(" 1"));
    assert!(counted, "{metrics}");
}
