//! Requests that share a batch: each gets its own answer, and none harms its neighbours.

use axum::http::StatusCode;
use axum::routing::post;
use axum::{Json, Router};
use e2e::client::{Client, Response};
use e2e::poll;
use e2e::samples::{LAPTOP, MOUSE, order, order_of, reservation};
use e2e::shop::{Plan, Shop};
use serde_json::Value;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use uuid::Uuid;

/// Of a shop that works on one batch at a time.
fn plan() -> Plan {
    let plan = Shop::plan().order_variable("PLACEMENT_BATCHES_AT_ONCE", "1");
    plan.inventory_variable("RESERVATION_BATCHES_AT_ONCE", "1").without_broker()
}

async fn shop() -> Shop {
    plan().open().await
}

fn place(shop: &Shop, body: Value, key: &str) -> JoinHandle<Response> {
    let call = shop.orders().post("/api/orders", body).key(key);
    tokio::spawn(async move { call.await })
}

/// Places orders that meet in one batch, because one before them is held up until they wait; gives the answers.
async fn in_one_batch(shop: &Shop, orders: Vec<(Value, String)>) -> Vec<Response> {
    let lock = shop.database.lock("SELECT id FROM inventory.products WHERE id = 1 FOR UPDATE").await;
    let before = place(shop, order(&[(LAPTOP, 1)]), "before");
    shop.database.somebody_waits().await;
    let mut waiting = Vec::new();
    for (body, key) in orders {
        waiting.push(place(shop, body, &key));
        // One after the other, so that it is known who was first.
        in_queue(shop.orders(), "placements", waiting.len()).await;
    }
    lock.rollback().await.unwrap();
    before.await.unwrap().is(201);
    let mut answers = Vec::new();
    for task in waiting {
        answers.push(task.await.unwrap());
    }
    let metrics = shop.orders().get("/metrics").await.is(200).text;
    let count = |prefix: &str| metrics.lines().find_map(|line| line.strip_prefix(prefix)?.parse::<u32>().ok()).unwrap();
    let large =
        count("batch_size_count{queue=\"placements\"} ") - count("batch_size_bucket{queue=\"placements\",le=\"2\"} ");
    assert_eq!(large, 1, "they did not meet in one batch:\n{metrics}");
    answers
}

#[tokio::test]
async fn one_bad_order_does_not_harm_its_neighbours() {
    let shop = shop().await;
    shop.database.refuse_mallory("INSERT").await;
    let good = |number: i64| (order(&[(MOUSE, 1)]), format!("good-{number}"));
    let mut orders: Vec<_> = (0..8).map(good).collect();
    orders.insert(4, (order_of("mallory@example.com", &[(MOUSE, 1)]), "bad".to_owned()));
    orders.push((order(&[(MOUSE, 1000)]), "short".to_owned()));
    orders.push((order(&[(999, 1)]), "unknown".to_owned()));
    let answers = in_one_batch(&shop, orders).await;
    let statuses: Vec<u16> = answers.iter().map(|answer| answer.status).collect();
    assert_eq!(statuses, [201, 201, 201, 201, 500, 201, 201, 201, 201, 409, 422]);
    let problem = answers[4].problem(500, "internal");
    assert!(!problem.to_string().contains("refused by the test"), "{problem}");
    assert_eq!(shop.database.number("SELECT COUNT(*) FROM orders.orders").await, 9);
    assert!(shop.database.texts("SELECT order_id::text FROM orders.total_breaches").await.is_empty());
}

#[tokio::test]
async fn twins_in_one_batch_get_one_order() {
    let shop = shop().await;
    let twin = |pieces: i64| (order(&[(MOUSE, pieces)]), "twin".to_owned());
    let answers = in_one_batch(&shop, vec![twin(1), twin(1), twin(2), twin(1)]).await;
    let first = answers[0].clone().is(201);
    for (position, answer) in answers.iter().enumerate() {
        if position == 2 {
            answer.problem(422, "idempotency-key-reused");
        } else {
            assert_eq!((answer.status, &answer.text), (201, &first.text));
        }
    }
    assert_eq!(shop.database.number("SELECT COUNT(*) FROM orders.orders").await, 2);
    assert_eq!(shop.database.stock(MOUSE).await, 199);
}

#[tokio::test]
async fn a_twin_with_another_body_is_not_refused_for_a_first_one_that_failed() {
    let shop = shop().await;
    let twin = |pieces: i64| (order(&[(MOUSE, pieces)]), "twin".to_owned());
    let answers = in_one_batch(&shop, vec![twin(1000), twin(1), twin(1000), twin(1)]).await;
    answers[0].problem(409, "insufficient-stock");
    answers[2].problem(409, "insufficient-stock");
    let placed = answers[1].clone().is(201);
    assert_eq!((answers[3].status, &answers[3].text), (201, &placed.text));
    assert_eq!(shop.database.stock(MOUSE).await, 199);
}

