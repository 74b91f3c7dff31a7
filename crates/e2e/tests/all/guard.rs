//! Promise P7: an inventory-service that fails again and again is left alone for a moment and tried again by itself.

use e2e::poll;
use e2e::samples::{LAPTOP, order};
use e2e::shop::Shop;
use serde_json::Value;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::io::AsyncReadExt;
use tokio::net::{TcpListener, TcpStream};

const ORDERS: &str = "/api/orders";

async fn circuit(shop: &Shop) -> Value {
    shop.orders().get("/health/ready").await.json()["dependencies"]["inventory-service"]["circuit"].clone()
}

/// The value of a metric of order-service, 0 where it has none yet.
async fn metric(shop: &Shop, name: &str) -> f64 {
    let metrics = shop.orders().get("/metrics").await.is(200).text;
    let line = metrics.lines().find_map(|line| line.strip_prefix(name).and_then(|rest| rest.trim().parse().ok()));
    line.unwrap_or_default()
}

#[tokio::test]
async fn the_circuit_opens_and_closes_by_itself() {
    // It settles every second, which is also the call that finds out that inventory-service is back.
    let mut shop = Shop::plan().order_variable("SETTLE_INTERVAL_SECONDS", "1").open().await;
    assert_eq!(circuit(&shop).await, "CLOSED");
    assert_eq!(metric(&shop, "inventory_circuit_state{state=\"closed\"}").await, 1.0);
    shop.inventory_services[0].pause();
    // Five that hang until the time-out; behind them nobody waits for it any more.
    let placing = (0..5).map(|_| {
        let client = shop.orders().clone();
        tokio::spawn(async move { client.post(ORDERS, order(&[(LAPTOP, 1)])).await.unavailable() })
    });
    for task in placing.collect::<Vec<_>>() {
        task.await.unwrap();
    }
    poll::eventually("a placement to be refused without a call", async || {
        let problem = shop.orders().post(ORDERS, order(&[(LAPTOP, 1)])).await.unavailable();
        let detail = problem["detail"].to_string();
        if detail.contains("left alone for a moment") { Ok(()) } else { Err(detail) }
    })
    .await;
    assert!(metric(&shop, "inventory_calls_refused_total").await >= 1.0);
    assert!(metric(&shop, "inventory_circuit_transitions_total{to=\"open\"}").await >= 1.0);
    poll::eventually("the circuit to be seen open", async || poll::equal(circuit(&shop).await, "OPEN".into())).await;
    // Reads go on.
    shop.orders().get(ORDERS).await.is(200);

    shop.inventory_services[0].resume();
    poll::eventually("the circuit to close by itself", async || poll::equal(circuit(&shop).await, "CLOSED".into()))
        .await;
    shop.place(&[(LAPTOP, 1)]).await;
    assert_eq!(metric(&shop, "inventory_circuit_state{state=\"closed\"}").await, 1.0);
    shop.order_services[0].ready_as(&["UP"]).await;
    // However often it was tried meanwhile, the log tells of one outage.
    let said = |text: &str| shop.order_services[0].log_lines(&["the circuit to inventory-service is", text]);
    assert_eq!((said("open"), said("closed")), (1, 1));
}

/// Something that takes connections, reads the beginning of a request and lets `end` decide about it; counts calls.
async fn counterfeit(end: fn(TcpStream)) -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let count = Arc::new(AtomicUsize::new(0));
    let counted = count.clone();
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut verb = [0; 4];
            // Health checks are no calls.
            if stream.read_exact(&mut verb).await.is_ok() && verb == *b"POST" {
                counted.fetch_add(1, Ordering::Relaxed);
            }
            end(stream);
        }
    });
    (url, count)
}

async fn place_at(url: &str) {
    let plan = Shop::plan().without_broker().order_variable("INVENTORY_ATTEMPTS", "3");
    let shop = plan.order_variable("INVENTORY_SERVICE_URL", url).open().await;
    shop.orders().post(ORDERS, order(&[(LAPTOP, 1)])).await.unavailable();
}

#[tokio::test]
async fn a_broken_connection_is_tried_again_a_few_times() {
    let (url, attempts) = counterfeit(drop).await;
    place_at(&url).await;
    assert_eq!(attempts.load(Ordering::Relaxed), 3);
}

#[tokio::test]
async fn a_call_that_took_too_long_is_not_tried_again() {
    let (url, attempts) = counterfeit(std::mem::forget).await;
    place_at(&url).await;
    assert_eq!(attempts.load(Ordering::Relaxed), 1);
}
