//! The gateway in front of the services: what it lets through and how, what it repeats, and what it answers itself. Who may
//! call what through it is in `access`.

mod clients;
mod instance;
mod restarts;
mod switch;
mod tls;

use e2e::browser::Browser;
use e2e::client::{Client, Response};
use e2e::environment::{Environment, folder_of_test, workspace};
use e2e::gateway::{free_port, in_front_of, start};
use e2e::poll;
use e2e::raw::{self, Raw};
use e2e::samples::{LAPTOP, order};
use e2e::shop::Shop;
use instance::{Does, Instance};
use reqwest::Method;
use serde_json::{Value, json};
use testbed::gateway::{Gateway, Limits, judge};

const METHODS: [Method; 5] = [Method::GET, Method::POST, Method::PUT, Method::PATCH, Method::DELETE];

/// A gateway in front of stand-ins for order-service, and what calls it.
fn in_front(instances: &[&Instance]) -> (Gateway, Client) {
    let ports: Vec<u16> = instances.iter().map(|instance| instance.port).collect();
    let gateway = in_front_of(&ports, &[], &[]);
    let client = Client::new(gateway.base());
    (gateway, client)
}

#[test]
fn nginx_finds_no_fault_in_what_hosts_begin_with() {
    let folder = folder_of_test(Environment::get());
    for name in ["nginx", "errors", "listen", "limits", "order-service", "inventory-service", "account-service"] {
        let file = format!("{name}.conf");
        std::fs::copy(workspace().join("deploy/gateway").join(&file), folder.join(&file)).unwrap();
    }
    judge(&folder).unwrap_or_else(|error| panic!("{error}"));
}

#[tokio::test]
async fn what_clients_say_of_themselves_is_not_passed_on() {
    let instance = Instance::start(Does::Answer).await;
    let (_gateway, client) = in_front(&[&instance]);
    let call = client.get("/api/orders").header("x-forwarded-for", "198.51.100.7").header("via", "1.1 evil");
    let call = call.header("forwarded", "for=198.51.100.7").header("x-real-ip", "198.51.100.7");
    let call = call.header("x-forwarded-host", "evil.example").header("x-forwarded-proto", "gopher");
    let call = call.header("x-forwarded-port", "1").header("x-forwarded-prefix", "/evil");
    let call = call.header("traceparent", "00-1").header("authorization", "Bearer t").header("x-request-id", "mine");
    assert_eq!(call.header("read-after", "2a").await.is(200).header("read-after"), "2a");
    let head = instance.got().pop().unwrap();
    for line in [
        "x-forwarded-for: 127.0.0.1",
        "x-forwarded-proto: http",
        "x-request-id: mine",
        "authorization: bearer t",
        "read-after: 2a",
    ] {
        assert!(head.contains(&format!("{line}\r\n")), "{line} in {head}");
    }
    assert!(head.contains(&format!("host: {}\r\n", client.base().strip_prefix("http://").unwrap())), "{head}");
    assert!(head.contains("traceparent: 00-1"), "{head}");
    assert_eq!(head.matches("x-forwarded-").count(), 2, "{head}");
    assert!(
        !["evil", "gopher", "198.51.100", "forwarded: for", "x-real-ip", "via:"].iter().any(|it| head.contains(it))
    );
    client.get("/api/orders").await.is(200);
    assert!(instance.got()[0].contains("x-request-id: "), "each request has a name");
}

#[tokio::test]
async fn what_no_instance_has_got_goes_to_the_next() {
    let instance = Instance::start(Does::Answer).await;
    let gateway = in_front_of(&[free_port(), instance.port], &[], &[]);
    let client = Client::new(gateway.base());
    for method in METHODS {
        for _ in 0..4 {
            client.call(method.clone(), "/api/orders/1").json(json!({"a": 1})).await.is(200);
            client.call(method.clone(), "/api/orders/1").await.is(200);
        }
        assert_eq!(instance.got().len(), 8, "{method}");
    }
}

#[tokio::test]
async fn only_reads_and_calls_with_a_key_are_repeated() {
    let (one, other) = (Instance::start(Does::BreakOff).await, Instance::start(Does::BreakOff).await);
    let (_gateway, client) = in_front(&[&one, &other]);
    let reached = || one.got().len() + other.got().len();
    for method in METHODS {
        for with_key in [false, true] {
            for with_body in [false, true] {
                let call = client.call(method.clone(), "/api/orders/1/cancel");
                let call = if with_body { call.json(json!({"a": 1})) } else { call };
                let answer = if with_key { call.key("k").await } else { call.await };
                answer.unavailable();
                let repeated = method == Method::GET || (method == Method::POST && with_key);
                let times = reached();
                assert!(if repeated { times >= 2 } else { times == 1 }, "{method}, {with_key}: {times} times");
            }
        }
    }
    // Where one of the two is well, nobody sees the other.
    let (broken, well) = (Instance::start(Does::BreakOff).await, Instance::start(Does::Answer).await);
    let (_gateway, client) = in_front(&[&broken, &well]);
    poll::eventually("the broken instance to be asked", async || {
        client.get("/api/orders").await.is(200);
        client.post("/api/orders", json!({})).key("k").await.is(200);
        if broken.count() > 1 { Ok(()) } else { Err(String::new()) }
    })
    .await;
}

