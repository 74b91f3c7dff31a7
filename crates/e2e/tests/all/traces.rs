//! Traces: what is recorded, what an order's trace shows, and that a collector that fails costs no order.

use e2e::client::{Call, Response};
use e2e::collector::{Collector, Span};
use e2e::mail_server::MailServer;
use e2e::poll;
use e2e::samples::{LAPTOP, MOUSE, int, order, text};
use e2e::shop::Shop;
use std::collections::BTreeSet;
use std::time::{Duration, Instant};
use testbed::ports;
use tokio::task::JoinSet;

const MINE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

/// The trace that began with an answered request, whose id it has.
fn trace_of(request_id: &str) -> String {
    request_id.replace('-', "")
}

/// The names of a span's callers, from itself to the beginning of its trace.
fn way<'s>(spans: &'s [Span], of: &'s Span) -> Vec<&'s str> {
    let parent = |span: &&'s Span| {
        let parent = span.parent.as_ref()?;
        Some(spans.iter().find(|span| span.id == *parent).unwrap_or_else(|| panic!("{span:?} has no parent here")))
    };
    std::iter::successors(Some(of), parent).map(|span| &*span.name).collect()
}

#[tokio::test]
async fn an_order_is_one_trace_from_the_request_to_its_mail() {
    let (collector, mails) = (Collector::start().await, MailServer::start().await);
    let shop = Shop::plan().mail(&mails).traces(&collector.url(), "1").open().await;
    let mut tap = shop.broker().tap().await;
    let placed = shop.orders().post("/api/orders", order(&[(LAPTOP, 1)])).await.is(201);
    let (trace, id) = (trace_of(placed.header("x-request-id")), int(&placed.json()["id"]));
    shop.order_becomes(id, "CONFIRMED").await;
    mails.receives(2).await;
    let spans = collector.whole_trace_with(&trace, "send EMAIL", 2).await;

    let sent = spans.iter().filter(|span| span.name == "send EMAIL");
    let confirmed = sent.clone().find(|span| span.attributes["oms.notification.kind"] == "order-confirmed").unwrap();
    let expected = [
        "send EMAIL",
        "process order-service.notifications",
        "create order.confirmed",
        "process order-service.reservation-events",
        "create reservation.committed",
        "process inventory-service.order-events",
        "create order.created",
        "POST /api/orders",
    ];
    // The messages about an order may share a batch, which is under the first of them.
    let shared = ["send EMAIL", "process order-service.notifications", "create order.created", "POST /api/orders"];
    let way_of_mail = way(&spans, confirmed);
    assert!(way_of_mail == expected || way_of_mail == shared, "{way_of_mail:?}");
    let named =
        |name: &str| spans.iter().find(|span| span.name == name).unwrap_or_else(|| panic!("{name}: {spans:#?}"));
    assert_eq!(way(&spans, named("create order.confirmed")), expected[2..]);
    let asked = spans.iter().find(|span| span.service == "inventory-service" && span.kind == 2).unwrap();
    let reserve = "POST /api/inventory/reservations/batch";
    assert_eq!(way(&spans, asked), [reserve, reserve, "POST /api/orders"]);
    let expected = ["send oms.events", "create order.created", "POST /api/orders"];
    assert!(spans.iter().any(|span| way(&spans, span) == expected && span.kind == 3), "{spans:#?}");
    for (name, service, kind) in [
        ("POST /api/orders", "order-service", 2),
        ("create order.created", "order-service", 4),
        ("process inventory-service.order-events", "inventory-service", 5),
        ("create reservation.committed", "inventory-service", 4),
        ("process order-service.notifications", "order-service", 5),
        ("send EMAIL", "order-service", 3),
    ] {
        assert_eq!((&*named(name).service, named(name).kind), (service, kind), "{name}");
    }
    let root = named("POST /api/orders");
    assert_eq!(root.attributes["http.response.status_code"], "201");
    assert_eq!(root.attributes["oms.object"], format!("/api/orders/{id}"));
    assert!(spans.len() >= 8, "{spans:#?}");
    for span in &spans {
        assert!(!span.failed && way(&spans, span).ends_with(&["POST /api/orders"]), "{span:?}");
    }
    assert_eq!(spans.iter().map(|span| &span.id).collect::<BTreeSet<_>>().len(), spans.len());
    // What others would call personal data stays here.
    assert!(!format!("{spans:?}").contains("ada@example.com"));

    // Whoever else consumes the message finds its trace where they look for it.
    let heard = tap.heard("order.created", 1).await;
    let header = text(&heard[0].headers["traceparent"]);
    assert_eq!((&header[3..35], &header[53..]), (&*trace, "01"));
    assert!(spans.iter().any(|span| span.name == "send oms.events" && span.id == header[36..52]));
}

