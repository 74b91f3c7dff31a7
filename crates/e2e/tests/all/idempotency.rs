//! Promise P4: the same `Idempotency-Key` with the same body has one effect and one answer, however many run at once.

use e2e::client::Response;
use e2e::poll;
use e2e::samples::{HEADSET, LAPTOP, MOUSE, int, order, product, reservation, text};
use e2e::shop::Shop;
use serde_json::json;
use shared_types::Reference;
use time::OffsetDateTime;
use uuid::Uuid;

const ORDERS: &str = "/api/orders";

fn assert_replay(again: &Response, first: &Response) {
    assert_eq!((again.status, &again.text), (first.status, &first.text));
    assert_eq!(again.find_header("location"), first.find_header("location"));
    assert_eq!(again.find_header("etag"), first.find_header("etag"));
    assert_eq!(again.header("idempotency-replayed"), "true");
}

async fn count(shop: &Shop, table: &str) -> i64 {
    shop.database.number(format!("SELECT COUNT(*) FROM {table}")).await
}

#[tokio::test]
async fn a_repeat_gets_the_first_answer_again() {
    let shop = Shop::open().await;
    let place = || shop.orders().post(ORDERS, order(&[(LAPTOP, 2)])).key("order-1");
    let first = place().await.is(201);
    assert_eq!(first.find_header("idempotency-replayed"), None);
    assert_replay(&place().await, &first);
    let id = int(&first.json()["id"]);
    shop.order_becomes(id, "CONFIRMED").await;
    assert_replay(&place().await, &first);
    // Cancelled or not: the answer of the key is the answer of then.
    shop.orders().post(&format!("{ORDERS}/{id}/cancel"), json!({})).await.is(200);
    assert_replay(&place().await, &first);
    assert_eq!(count(&shop, "orders.orders").await, 1);
    shop.assert_invariants().await;
    assert_eq!(shop.database.stock(LAPTOP).await, 50);
}

#[tokio::test]
async fn a_key_that_is_forgotten_while_it_comes_again_is_free() {
    let shop = Shop::plan().inventory_only().open().await;
    let sale = json!({"productId": LAPTOP, "quantity": 2});
    let reserve = || shop.inventory().post("/api/inventory/reserve-stock", sale.clone()).key("old");
    reserve().await.is(200);
    // Holds up whoever has just found the key taken.
    let function = "CREATE FUNCTION inventory.hold_up() RETURNS trigger LANGUAGE plpgsql AS $$
                    BEGIN PERFORM pg_advisory_xact_lock(4711); RETURN NULL; END $$";
    shop.database.execute(function).await;
    let trigger = "CREATE TRIGGER hold_up AFTER INSERT ON inventory.idempotency_keys FOR EACH STATEMENT
                   EXECUTE FUNCTION inventory.hold_up()";
    shop.database.execute(trigger).await;
    let held = shop.database.lock("SELECT pg_advisory_xact_lock(4711)").await;
    let again = tokio::spawn(reserve().into_future());
    shop.database.somebody_waits().await;
    assert_eq!(shop.database.execute("DELETE FROM inventory.idempotency_keys").await, 1);
    held.rollback().await.unwrap();
    let again = again.await.unwrap();
    assert_eq!((again.is(200).find_header("idempotency-replayed"), shop.database.stock(LAPTOP).await), (None, 46));
}

#[tokio::test]
async fn white_space_and_quotes_make_no_other_request() {
    let shop = Shop::plan().without_broker().open().await;
    let body = order(&[(LAPTOP, 2)]);
    let first = shop.orders().post(ORDERS, body.clone()).key("order-1").await.is(201);
    let pretty = serde_json::to_string_pretty(&body).unwrap();
    let post = shop.orders().call(reqwest::Method::POST, ORDERS).body("application/json", pretty);
    assert_replay(&post.key("\"order-1\"").await, &first);
}