/// Stands between the services: passes this many batches on to the client it is given, and fails those after them.
async fn passing_on(batches: usize) -> (String, Arc<OnceLock<Client>>) {
    const BATCH: &str = "/api/inventory/reservations/batch";
    let inventory = Arc::new(OnceLock::<Client>::new());
    let (to, calls) = (inventory.clone(), Arc::new(AtomicUsize::new(0)));
    let pass_on = move |Json(body): Json<Value>| {
        let (to, call) = (to.clone(), calls.fetch_add(1, Ordering::Relaxed));
        async move {
            if call >= batches {
                return (StatusCode::INTERNAL_SERVER_ERROR, String::new());
            }
            (StatusCode::OK, to.wait().post(BATCH, body).await.is(200).text)
        }
    };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    #[expect(clippy::disallowed_methods, reason = "a stand-in knows no callers")]
    let routes = Router::new().route(BATCH, post(pass_on));
    tokio::spawn(async move { axum::serve(listener, routes).await });
    (url, inventory)
}

#[tokio::test]
async fn orders_with_stock_are_placed_though_twins_of_the_others_cannot_be_looked_for() {
    let (url, inventory) = passing_on(2).await;
    let shop = plan().order_variable("INVENTORY_SERVICE_URL", &url).open().await;
    inventory.set(shop.inventory().clone()).unwrap();
    let orders = [1, 1000, 1].into_iter().enumerate();
    let orders = orders.map(|(number, pieces)| (order(&[(MOUSE, pieces)]), format!("order-{number}"))).collect();
    let answers = in_one_batch(&shop, orders).await;
    assert_eq!((answers[0].status, answers[2].status), (201, 201));
    answers[1].clone().unavailable();
    assert_eq!(shop.database.stock(MOUSE).await, 198);
}

#[tokio::test]
async fn the_last_pieces_of_a_batch_are_sold_once() {
    let shop = shop().await;
    let orders = (0..5).map(|number| (order(&[(MOUSE, 60)]), format!("order-{number}"))).collect();
    let answers = in_one_batch(&shop, orders).await;
    let sold = answers.iter().filter(|answer| answer.status == 201).count();
    let refused = answers.iter().filter(|answer| answer.status == 409).count();
    assert_eq!((sold, refused, shop.database.stock(MOUSE).await), (3, 2, 20));
}

/// Waits until this many requests wait in a queue of a service.
async fn in_queue(client: &Client, queue: &str, count: usize) {
    let line = format!("batch_queue_length{{queue=\"{queue}\"}} {count}\n");
    poll::eventually(&format!("{count} to wait"), async || {
        let metrics = client.get("/metrics").await.is(200).text;
        if metrics.contains(&line) { Ok(()) } else { Err(metrics) }
    })
    .await;
}

#[tokio::test]
async fn what_does_not_fit_into_the_queue_is_refused_at_once() {
    // One at work, one for the next batch, and two behind it.
    let plan = Shop::plan().without_broker().order_variable("PLACEMENT_BATCHES_AT_ONCE", "1");
    let plan = plan.order_variable("PLACEMENT_BATCH_SIZE", "1").order_variable("PLACEMENT_QUEUE_LENGTH", "2");
    let plan =
        plan.inventory_variable("RESERVATION_BATCHES_AT_ONCE", "1").inventory_variable("RESERVATION_BATCH_SIZE", "1");
    let shop = plan.inventory_variable("RESERVATION_QUEUE_LENGTH", "2").open().await;
    let lock = shop.database.lock("SELECT id FROM inventory.products WHERE id = 1 FOR UPDATE").await;
    let at_work = place(&shop, order(&[(LAPTOP, 1)]), "at work");
    shop.database.somebody_waits().await;
    let mut placing = vec![at_work];
    for count in 1..=3 {
        placing.push(place(&shop, order(&[(LAPTOP, 1)]), &format!("waiting {count}")));
        in_queue(shop.orders(), "placements", count).await;
    }
    let refused = shop.orders().post("/api/orders", order(&[(MOUSE, 1)])).await.unavailable();
    assert!(refused["detail"].to_string().contains("too many requests"), "{refused}");

    // Inventory-service has one batch at work for them; its own queue is bounded as well.
    let reserve = || {
        let body = reservation(Uuid::now_v7(), &[(MOUSE, 1)]);
        shop.inventory().post("/api/inventory/reservations", body)
    };
    let mut reserving = Vec::new();
    for count in 1..=3 {
        let call = reserve();
        reserving.push(tokio::spawn(async move { call.await }));
        in_queue(shop.inventory(), "reservations", count).await;
    }
    let refused = reserve().await.unavailable();
    assert!(refused["detail"].to_string().contains("too many requests are waiting"), "{refused}");

    lock.rollback().await.unwrap();
    for order in placing {
        order.await.unwrap().is(201);
    }
    for reservation in reserving {
        reservation.await.unwrap().is(201);
    }
}