#[tokio::test]
async fn orders_that_share_batches_have_whole_traces_that_lead_to_each_other() {
    let collector = Collector::start().await;
    let shop = Shop::plan().traces(&collector.url(), "1").open().await;
    let body = order(&[(MOUSE, 1)]);
    let calls: Vec<_> = (0..24).map(|_| shop.orders().post("/api/orders", body.clone())).collect();
    let mut traces = Vec::new();
    for answer in all_at_once(calls).await {
        traces.push(trace_of(answer.is(201).header("x-request-id")));
    }
    for trace in &traces {
        // What is told of an order may be one batch or two.
        collector.trace_with(trace, "process order-service.notifications", 1).await;
        let spans = collector.whole_trace_with(trace, "create order.confirmed", 1).await;
        for name in [
            "POST /api/inventory/reservations/batch",
            "process inventory-service.order-events",
            "create order.confirmed",
        ] {
            assert!(spans.iter().any(|span| span.name == name), "{name}: {spans:#?}");
        }
        spans.iter().for_each(|span| assert_eq!(way(&spans, span).last(), Some(&"POST /api/orders")));
    }
    let spans = collector.spans();
    let links: Vec<_> = spans.iter().flat_map(|span| span.links.iter().map(move |link| (span, link))).collect();
    assert!(!links.is_empty(), "none of {} spans shared a batch", spans.len());
    for (span, (trace, link)) in links {
        assert!(traces.contains(trace) && *trace != span.trace, "{span:?}");
        assert!(spans.iter().any(|span| span.id == *link && span.trace == *trace), "{span:?}");
    }
}

async fn all_at_once(calls: Vec<Call>) -> Vec<Response> {
    let mut all = JoinSet::new();
    for call in calls {
        all.spawn(call.into_future());
    }
    all.join_all().await
}

#[tokio::test]
async fn who_began_a_trace_decides_whether_it_is_recorded() {
    let collector = Collector::start().await;
    for ratio in ["0", "1"] {
        let shop = Shop::plan().without_broker().traces(&collector.url(), ratio).open().await;
        let place = |flags: &str| {
            let traceparent = format!("00-{}{ratio}-00f067aa0ba902b7-{flags}", &MINE[1..]);
            shop.orders().post("/api/orders", order(&[(LAPTOP, 1)])).header("traceparent", &traceparent)
        };
        let own = shop.orders().post("/api/orders", order(&[(LAPTOP, 1)])).await.is(201);
        place("00").await.is(201);
        let flags = async || {
            let events = shop.database.texts("SELECT convert_from(body, 'UTF8') FROM orders.outbox ORDER BY id").await;
            let flags = |event: String| {
                text(&serde_json::from_str::<serde_json::Value>(&event).unwrap()["traceparent"])[53..].to_owned()
            };
            events.into_iter().map(flags).collect::<Vec<_>>()
        };
        assert_eq!(flags().await, [if ratio == "1" { "01" } else { "00" }, "00"]);
        place("01").await.is(201);
        // Spans arrive in the order of their ends: what was placed before would be here.
        let trace = format!("{}{ratio}", &MINE[1..]);
        let spans = collector.trace_with(&trace, "POST /api/orders", 1).await;
        let roots: Vec<&Span> = spans.iter().filter(|span| span.name == "POST /api/orders").collect();
        assert_eq!((roots.len(), roots[0].parent.as_deref()), (1, Some("00f067aa0ba902b7")), "{spans:#?}");
        let recorded = !collector.of_trace(&trace_of(own.header("x-request-id"))).is_empty();
        assert_eq!(recorded, ratio == "1");
        if ratio == "0" {
            assert!(collector.spans().iter().all(|span| span.trace == trace), "{:#?}", collector.spans());
        }
        shop.orders().get("/health/ready").await.is(200);
    }
    assert!(collector.spans().iter().all(|span| !span.name.contains("/health/")));
}