/// The POSTs that the documents of the services name and the gateway lets through, and whether they take a key.
fn posts() -> Vec<(String, bool)> {
    let documents = ["order-service", "inventory-service", "account-service"].map(|service| {
        let path = workspace().join(format!("docs/openapi/{service}.json"));
        serde_json::from_str::<Value>(&std::fs::read_to_string(path).unwrap()).unwrap()
    });
    let paths = documents.iter().flat_map(|document| document["paths"].as_object().unwrap());
    let closed = ["/internal/", "/api/admin/", "/api/inventory/reserv"];
    let open = paths.filter(|(path, _)| !closed.iter().any(|it| path.starts_with(it)));
    let posts = open.filter_map(|(path, item)| Some((path, item.get("post")?)));
    let takes_key = |operation: &Value| {
        let mut parameters = operation["parameters"].as_array().into_iter().flatten();
        parameters.any(|parameter| parameter["name"] == "Idempotency-Key")
    };
    posts.map(|(path, operation)| (path.clone(), takes_key(operation))).collect()
}

#[tokio::test]
async fn calls_are_repeated_by_their_key_where_the_operation_takes_one() {
    let (one, other) = (Instance::start(Does::BreakOff).await, Instance::start(Does::BreakOff).await);
    let ports = [one.port, other.port];
    let gateway = in_front_of(&ports, &ports, &ports);
    let client = Client::new(gateway.base());
    let (posts, mut counts) = (posts(), [0, 0]);
    for (path, takes_key) in posts {
        // Every part in braces is a number.
        let parts = path.split('/').map(|part| if part.starts_with('{') { "1" } else { part });
        let path = parts.collect::<Vec<_>>().join("/");
        client.post(&path, json!({})).key("k").await.unavailable();
        let times = one.got().len() + other.got().len();
        assert!(if takes_key { times >= 2 } else { times == 1 }, "{path}: {times} times");
        counts[usize::from(takes_key)] += 1;
    }
    assert!(counts.iter().all(|count| *count >= 14), "{counts:?}");
}

#[tokio::test]
async fn a_balancer_is_told_that_a_gateway_is_about_to_end() {
    let instance = Instance::start(Does::Answer).await;
    let (_gateway, client) = in_front(&[&instance]);
    assert_eq!(client.get("/health/balancer").await.is(200).json(), json!({"status": "UP"}));
    std::fs::write(folder_of_test(Environment::get()).join("gateway/ending"), "").unwrap();
    client.get("/health/balancer").await.unavailable();
    client.get("/health/live").await.is(200);
    client.get("/api/orders").await.is(200);
}

#[tokio::test]
async fn only_what_may_be_repeated_goes_over_kept_connections() {
    let instance = Instance::start(Does::Answer).await;
    let (_gateway, client) = in_front(&[&instance]);
    for method in METHODS {
        for key in [false, true] {
            let call = client.call(method.clone(), "/api/orders/1/cancel");
            let answer = if key { call.key("k").await } else { call.await };
            answer.is(200);
            let kept = method == Method::GET || (method == Method::POST && key);
            assert_eq!(instance.got()[0].contains("connection: close"), !kept, "{method} {key}");
        }
    }
}

#[tokio::test]
async fn what_it_answers_itself_is_a_problem() {
    let gateway = in_front_of(&[], &[], &[]);
    let client = Client::new(gateway.base());
    let own = |answer: &Response| {
        assert_eq!(answer.header("x-content-type-options"), "nosniff");
        assert_eq!(answer.header("cache-control"), "no-store");
        assert_eq!(answer.header("content-security-policy"), "default-src 'none'; frame-ancestors 'none'");
        assert_eq!(answer.header("server"), "nginx", "without its version");
        assert_eq!(answer.find_header("strict-transport-security"), None);
        assert_eq!(answer.header("x-request-id").len(), 32);
    };
    for path in ["/nothing", "/metrics", "/api/inventory/reservations", "/api/nothing/%22%7b", "/api/x?token=secret"] {
        let answer = client.get(path).await;
        answer.problem(404, "not-found");
        own(&answer);
        assert!(!answer.text.contains("secret"));
    }
    let away = client.get("/api/orders").await;
    away.unavailable();
    own(&away);
    let link = client.get("/api/orders/guest/s3cret").await;
    link.unavailable();
    client.post("/api/orders/guest/s3cret/claim", json!({})).await.unavailable();
    client.get("/api/orders/customer/ada@example.com?x=s3cret").await.is(503);
    client.call(Method::TRACE, "/api/orders").await.problem(405, "method-not-allowed");
    let live = client.get("/health/live").await.is(200);
    assert_eq!(live.json(), json!({"status": "UP"}));
    let long = client.get("/api/orders").header("x-long", &"x".repeat(20_000)).await;
    long.problem(431, "request-header-fields-too-large");
    let log = gateway.access_log();
    assert!(!log.contains("s3cret") && !log.contains("ada@"), "{log}");
    for line in log.lines() {
        let line: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        assert!(line["status"].as_u64().is_some_and(|status| status >= 200), "{line}");
    }
    assert_eq!(log.lines().filter(|line| line.contains("/api/orders/guest/hidden")).count(), 2, "{log}");
}

