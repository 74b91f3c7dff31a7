//! The lines of the log about requests, in the form for collectors: their schema, who has one, and how many there are.

use e2e::collector::Collector;
use e2e::poll;
use e2e::samples::{LAPTOP, int, order, text};
use e2e::shop::{Plan, Shop};
use serde_json::Value;
use std::collections::BTreeSet;

/// What every line has.
const OF_A_LINE: [&str; 4] = ["timestamp", "level", "target", "message"];

/// What every line has that was written while a request was served.
const OF_A_REQUEST: [&str; 5] = ["method", "route", "request_id", "trace_id", "span_id"];

/// What the line about a request has besides.
const OF_ITS_ANSWER: [&str; 4] = ["status", "milliseconds", "principal", "skipped"];

/// The name of what a request was about, where it was about one thing.
const OBJECT: &str = "object";

fn plan() -> Plan {
    Shop::plan().without_broker().order_variable("LOG_FORMAT", "json")
}

/// The lines so far, each an object.
fn lines(shop: &Shop) -> Vec<Value> {
    let log = shop.order_services[0].log();
    let line = |line: &str| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error} in {line}"));
    // One that is being written has no end yet.
    let whole = log.rsplit_once('\n').map_or("", |(whole, _)| whole);
    whole.lines().map(line).collect()
}

fn answered(shop: &Shop) -> Vec<Value> {
    lines(shop).into_iter().filter(|line| line["message"] == "answered").collect()
}

/// Waits for the line about the request with this id.
async fn line_of(shop: &Shop, request_id: &str) -> Value {
    poll::eventually(&format!("the line of {request_id}"), async || {
        let line = answered(shop).into_iter().find(|line| line["request_id"] == request_id);
        line.ok_or_else(|| shop.order_services[0].log())
    })
    .await
}

/// The line is as the schema in docs/tracing.md has it.
fn assert_schema(line: &Value) {
    let names: BTreeSet<&str> = line.as_object().unwrap().keys().map(String::as_str).collect();
    let required: BTreeSet<&str> = OF_A_LINE.into_iter().chain(OF_A_REQUEST).chain(OF_ITS_ANSWER).collect();
    assert_eq!(required.difference(&names).collect::<Vec<_>>(), [&""; 0], "missing in {line}");
    let others: Vec<&str> = names.difference(&required).copied().filter(|name| *name != OBJECT).collect();
    assert_eq!(others, [""; 0], "not in the schema: {line}");
    let hex = |name: &str, digits| {
        text(&line[name]).len() == digits && text(&line[name]).bytes().all(|byte| byte.is_ascii_hexdigit())
    };
    assert!(hex("trace_id", 32) && hex("span_id", 16), "{line}");
    assert!(line["status"].is_u64() && line["milliseconds"].is_f64() && line["skipped"].is_u64(), "{line}");
    assert!(text(&line["timestamp"]).ends_with('Z'), "{line}");
    let level = if line["status"].as_u64() >= Some(500) { "WARN" } else { "INFO" };
    assert_eq!(text(&line["level"]), level, "{line}");
}

#[tokio::test]
async fn a_request_is_one_line_with_every_field() {
    let collector = Collector::start().await;
    let shop = plan().traces(&collector.url(), "1").open().await;
    let orders = shop.orders();
    let placed = orders.post("/api/orders", order(&[(LAPTOP, 1)])).await.is(201);
    let id = int(&placed.json()["id"]);
    let object = format!("/api/orders/{id}");
    let read = orders.get(&format!("{object}/timeline")).await.is(200);
    let theirs = orders.get("/api/orders/customer/ada%40example.com").await.is(200);
    let bad = orders.post("/api/orders", serde_json::json!({})).header("x-request-id", "mine-\"7").await.is(400);
    let nowhere = orders.get("/api/nothing/12345").await.is(404);
    let stranger = orders.get("/api/orders").header("authorization", "Bearer x").await.is(401);
    for (answer, method, route, status, object, principal) in [
        (&placed, "POST", "/api/orders", 201, Some(&*object), "operator"),
        (&read, "GET", "/api/orders/{id}/timeline", 200, Some(&*object), "operator"),
        (&theirs, "GET", "/api/orders/customer/{email}", 200, None, "operator"),
        (&bad, "POST", "/api/orders", 400, None, "operator"),
        (&nowhere, "GET", "unmatched", 404, None, "nobody"),
        (&stranger, "GET", "/api/orders", 401, None, "nobody"),
    ] {
        let line = line_of(&shop, answer.header("x-request-id")).await;
        assert_schema(&line);
        let seen = ["method", "route", "principal"].map(|name| text(&line[name]));
        assert_eq!(seen, [method, route, principal], "{line}");
        assert_eq!((int(&line["status"]), line[OBJECT].as_str()), (status, object), "{line}");
    }
    let line = line_of(&shop, placed.header("x-request-id")).await;
    let spans = collector.trace_with(text(&line["trace_id"]), "POST /api/orders", 1).await;
    assert!(spans.iter().any(|span| span.name == "POST /api/orders" && span.id == text(&line["span_id"])), "{spans:?}");

    orders.get("/health/live").await.is(200);
    orders.get("/health/ready").await.is(200);
    orders.get("/metrics").await.is(200);
    line_of(&shop, orders.get("/api/orders").await.is(200).header("x-request-id")).await;
    for line in lines(&shop) {
        assert!(OF_A_LINE.iter().all(|name| line[*name].is_string()), "{line}");
        assert_eq!(
            OF_A_REQUEST.iter().filter(|name| line[**name].is_string()).count() % OF_A_REQUEST.len(),
            0,
            "{line}"
        );
        assert!(!["/health/live", "/health/ready", "/metrics"].map(Value::from).contains(&line["route"]), "{line}");
    }
    answered(&shop).iter().for_each(assert_schema);
    let log = shop.order_services[0].log();
    assert!(!log.contains("ada@example.com") && !log.contains("ada%40example.com"), "the log names nobody");
}

#[tokio::test]
async fn of_many_requests_few_have_a_line_and_each_failure_has() {
    let plan = plan().order_variable("LOG_REQUESTS_PER_SECOND", "1").order_variable("WORKER_THREADS", "1");
    let mut shop = plan.open().await;
    let mut last = String::new();
    for _ in 0..300 {
        last = shop.orders().get("/api/orders").await.is(200).header("x-request-id").to_owned();
    }
    // The next second has a line again, which says how many had none.
    let line = poll::eventually("a line that counts those without one", async || {
        shop.orders().get("/api/orders").await.is(200);
        let line = answered(&shop).into_iter().rfind(|line| int(&line["skipped"]) > 0);
        line.filter(|line| text(&line["request_id"]) != last).ok_or_else(|| shop.order_services[0].log())
    })
    .await;
    assert_schema(&line);
    let of_list = |line: &&Value| line["route"] == "/api/orders" && line["status"] == 200;
    let written = answered(&shop).iter().filter(of_list).count();
    assert!(written < 100, "{written} lines");

    shop.inventory_services[0].kill();
    let before = answered(&shop).len();
    for _ in 0..20 {
        shop.orders().post("/api/orders", order(&[(LAPTOP, 1)])).await.unavailable();
    }
    let failed = answered(&shop).into_iter().skip(before).filter(|line| line["status"] == 503).count();
    assert_eq!(failed, 20);
}
