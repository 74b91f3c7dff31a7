//! A connection is never held for ever: not by a client that is slow, silent or does not read, and not by many of them.

use e2e::client::Client;
use e2e::poll;
use e2e::raw::{Raw, exchange, status};
use e2e::samples::{LAPTOP, order, text};
use e2e::shop::Shop;
use serde_json::Value;
use std::time::{Duration, Instant};

const LIVE: &str = "GET /health/live HTTP/1.1\r\nHost: localhost\r\n\r\n";

/// The head of an order whose body is as long.
fn head(length: usize) -> String {
    format!(
        "POST /api/orders HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n"
    )
}

/// A shop whose order-service waits a second for everything.
async fn impatient() -> Shop {
    let mut plan = Shop::plan().without_broker();
    for name in ["HEAD_TIMEOUT_SECONDS", "BODY_TIMEOUT_SECONDS", "WRITE_TIMEOUT_SECONDS", "IDLE_TIMEOUT_SECONDS"] {
        plan = plan.order_variable(name, "1");
    }
    plan.open().await
}

fn problem(answer: &str) -> Value {
    assert!(answer.contains("content-type: application/problem+json\r\n"), "{answer}");
    let (_, body) = answer.split_once("\r\n\r\n").unwrap();
    serde_json::from_str(body).unwrap_or_else(|error| panic!("{error}: {body}"))
}

/// Whether the documents say that the server answers so whichever call is meant.
async fn assert_documented(shop: &Shop, status: u16) {
    for service in [shop.orders(), shop.inventory()] {
        let document = service.get("/api-docs/openapi.json").await.is(200).json();
        let said = text(&document["info"]["description"]);
        assert!(said.contains(&status.to_string()), "{status} is not in {said:?}");
    }
}

#[tokio::test]
async fn a_client_that_is_silent_or_slow_is_cut() {
    let shop = impatient().await;
    let port = shop.order_services[0].port();
    let started = Instant::now();
    let mut connections = Vec::new();
    for begun in ["", "G", "GET /health/live HTTP/1.1\r\n", "GET /health/live HTTP/1.1\r\nHost: localhost\r\nA: "] {
        let mut connection = Raw::connect(port).await;
        connection.send(begun).await.unwrap();
        connections.push(connection);
    }
    for mut connection in connections {
        assert_eq!(connection.rest().await, "");
    }
    // A byte now and then is no head either.
    let mut drip = Raw::connect(port).await;
    drip.send("GET /health/live HTTP/1.1\r\nX: ").await.unwrap();
    while drip.send("x").await.is_ok() && drip.rest_within(Duration::from_millis(200)).await.is_none() {}
    assert!(started.elapsed() < Duration::from_secs(20), "{:?}", started.elapsed());
}

#[tokio::test]
async fn a_body_that_does_not_come_is_answered_with_408() {
    let shop = impatient().await;
    let port = shop.order_services[0].port();
    let chunked = head(0).replace("Content-Length: 0", "Transfer-Encoding: chunked");
    for begun in [head(100), head(100) + "{", chunked.clone(), chunked + "1\r\n{\r\n"] {
        let answer = exchange(port, &begun).await;
        assert_eq!(status(&answer), 408, "{begun}: {answer}");
        assert_eq!(problem(&answer)["type"], "/problems/request-timeout");
        assert!(answer.contains("connection: close\r\n"), "{answer}");
    }
    assert_documented(&shop, 408).await;
    assert_eq!(shop.database.number("SELECT COUNT(*) FROM orders.orders").await, 0);
}

#[tokio::test]
async fn a_body_that_comes_slowly_is_taken() {
    let shop = impatient().await;
    let body = order(&[(LAPTOP, 1)]).to_string();
    let mut connection = Raw::connect(shop.order_services[0].port()).await;
    connection.send(head(body.len())).await.unwrap();
    // Longer than a second in all.
    for piece in body.as_bytes().chunks(body.len().div_ceil(5)) {
        assert_eq!(connection.rest_within(Duration::from_millis(400)).await, None);
        connection.send(piece).await.unwrap();
    }
    assert_eq!(status(&connection.answer().await), 201);
}

#[tokio::test]
async fn an_idle_connection_is_closed_after_its_time() {
    let shop = impatient().await;
    let mut connection = Raw::connect(shop.order_services[0].port()).await;
    for _ in 0..3 {
        connection.send(LIVE).await.unwrap();
        assert_eq!(status(&connection.answer().await), 200);
        assert_eq!(connection.rest_within(Duration::from_millis(400)).await, None, "it is kept for the next request");
    }
    assert_eq!(connection.rest().await, "");
}

async fn cut(client: &Client, reason: &str) -> bool {
    let metrics = client.get("/metrics").await.is(200).text;
    let counter = format!("http_connections_cut_total{{reason=\"{reason}\"}}");
    metrics.lines().any(|line| line.starts_with(&counter))
}

#[tokio::test]
async fn a_client_that_does_not_read_is_cut() {
    let shop = impatient().await;
    let mut connection = Raw::connect(shop.order_services[0].port()).await;
    connection.stuff("GET /api-docs/openapi.json HTTP/1.1\r\nHost: localhost\r\n\r\n".repeat(50)).await;
    poll::eventually("the connection to be cut", async || {
        if cut(shop.orders(), "slow").await { Ok(()) } else { Err("it is not".to_owned()) }
    })
    .await;
}

