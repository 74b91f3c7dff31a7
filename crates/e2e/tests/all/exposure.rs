//! What others get to see and do: web pages, names that point here, unknown proxies, readers of logs and of health checks.

use e2e::client::{Client, Response};
use e2e::raw::{exchange, status};
use e2e::samples::{LAPTOP, int, order, product};
use e2e::shop::Shop;
use reqwest::Method;
use serde_json::json;
use testbed::{ports, readiness};

async fn without_messages() -> Shop {
    Shop::plan().without_broker().open().await
}

#[tokio::test]
async fn another_web_page_cannot_change_anything() {
    let shop = without_messages().await;
    let id = int(&shop.place(&[(LAPTOP, 1)]).await["id"]);
    let path = format!("/api/orders/{id}/cancel");
    let cancel = || shop.orders().call(Method::POST, &path);
    for (header, value) in [
        ("origin", "http://evil.example"),
        ("origin", "null"),
        ("sec-fetch-site", "cross-site"),
        ("host", "evil.example"),
        ("x-forwarded-for", "198.51.100.1"),
    ] {
        let refused = cancel().header(header, value).await.problem(403, "protected-mode");
        let detail = refused["detail"].as_str().unwrap();
        assert!(detail.contains("ALLOWED_HOSTS") || detail.contains("TRUSTED_PROXIES"), "{detail}");
        // A form is sent without being asked: that this route does not take it is said first.
        let form = shop.orders().call(Method::POST, "/api/orders").header(header, value);
        form.body("application/x-www-form-urlencoded", "a=b").await.problem(415, "unsupported-media-type");
    }
    assert_eq!(shop.orders().get(&format!("/api/orders/{id}")).await.is(200).json()["status"], "PENDING");
    // Swagger UI sends its own origin.
    let own = cancel().header("origin", shop.orders().base()).header("sec-fetch-site", "same-origin");
    own.await.is(200);
}

#[tokio::test]
async fn a_name_that_was_pointed_here_reads_nothing() {
    let shop = without_messages().await;
    for client in [shop.orders(), shop.inventory()] {
        for path in ["/api/orders", "/api/inventory/products", "/swagger-ui/", "/health/live", "/metrics", "/nothing"] {
            client.get(path).header("host", "evil.example:8081").await.problem(403, "protected-mode");
        }
        for host in ["localhost", "LOCALHOST:1", "127.0.0.1", "127.8.9.10:80", "[::1]:8081"] {
            client.get("/health/ready").header("host", host).await.is(200);
        }
        // A probe knows the address alone.
        for path in ["/health/live", "/health/ready", "/metrics"] {
            client.get(path).header("host", "10.1.2.3:8081").await.is(200);
        }
        client.get("/api/orders").header("host", "10.1.2.3:8081").await.problem(403, "protected-mode");
    }
}

#[tokio::test]
async fn hosts_and_proxies_can_be_allowed() {
    let plan = Shop::plan().without_broker().order_variable("ALLOWED_HOSTS", "shop.example, order-service");
    let plan = plan.order_variable("TRUSTED_PROXIES", "127.0.0.0/8").order_variable("RATE_LIMIT_PER_SECOND", "2");
    let plan = plan.order_variable("ACCESS", "open");
    let shop = plan.open().await;
    let read = |host, client| {
        let call = shop.orders().get("/api/orders").header("host", host);
        call.header("x-forwarded-for", client).header("x-forwarded-proto", "https")
    };
    read("shop.example", "198.51.100.1").await.is(200);
    read("order-service:8081", "198.51.100.2").await.is(200);
    read("evil.example", "198.51.100.3").await.problem(403, "protected-mode");
    let own = shop.orders().post("/api/orders", order(&[(LAPTOP, 1)])).header("host", "shop.example");
    own.header("origin", "https://shop.example").header("x-forwarded-for", "198.51.100.4").await.is(201);
    // Behind the proxy each client has a share of its own, whatever it writes itself.
    let mut refused = 0;
    for made_up in 0..20 {
        let busy = read("shop.example", Box::leak(format!("203.0.113.{made_up}, 198.51.100.9").into_boxed_str())).await;
        refused += usize::from(busy.status == 429);
    }
    assert!(refused > 0, "one client had more than its share");
    read("shop.example", "198.51.100.10").await.is(200);
}