#[tokio::test]
async fn fifty_at_once_make_one_order() {
    let shop = Shop::plan().pairs(2).open().await;
    // Twins on both sides of the full hour hold stock twice until that of one goes back.
    poll::eventually("the next hour, if this one ends now", async || {
        let now = OffsetDateTime::now_utc();
        if (now.minute(), now.second()) < (59, 50) { Ok(()) } else { Err(now.to_string()) }
    })
    .await;
    let tasks: Vec<_> = (0..50)
        .map(|task| {
            let client = shop.order_services[task % 2].client().clone();
            tokio::spawn(async move { client.post(ORDERS, order(&[(HEADSET, 1), (MOUSE, 2)])).key("storm").await })
        })
        .collect();
    let mut answers = Vec::new();
    for task in tasks {
        answers.push(task.await.unwrap().is(201));
    }
    let first = answers.iter().find(|answer| answer.find_header("idempotency-replayed").is_none());
    let first = first.unwrap_or(&answers[0]);
    for answer in &answers {
        assert_eq!((&answer.text, answer.header("location")), (&first.text, first.header("location")));
        assert_eq!(answer.header("etag"), first.header("etag"));
    }
    let counts = (count(&shop, "orders.orders").await, count(&shop, "inventory.reservations").await);
    assert_eq!(counts, (1, 1));
    shop.assert_invariants().await;
    assert_eq!((shop.database.stock(HEADSET).await, shop.database.stock(MOUSE).await), (7, 198));
}

/// The references that requests with a key carry in the hours before and after this one.
fn in_other_hours(key: &str) -> [Reference; 2] {
    [-1, 1].map(|hours| {
        let at = OffsetDateTime::now_utc() + time::Duration::hours(hours);
        Reference::from_idempotency_key("POST /api/orders", key, at)
    })
}

#[tokio::test]
async fn a_twin_of_another_hour_that_holds_the_last_pieces_is_found() {
    let shop = Shop::plan().without_broker().open().await;
    // Broken off before their orders were written.
    let twins = in_other_hours("order-1");
    for id in twins {
        let held = json!({"id": id, "items": [{"productId": HEADSET, "quantity": 4}]});
        shop.inventory().post("/api/inventory/reservations", held).await.is(201);
    }
    let place = |pieces: i64, key: &'static str| shop.orders().post(ORDERS, order(&[(HEADSET, pieces)])).key(key);
    place(4, "order-2").await.problem(409, "insufficient-stock");
    place(3, "order-1").await.problem(422, "idempotency-key-reused");
    let placed = place(4, "order-1").await.is(201);
    assert_replay(&place(4, "order-1").await, &placed);
    let reference = text(&placed.json()["reference"]).parse::<Reference>().unwrap();
    assert!(twins.contains(&reference), "{reference} is not one of {twins:?}");
    assert_eq!((count(&shop, "orders.orders").await, shop.database.stock(HEADSET).await), (1, 0));
}

#[tokio::test]
async fn a_twin_of_another_hour_that_is_written_first_gives_the_answer() {
    let shop = Shop::plan().without_broker().open().await;
    for (way, status) in [("return=representation", 201), ("respond-async", 202)] {
        let (client, body) = (shop.orders().clone(), order(&[(MOUSE, 1)]));
        let place =
            move |key: &str| client.post(ORDERS, body.clone()).header("prefer", way).key(&format!("{way}-{key}"));
        let first = place("1").await.is(status);
        // The row of the twin stands in a transaction that has not come to its end.
        let twin = format!(
            "INSERT INTO orders.idempotency_keys (route, key, request_hash, status, location, etag, body)
             SELECT route, '{way}-2', request_hash, status, location, etag, body
             FROM orders.idempotency_keys WHERE key = '{way}-1'"
        );
        let twin = shop.database.lock(twin).await;
        let second = tokio::spawn(async move { place("2").await });
        shop.database.somebody_waits().await;
        twin.commit().await.unwrap();
        assert_replay(&second.await.unwrap(), &first);
    }
    assert_eq!(count(&shop, "orders.orders").await, 2);
}

#[tokio::test]
async fn another_body_is_refused() {
    let shop = Shop::plan().without_broker().open().await;
    shop.orders().post(ORDERS, order(&[(LAPTOP, 2)])).key("order-1").await.is(201);
    let mut other_name = order(&[(LAPTOP, 2)]);
    other_name["customerName"] = json!("Grace Hopper");
    for body in [order(&[(LAPTOP, 3)]), order(&[(MOUSE, 2)]), other_name] {
        shop.orders().post(ORDERS, body).key("order-1").await.problem(422, "idempotency-key-reused");
    }
    assert_eq!((count(&shop, "orders.orders").await, shop.database.stock(LAPTOP).await), (1, 48));
}