/// How many spans were dropped for this reason.
async fn dropped(shop: &Shop, reason: &str) -> f64 {
    let text = shop.orders().get("/metrics").await.is(200).text;
    let counter = format!("traces_dropped_total{{reason=\"{reason}\"}} ");
    let line = text.lines().find_map(|line| line.strip_prefix(&counter));
    line.unwrap_or_else(|| panic!("{counter} in\n{text}")).parse().unwrap()
}

#[tokio::test]
async fn a_collector_that_is_away_costs_no_order_and_is_counted() {
    let away = format!("http://127.0.0.1:{}", ports::free_port().unwrap());
    let shop = Shop::plan().traces(&away, "1").open().await;
    assert_eq!((dropped(&shop, "not_taken").await, dropped(&shop, "queue_full").await), (0.0, 0.0));
    for _ in 0..5 {
        let order = shop.place(&[(LAPTOP, 1)]).await;
        shop.order_becomes(int(&order["id"]), "CONFIRMED").await;
    }
    poll::eventually("spans that are counted as dropped", async || match dropped(&shop, "not_taken").await {
        enough if enough >= 8.0 => Ok(()),
        few => Err(few.to_string()),
    })
    .await;
    assert_eq!(shop.order_services[0].log_lines(&["WARN", "the collector takes no traces"]), 1);
}

#[tokio::test]
async fn a_collector_gets_the_key_that_it_asks_for_and_may_reject_spans() {
    let collector = Collector::start().await;
    collector.ask_for("x-api-key", "hush, hush=");
    collector.reject_one();
    let plan = Shop::plan().without_broker().traces(&collector.url(), "1");
    let shop =
        plan.order_variable("OTEL_EXPORTER_OTLP_HEADERS", "x-api-key=hush%2C%20hush%3D, x-shop = 7").open().await;
    let answer = shop.orders().get("/api/orders/7").await.is(404);
    collector.trace_with(&trace_of(answer.header("x-request-id")), "GET /api/orders/{id}", 1).await;
    poll::eventually("a span that is counted as rejected", async || match dropped(&shop, "rejected").await {
        0.0 => Err("none".to_owned()),
        _ => Ok(()),
    })
    .await;
    assert_eq!(dropped(&shop, "not_taken").await, 0.0);
    let service = &shop.order_services[0];
    assert_eq!(service.log_lines(&["WARN", "the collector rejects spans"]), 1, "{}", service.log());
    assert!(!service.log().contains("hush"), "{}", service.log());
}

#[tokio::test]
async fn a_collector_that_says_nothing_fills_a_queue_and_no_more() {
    let collector = Collector::start().await;
    collector.be_silent();
    let shop = Shop::plan().without_broker().traces(&collector.url(), "1").open().await;
    let mut slowest = Duration::ZERO;
    poll::eventually("a queue that is full", async || {
        for _ in 0..8 {
            let begun = Instant::now();
            let calls = (0..64).map(|_| shop.orders().get("/nothing")).collect();
            all_at_once(calls).await.into_iter().for_each(|answer| drop(answer.is(404)));
            slowest = slowest.max(begun.elapsed());
        }
        match dropped(&shop, "queue_full").await {
            0.0 => Err("nothing dropped".to_owned()),
            _ => Ok(()),
        }
    })
    .await;
    assert!(slowest.as_secs() < 4, "requests waited for the collector: {slowest:?}");
    shop.place(&[(LAPTOP, 1)]).await;
}

#[tokio::test]
async fn the_last_spans_are_sent_when_a_service_ends() {
    let collector = Collector::start().await;
    let mut shop = Shop::plan().without_broker().traces(&collector.url(), "1").open().await;
    let answer = shop.orders().get("/api/orders/7").await.is(404);
    shop.order_services[0].ask_to_end();
    assert!(shop.order_services[0].ended().await.success());
    let spans = collector.of_trace(&trace_of(answer.header("x-request-id")));
    assert_eq!(spans.len(), 1, "{spans:?}");
    assert_eq!((&*spans[0].name, spans[0].parent.as_deref()), ("GET /api/orders/{id}", None));
}