fn assert_guarded(answer: &Response, what: &str) {
    assert_eq!(answer.header("x-content-type-options"), "nosniff", "{what}");
    assert!(answer.header("content-security-policy").contains("frame-ancestors 'none'"), "{what}");
    let keeps = if answer.find_header("etag").is_some() { "private, no-cache" } else { "no-store" };
    assert_eq!(answer.header("cache-control"), keeps, "{what}");
}

#[tokio::test]
async fn every_answer_says_what_may_be_done_with_it() {
    let shop = without_messages().await;
    let id = int(&shop.place(&[(LAPTOP, 1)]).await["id"]);
    let order = format!("/api/orders/{id}");
    let paths =
        ["/", "/status.css", "/metrics", "/health/live", "/health/ready", "/swagger-ui/", "/swagger-ui/swagger-ui.css"];
    let paths = paths.into_iter().chain(["/api-docs/openapi.json", "/nothing", "/swagger-ui/nothing", "/api/orders"]);
    for path in paths.chain([&*order, "/api/orders/seven"]) {
        assert_guarded(&shop.orders().get(path).await, path);
        assert_guarded(&shop.orders().delete(path).await, path);
    }
    assert_guarded(&shop.inventory().get("/api/inventory/products/1").await.is(200), "a product");
    let read = shop.orders().get(&order).await.is(200);
    let known = shop.orders().get(&order).header("if-none-match", read.header("etag")).await.is(304);
    assert_guarded(&known, "304");
    let page = shop.orders().get("/swagger-ui/").await.is(200);
    assert_eq!(page.header("content-type"), "text/html; charset=utf-8");
    shop.orders().get("/swagger-ui/nothing").await.problem(404, "not-found");
    shop.orders().delete("/swagger-ui/").await.problem(405, "method-not-allowed");
}

#[tokio::test]
async fn request_ids_and_traces_are_taken_over_only_where_they_are_valid() {
    let shop = without_messages().await;
    let port = shop.order_services[0].port();
    for id in ["\u{fc}", "a\tb", "a b", &"x".repeat(129)] {
        let request =
            format!("GET /health/live HTTP/1.1\r\nHost: localhost\r\nX-Request-Id: {id}\r\nConnection: close\r\n\r\n");
        let answer = exchange(port, request).await;
        assert_eq!(status(&answer), 200);
        let own = answer.lines().find_map(|line| line.strip_prefix("x-request-id: ")).unwrap();
        assert_eq!(own.len(), 36, "{own}");
    }
    let trace = "4bf92f3577b34da6a3ce929d0e0e4736";
    let parents = ["\"<", "0", "0G", "0A"].map(|flags| format!("00-{trace}-00f067aa0ba902b7-{flags}"));
    let others = [format!("00-{trace}-0000000000000000-01"), format!("ff-{trace}-00f067aa0ba902b7-01")];
    for traceparent in parents.into_iter().chain(others) {
        shop.orders().post("/api/orders", order(&[(LAPTOP, 1)])).header("traceparent", &traceparent).await.is(201);
    }
    for event in shop.database.texts("SELECT convert_from(body, 'UTF8') FROM orders.outbox").await {
        assert!(!event.contains(trace), "{event}");
        let event: serde_json::Value = serde_json::from_str(&event).unwrap();
        assert!(event["traceparent"].as_str().unwrap().ends_with("-00"), "nothing here samples: {event}");
    }
}