#[tokio::test]
async fn other_bodies_at_once_make_one_order() {
    let shop = Shop::plan().pairs(2).open().await;
    let tasks: Vec<_> = (0..20)
        .map(|task| {
            let client = shop.order_services[task % 2].client().clone();
            let body = order(&[(MOUSE, 1 + task as i64 % 2)]);
            tokio::spawn(async move { client.post(ORDERS, body).key("storm").await.status })
        })
        .collect();
    let mut statuses = Vec::new();
    for task in tasks {
        statuses.push(task.await.unwrap());
    }
    statuses.sort_unstable();
    assert_eq!(statuses, [vec![201; 10], vec![422; 10]].concat());
    assert_eq!(count(&shop, "orders.orders").await, 1);
    shop.assert_invariants().await;
}

#[tokio::test]
async fn a_refused_attempt_does_not_burn_the_key() {
    let shop = Shop::plan().without_broker().open().await;
    let place = || shop.orders().post(ORDERS, order(&[(HEADSET, 9)])).key("order-1");
    place().await.problem(409, "insufficient-stock");
    place().await.problem(409, "insufficient-stock");
    let add = format!("/api/inventory/products/{HEADSET}/add-stock");
    shop.inventory().post(&add, json!({"quantity": 1})).await.is(200);
    let placed = place().await.is(201);
    assert_replay(&place().await, &placed);
    assert_eq!(shop.database.stock(HEADSET).await, 0);
    // Neither does one whose body cannot be taken.
    shop.orders().post(ORDERS, json!({})).key("order-2").await.is(400);
    shop.orders().post(ORDERS, order(&[(LAPTOP, 1)])).key("order-2").await.is(201);
}

#[tokio::test]
async fn a_key_outlives_the_process() {
    let mut shop = Shop::open().await;
    let first = shop.orders().post(ORDERS, order(&[(LAPTOP, 2)])).key("order-1").await.is(201);
    shop.order_services[0].kill();
    shop.order_services[0].start().await;
    let again = shop.orders().post(ORDERS, order(&[(LAPTOP, 2)])).key("order-1").await;
    assert_replay(&again, &first);
    shop.assert_invariants().await;
    assert_eq!(shop.database.stock(LAPTOP).await, 48);
}

#[tokio::test]
async fn a_bad_key_is_refused() {
    let shop = Shop::plan().without_broker().open().await;
    for key in ["", "\"\"", &"x".repeat(256)] {
        let refused = shop.orders().post(ORDERS, order(&[(LAPTOP, 1)])).key(key).await;
        assert_eq!(refused.fields_at_fault(), ["Idempotency-Key"]);
    }
    shop.orders().post(ORDERS, order(&[(LAPTOP, 1)])).key(&"x".repeat(255)).await.is(201);
    assert_eq!(count(&shop, "orders.orders").await, 1);
}

#[tokio::test]
async fn stock_is_added_and_reduced_once() {
    let shop = Shop::plan().inventory_only().open().await;
    for (call, stock) in [("add-stock", 60), ("reduce-stock", 50)] {
        let path = format!("/api/inventory/products/{LAPTOP}/{call}");
        let change = || shop.inventory().post(&path, json!({"quantity": 10})).key("delivery-7");
        let first = change().await.is(200);
        assert_replay(&change().await, &first);
        assert_eq!(shop.database.stock(LAPTOP).await, stock, "the same key on another path is another key");
        let other = shop.inventory().post(&path, json!({"quantity": 11})).key("delivery-7").await;
        other.problem(422, "idempotency-key-reused");
    }
    let storm: Vec<_> = (0..20)
        .map(|_| {
            let client = shop.inventory().clone();
            let path = format!("/api/inventory/products/{MOUSE}/add-stock");
            tokio::spawn(async move { client.post(&path, json!({"quantity": 5})).key("storm").await.is(200).text })
        })
        .collect();
    let mut answers = Vec::new();
    for task in storm {
        answers.push(task.await.unwrap());
    }
    answers.dedup();
    assert_eq!((answers.len(), shop.database.stock(MOUSE).await), (1, 205));
}