#[tokio::test]
async fn bodies_are_as_long_as_the_services_take_them() {
    let (orders, accounts) = (Instance::start(Does::Answer).await, Instance::start(Does::Answer).await);
    let gateway = in_front_of(&[orders.port], &[], &[accounts.port]);
    let client = Client::new(gateway.base());
    for path in ["/api/orders", "/api/auth/login", "/api/accounts/me"] {
        let most = service_kit::server::longest_body(path);
        let of_length = |length: usize| client.call(Method::POST, path).body("application/json", "x".repeat(length));
        of_length(most).await.is(200);
        of_length(most + 1).await.problem(413, "body-too-large");
    }
    assert_eq!((orders.count(), accounts.count()), (1, 2));
}

#[tokio::test]
async fn one_client_gets_no_more_than_its_share() {
    let instance = Instance::start(Does::Answer).await;
    let gateway = start(&[instance.port], &[], &[], Limits { per_second: 1, at_once: 100 }, None);
    let client = Client::new(gateway.base());
    let mut served = 0;
    let refused = loop {
        let answer = client.get("/api/orders").await;
        if answer.status != 200 {
            break answer;
        }
        served += 1;
    };
    assert!((200..230).contains(&served), "{served}");
    refused.problem(429, "rate-limited");
    assert_eq!(refused.header("retry-after"), "1");

    let slow = Instance::start(Does::Nothing).await;
    let gateway = start(&[slow.port], &[], &[], Limits { per_second: 1000, at_once: 3 }, None);
    let mut waiting = Vec::new();
    for _ in 0..3 {
        let mut connection = Raw::connect(gateway.port()).await;
        connection.send("GET /api/orders HTTP/1.1\r\nhost: localhost\r\n\r\n").await.unwrap();
        waiting.push(connection);
    }
    poll::eventually("three requests to wait", async || poll::equal(slow.count(), 3)).await;
    Client::new(gateway.base()).get("/api/orders").await.problem(429, "rate-limited");
    drop(waiting);
    let again = "GET /nothing HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";
    assert_eq!(raw::status(&raw::exchange(gateway.port(), again).await), 404);
}

#[tokio::test]
async fn what_is_compressed_can_still_be_changed_by_its_etag() {
    let shop = Shop::plan().without_broker().behind_a_gateway().open().await;
    let (_gateway, client) = shop.gateway();
    let ada = shop.register("ada@example.com").await;
    let adas = ada.calls(&client);
    let mut long = order(&[(LAPTOP, 1)]);
    long["note"] = json!("x".repeat(500));
    long["shippingAddress"] = json!("y".repeat(400));
    let id = adas.post("/api/orders", long).await.is(201).json()["id"].to_string();
    let path = format!("/api/orders/{id}");
    let plain = adas.get(&path).await.is(200);
    assert_eq!(plain.header("etag"), "\"1\"");
    let packed = adas.get(&path).header("accept-encoding", "gzip").await.is(200);
    assert_eq!((packed.header("content-encoding"), packed.header("etag")), ("gzip", "W/\"1\""));
    assert!(packed.header("vary").to_lowercase().contains("accept-encoding"));
    let asked = adas.get(&path).header("accept-encoding", "gzip").header("if-none-match", packed.header("etag"));
    asked.await.is(304);
    let change = |etag: &str| adas.patch(&path, json!({"note": "short"})).header("if-match", etag);
    change("W/\"2\"").await.problem(412, "precondition-failed");
    change(packed.header("etag")).await.is(200);
}

#[tokio::test]
async fn one_swagger_ui_shows_what_is_reachable_of_all_services() {
    let shop = Shop::plan().without_broker().behind_a_gateway().open().await;
    let (_gateway, client) = shop.gateway();
    assert_eq!(client.get("/").await.is(302).header("location"), "/docs/");
    assert_eq!(client.get("/docs").await.is(308).header("location"), "/docs/");
    let mut browser = Browser::start(&folder_of_test(Environment::get()));
    for name in ["order-service", "inventory-service", "account-service"] {
        let document = client.get(&format!("/docs/{name}.json")).await.is(200).json();
        let paths = document["paths"].as_object().unwrap().iter();
        let reachable = paths.filter(|(path, _)| {
            !["/internal/", "/health/", "/api/admin/", "/api/inventory/reserv"].iter().any(|it| path.starts_with(it))
        });
        let operations: usize = reachable.map(|(_, item)| item.as_object().unwrap().len()).sum();
        browser.open(&format!("{}/docs/?urls.primaryName={name}", client.base()));
        let all = format!("document.querySelectorAll('.opblock').length === {operations}");
        browser.wait_for("every operation", &all);
        let title = browser.evaluate("document.querySelector('.info .title').innerText");
        assert!(title.as_str().unwrap().contains(document["info"]["title"].as_str().unwrap()), "{title}");
        assert_eq!(browser.complaints(), &[] as &[String]);
    }
}