#[tokio::test]
async fn a_bad_url_ends_the_start_and_is_not_shown() {
    let mut shop = without_messages().await;
    for (variable, value) in [
        ("AMQP_URL", "u:s3cr3t@127.0.0.1:5672/%2f"),
        ("AMQP_URL", "amqp:u:s3cr3t@127.0.0.1"),
        ("AMQP_URL", "amqp://u:s3cr3t@127.0.0.1:port/%2f"),
        ("DATABASE_URL", "mysql://u:s3cr3t@127.0.0.1/oms"),
        ("DATABASE_URL", "u:s3cr3t@127.0.0.1/oms"),
        ("INVENTORY_SERVICE_URL", "u:s3cr3t@127.0.0.1:8082"),
    ] {
        let service = &mut shop.order_services[0];
        service.kill();
        let before = service.log_lines(&[&format!("error: {variable}: must look like")]);
        let healthy = service.environment(variable).expect("the variable is set");
        service.set(variable, value);
        service.launch();
        assert!(!service.ended().await.success(), "{variable}={value}");
        assert_eq!(service.log_lines(&[&format!("error: {variable}: must look like")]), before + 1);
        assert_eq!(service.log_lines(&["s3cr3t"]), 0, "{}", service.log());
        service.set(variable, &healthy);
    }
    shop.order_services[0].start().await;
}

#[tokio::test]
async fn health_shows_no_text_of_a_library() {
    let mut shop = without_messages().await;
    shop.inventory_services[0].kill();
    let ready = shop.orders().get("/health/ready").await.is(200).json();
    for dependency in ["rabbitmq", "inventory-service"] {
        let detail = ready["dependencies"][dependency]["detail"].as_str().unwrap();
        assert!(detail.starts_with("no connection"), "{ready}");
        assert!(!detail.contains("127.0.0.1"), "{ready}");
    }
}

#[tokio::test]
async fn the_log_holds_no_address_of_a_customer() {
    let plan = Shop::plan().without_broker().order_variable("RUST_LOG", "debug,sqlx=warn");
    let shop = plan.own_postgres().open().await;
    let paths = ["/api/orders/customer/grace%40example.com", "/api/orders?customerEmail=grace%40example.com"];
    for path in paths.into_iter().chain(["/api/notifications?customerEmail=grace%40example.com", "/grace@example.com"])
    {
        let _ = shop.orders().get(path).await;
    }
    shop.postgres.as_ref().unwrap().kill().unwrap();
    for path in paths {
        shop.orders().get(path).await.unavailable();
    }
    let service = &shop.order_services[0];
    assert!(service.log_lines(&["route=\"/api/orders/customer/{email}\""]) > 0, "{}", service.log());
    for text in ["grace@example.com", "grace%40example.com"] {
        assert_eq!(service.log_lines(&[text]), 0, "{text} in {}", service.log());
    }
}

#[tokio::test]
async fn who_brings_no_secret_is_told_how() {
    let shop = Shop::plan().without_broker().order_variable("BREVO_WEBHOOK_SECRET", "hush").open().await;
    let report =
        shop.orders().post("/api/notifications/webhooks/brevo", json!({"event": "delivered", "message-id": "a"}));
    let refused = report.await;
    refused.problem(401, "unauthorized");
    assert!(refused.header("www-authenticate").starts_with("X-Webhook-Secret"));
}

#[tokio::test]
async fn operators_can_have_a_port_of_their_own() {
    let port = ports::free_port().unwrap();
    let plan = Shop::plan().inventory_only().inventory_variable("MANAGEMENT_PORT", &port.to_string());
    let shop = plan.open().await;
    let operators = Client::new(format!("http://127.0.0.1:{port}"));
    shop.inventory().get("/metrics").await.problem(404, "not-found");
    let ready = shop.inventory().get("/health/ready").await.is(200).json();
    assert!(ready.get("dependencies").is_none() && ready["status"].is_string(), "{ready}");
    shop.inventory().get("/health/live").await.is(200);
    shop.inventory().post("/api/inventory/products", product("NEW-1", "1.00", 1)).await.is(201);
    assert!(operators.get("/metrics").await.is(200).text.contains("route=\"/api/inventory/products\""));
    assert_eq!(operators.get("/health/ready").await.json()["dependencies"]["postgresql"]["status"], "UP");
    operators.get("/health/live").await.is(200);
    operators.get("/api/inventory/products").await.problem(404, "not-found");
    operators.get("/swagger-ui/").await.problem(404, "not-found");
    readiness::check(port, &["UP", "DEGRADED"]).unwrap();
}