#[tokio::test]
async fn every_other_post_takes_a_key_too() {
    let shop = Shop::plan().without_broker().open().await;
    let create = || shop.inventory().post("/api/inventory/products", product("NEW-1", "1.00", 1)).key("new");
    let first = create().await.is(201);
    assert_replay(&create().await, &first);
    let legacy = json!({"productId": LAPTOP, "quantity": 2});
    let reserve = || shop.inventory().post("/api/inventory/reserve-stock", legacy.clone()).key("sale");
    let first = reserve().await.is(200);
    assert_replay(&reserve().await, &first);
    assert_eq!(shop.database.stock(LAPTOP).await, 48);
    let id = int(&shop.place(&[(MOUSE, 1)]).await["id"]);
    let cancel = || shop.orders().post(&format!("{ORDERS}/{id}/cancel"), json!({"reason": "x"})).key("cancel");
    let first = cancel().await.is(200);
    assert_replay(&cancel().await, &first);
}

#[tokio::test]
async fn a_key_of_a_reservation_is_kept() {
    let shop = Shop::plan().inventory_only().open().await;
    let reservations = "/api/inventory/reservations";
    let [one, other] = [(); 2].map(|()| Uuid::now_v7());
    let hold = |id, pieces| shop.inventory().post(reservations, reservation(id, &[(LAPTOP, pieces)])).key("hold");
    hold(one, 51).await.problem(409, "insufficient-stock");
    let first = hold(one, 2).await.is(201);
    assert_replay(&hold(one, 2).await, &first);
    hold(other, 2).await.problem(422, "idempotency-key-reused");
    hold(one, 3).await.problem(422, "idempotency-key-reused");
    assert_eq!(shop.database.stock(LAPTOP).await, 48);
    // Without a key, and with another one, the id alone tells.
    shop.inventory().post(reservations, reservation(one, &[(LAPTOP, 2)])).await.is(200);
    shop.inventory().post(reservations, reservation(one, &[(LAPTOP, 2)])).key("again").await.is(200);
    for call in ["commit", "release"] {
        let id = if call == "commit" { one } else { other };
        let path = format!("{reservations}/{id}/{call}");
        let change = || shop.inventory().post(&path, json!({})).key("change");
        if call == "release" {
            change().await.problem(404, "not-found");
            shop.inventory().post(reservations, reservation(other, &[(LAPTOP, 2)])).await.is(201);
        }
        let first = change().await.is(200);
        assert_replay(&change().await, &first);
    }
    assert_eq!(shop.database.stock(LAPTOP).await, 48);
    let sale = |quantity: i64| {
        let body = json!({"productId": MOUSE, "quantity": quantity});
        shop.inventory().post("/api/inventory/reserve-stock", body).key("sale")
    };
    let first = sale(2).await.is(200);
    assert_replay(&sale(2).await, &first);
    sale(3).await.problem(422, "idempotency-key-reused");
    let twins = (0..10).map(|_| {
        let client = shop.inventory().clone();
        let body = reservation(Uuid::from_u128(7), &[(MOUSE, 1)]);
        tokio::spawn(async move { client.post("/api/inventory/reservations", body).key("twins").await.is(201).text })
    });
    let mut answers = Vec::new();
    for twin in twins.collect::<Vec<_>>() {
        answers.push(twin.await.unwrap());
    }
    answers.dedup();
    assert_eq!((answers.len(), shop.database.stock(MOUSE).await), (1, 197));
}

#[tokio::test]
async fn a_key_of_another_caller_is_another_key() {
    let shop = Shop::plan().without_broker().open().await;
    let cancel = async || shop.orders().post("/api/orders/1/cancel", json!({})).key("a").await.is(200);
    let place = async |way| shop.orders().post(ORDERS, order(&[(MOUSE, 1)])).header("prefer", way).key("a").await;
    let first = place("return=representation").await.is(201);
    cancel().await;
    // Without a token the rows are those of builds that knew no callers: what these kept is found.
    let routes = "SELECT route FROM orders.idempotency_keys ORDER BY route";
    assert_eq!(shop.database.texts(routes).await, ["POST /api/orders", "POST /api/orders/1/cancel"]);
    assert_replay(&place("return=representation").await, &first);
    assert_eq!(cancel().await.header("idempotency-replayed"), "true");
    // The same rows of somebody else are found no more. Their orders stay theirs.
    let others = "UPDATE orders.idempotency_keys SET route = 'user:01936f5e-7c3a-7b1e-8a4e-3f1d2c5b6a70 ' || route";
    assert_eq!(shop.database.execute(others).await, 2);
    shop.database.execute("UPDATE orders.orders SET reference = gen_random_uuid()").await;
    assert_eq!(cancel().await.find_header("idempotency-replayed"), None);
    let second = place("respond-async").await.is(202);
    assert_ne!(second.json()["id"], first.json()["id"]);
}