#[tokio::test]
async fn others_are_served_while_one_client_holds_all_it_can() {
    let plan = Shop::plan().without_broker().order_variable("MAX_CONNECTIONS", "20");
    let shop = plan.open().await;
    let port = shop.order_services[0].port();
    for begun in ["".to_owned(), "GET / HT".to_owned(), head(1000), LIVE.to_owned()] {
        let mut held = Vec::new();
        for _ in 0..200 {
            let mut connection = Raw::connect(port).await;
            // One that had to go for another may be reset by now.
            let _ = connection.send(&begun).await;
            held.push(connection);
        }
        for path in ["/health/live", "/metrics", "/api/orders"] {
            let started = Instant::now();
            shop.orders().get(path).await.is(200);
            // Nothing is due to be closed for its own slowness yet: that takes half a minute.
            assert!(started.elapsed() < Duration::from_secs(10), "{path} after {:?} of {begun:?}", started.elapsed());
        }
    }
    assert!(cut(shop.orders(), "full").await);
}

#[tokio::test]
async fn the_end_does_not_wait_for_half_a_request() {
    let mut shop = Shop::plan().without_broker().open().await;
    let port = shop.order_services[0].port();
    let mut halves = Vec::new();
    for begun in ["", "GET / HT", &head(100), &(head(100) + "{"), LIVE] {
        let mut connection = Raw::connect(port).await;
        connection.send(begun).await.unwrap();
        halves.push(connection);
    }
    // One that is under way: inventory-service keeps it waiting for its 1.2 s.
    shop.inventory_services[0].pause();
    let client = shop.orders().clone();
    let placing = tokio::spawn(async move { client.post("/api/orders", order(&[(LAPTOP, 1)])).await });
    poll::eventually("the order to be under way", async || {
        let waiting = shop.orders().get("/api/orders").await.is(200);
        if waiting.status == 200 { Ok(()) } else { Err(waiting.text) }
    })
    .await;
    let started = Instant::now();
    shop.order_services[0].ask_to_end();
    assert!(shop.order_services[0].ended().await.success());
    assert!(started.elapsed() < Duration::from_secs(5), "it took {:?}", started.elapsed());
    placing.await.unwrap().unavailable();
    shop.inventory_services[0].resume();
    assert_eq!(status(&halves[2].rest().await), 503, "its head was complete");
}

#[tokio::test]
async fn a_head_that_breaks_the_rules_is_refused() {
    let shop = Shop::plan().without_broker().open().await;
    let order_body = order(&[(LAPTOP, 1)]).to_string();
    let chunk = format!("{:x}\r\n{order_body}\r\n0\r\n\r\n", order_body.len());
    let post = "POST /api/orders HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n";
    let expecting = "Expect: 100-continue\r\nContent-Length: 5368709120\r\n\r\n";
    for (request, refused) in [
        ("GET /health/live HTTP/1.1\r\n\r\n".to_owned(), 400),
        ("GET /health/live HTTP/1.1\r\nHost: localhost\r\nHost: localhost\r\n\r\n".to_owned(), 400),
        ("GET /health/live HTTP/1.1\r\nHost: a b/c?d@e\r\n\r\n".to_owned(), 400),
        ("GET /health/live HTTP/1.1\r\nHost:\r\n\r\n".to_owned(), 400),
        (format!("{post}Transfer-Encoding: gzip, chunked\r\n\r\n{chunk}"), 501),
        (format!("{post}Transfer-Encoding: identity, chunked\r\n\r\n{chunk}"), 501),
        (format!("{post}Transfer-Encoding: chunked, chunked\r\n\r\n{chunk}"), 400),
        (format!("{post}{expecting}"), 413),
        (format!("{post}Expect: coffee\r\n\r\n"), 417),
        // What hyper refuses by itself.
        ("GET /health/live\r\n\r\n".to_owned(), 400),
        ("GET /health/live HTTP/1.1\r\nHost: localhost\r\nA\u{0}: b\r\n\r\n".to_owned(), 400),
        (format!("GET /health/live HTTP/1.1\r\nHost: localhost\r\nA: {}\r\n\r\n", "x".repeat(70_000)), 431),
        (format!("GET /{} HTTP/1.1\r\nHost: localhost\r\n\r\n", "x".repeat(70_000)), 431),
    ] {
        for port in [shop.order_services[0].port(), shop.inventory_services[0].port()] {
            let answer = exchange(port, &request).await;
            let told = request.get(..100).unwrap_or(&request);
            assert_eq!(status(&answer), refused, "{told}: {answer}");
            assert_eq!(problem(&answer)["status"], refused, "{told}");
            assert!(answer.contains("x-request-id: "), "{told}: {answer}");
        }
        assert_documented(&shop, refused).await;
    }
    assert_eq!(shop.database.number("SELECT COUNT(*) FROM orders.orders").await, 0);
    let old = exchange(shop.order_services[0].port(), "GET /health/live HTTP/1.0\r\n\r\n").await;
    assert_eq!(status(&old), 200, "HTTP/1.0 knows no Host");
}
