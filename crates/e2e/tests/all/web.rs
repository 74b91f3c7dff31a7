//! What every route of both services has in common: problems, request ids, health, metrics, Swagger UI.

use e2e::client::Client;
use e2e::samples::{LAPTOP, order, product, text};
use e2e::shop::Shop;
use reqwest::Method;
use serde_json::json;

/// Both services, each with a route that takes a body, and such a body.
fn services(shop: &Shop) -> [(&Client, &'static str, serde_json::Value); 2] {
    [
        (shop.orders(), "/api/orders", order(&[(LAPTOP, 1)])),
        (shop.inventory(), "/api/inventory/products", product("NEW-1", "1.00", 1)),
    ]
}

async fn without_messages() -> Shop {
    Shop::plan().without_broker().open().await
}

#[tokio::test]
async fn what_is_not_there_is_a_problem() {
    let shop = without_messages().await;
    for (client, path, _) in services(&shop) {
        for unknown in ["/api/nothing", "/api", "/swagger", &format!("{path}/1/2/3/4")] {
            client.get(unknown).await.problem(404, "not-found");
        }
        client.delete(path).await.problem(405, "method-not-allowed");
        client.call(Method::PATCH, "/health/live").await.problem(405, "method-not-allowed");
        assert!(client.delete(path).await.header("allow").contains("POST"));
    }
}

#[tokio::test]
async fn a_body_for_a_log_in_is_short() {
    let shop = Shop::plan().inventory_only().with_accounts().open().await;
    let document = shop.accounts().get("/api-docs/openapi.json").await.is(200).json();
    // Without a token a form could be a page's, and is refused before it is read.
    let admin = shop.administrator("root@example.com").await;
    let mut tried = 0;
    for (path, item) in document["paths"].as_object().unwrap() {
        let body = &item["post"]["requestBody"]["content"];
        if !path.starts_with("/api/auth/") || !body.is_object() {
            continue;
        }
        let media_type = body.as_object().unwrap().keys().next().unwrap();
        let of_length = |length: usize| {
            let call = admin.accounts().call(Method::POST, path);
            let (head, tail) = if media_type == "application/json" { ("{\"x\": \"", "\"}") } else { ("x=", "") };
            call.body(media_type, format!("{head}{}{tail}", "x".repeat(length - head.len() - tail.len())))
        };
        let detail = of_length(4 * 1024 + 1).await.problem(413, "body-too-large")["detail"].to_string();
        assert!(detail.contains("at most 4 KiB"), "{path}: {detail}");
        assert_eq!(of_length(4 * 1024).await.status, 400, "{path}");
        tried += 1;
    }
    assert!(tried >= 7, "{tried}");
    let address = json!({"name": "x".repeat(5000)});
    let ada = shop.register("ada@example.com").await;
    assert_eq!(
        ada.accounts().post("/api/accounts/me/addresses", address).await.status,
        400,
        "elsewhere they are longer"
    );
}

#[tokio::test]
async fn a_body_that_cannot_be_read_is_a_problem() {
    let shop = without_messages().await;
    for (client, path, body) in services(&shop) {
        let post = || client.call(Method::POST, path);
        for media_type in ["text/plain", "application/x-www-form-urlencoded", "application/xml"] {
            post().body(media_type, body.to_string()).await.problem(415, "unsupported-media-type");
        }
        post().await.problem(415, "unsupported-media-type");
        post().body("application/json; charset=utf-8", body.to_string()).await.is(201);
        let large = format!("{{\"name\": \"{}\"}}", "x".repeat(1024 * 1024));
        post().body("application/json", large).await.problem(413, "body-too-large");
        for malformed in ["", "{", "{\"a\": 1,}", "nonsense", "{} {}", "\u{0}"] {
            post().body("application/json", malformed).await.problem(400, "malformed-json");
        }
        let text = if path == "/api/orders" { "customerName" } else { "name" };
        let no_text = [&b"\xff"[..], b"\\ud800", b"\n"];
        for no_text in no_text.map(|bytes| [b"{\"", text.as_bytes(), b"\": \"", bytes, b"\"}"].concat()) {
            post().body("application/json", no_text).await.problem(400, "malformed-json");
        }
        for other in ["[]", "7", "null", "\"text\""] {
            let refused = post().body("application/json", other).await.is(400);
            assert_eq!(refused.header("content-type"), "application/problem+json", "{other}");
        }
        let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
        post().body("application/json", deep).await.is(400);
    }
}

#[tokio::test]
async fn an_id_that_cannot_be_read_is_a_problem() {
    let shop = without_messages().await;
    let paths = ["/api/inventory/products", "/api/inventory/reservations"];
    let paths = paths.map(|path| (shop.inventory(), path)).into_iter().chain([(shop.orders(), "/api/orders")]);
    for (client, path) in paths {
        for id in ["seven", "1.5", "99999999999999999999", "%00", "1%20"] {
            client.get(&format!("{path}/{id}")).await.problem(400, "invalid-path");
        }
    }
    for id in ["0", "-1", "9223372036854775807"] {
        shop.orders().get(&format!("/api/orders/{id}")).await.problem(404, "not-found");
        shop.inventory().get(&format!("/api/inventory/products/{id}")).await.problem(404, "not-found");
    }
}

#[tokio::test]
async fn a_request_keeps_its_id() {
    let shop = without_messages().await;
    for (client, path, _) in services(&shop) {
        for path in [path, "/health/live", "/api/nothing"] {
            let answer = client.get(path).header("x-request-id", "my-request-7").await;
            assert_eq!(answer.header("x-request-id"), "my-request-7");
            let (first, second) = (client.get(path).await, client.get(path).await);
            assert_ne!(first.header("x-request-id"), second.header("x-request-id"));
        }
    }
}

#[tokio::test]
async fn health_names_every_dependency() {
    let shop = Shop::open().await;
    for (client, dependencies) in [
        (shop.orders(), &["inventory-service", "postgresql", "rabbitmq"][..]),
        (shop.inventory(), &["postgresql", "rabbitmq"]),
    ] {
        assert_eq!(client.get("/health/live").await.is(200).json()["status"], "UP");
        let ready = client.get("/health/ready").await.is(200).json();
        assert_eq!(ready["status"], "UP");
        let named: Vec<&String> = ready["dependencies"].as_object().unwrap().keys().collect();
        assert_eq!(named, dependencies);
        for dependency in dependencies {
            assert_eq!(ready["dependencies"][dependency]["status"], "UP", "{ready}");
        }
    }
}

#[tokio::test]
async fn metrics_count_requests_by_route() {
    let shop = without_messages().await;
    for (client, path, body) in services(&shop) {
        client.post(path, body).await.is(201);
        client.get(&format!("{path}/1")).await.is(200);
        client.get("/api/nothing").await.is(404);
        client.call("BREW".parse().unwrap(), path).await.is(405);
        let metrics = client.get("/metrics").await.is(200);
        assert!(metrics.header("content-type").starts_with("text/plain"), "{:?}", metrics.headers);
        let has = |labels: &[&str]| {
            let mut lines = metrics.text.lines().filter(|line| line.starts_with("http_request_duration_seconds_count"));
            lines.any(|line| labels.iter().all(|label| line.contains(label)))
        };
        let route = format!("route=\"{path}\"");
        assert!(has(&["method=\"POST\"", &route, "status=\"201\""]), "{}", metrics.text);
        assert!(has(&["method=\"GET\"", &format!("route=\"{path}/{{id}}\""), "status=\"200\""]), "{}", metrics.text);
        assert!(!metrics.text.contains("/api/nothing"), "an unknown path must not make a series of its own");
        assert!(has(&["method=\"other\"", "status=\"405\""]), "{}", metrics.text);
        assert!(!metrics.text.contains("BREW"), "nor must a method that somebody makes up");
    }
}

#[tokio::test]
async fn swagger_ui_is_served() {
    let shop = without_messages().await;
    for (client, ..) in services(&shop) {
        for path in ["/swagger-ui/", "/swagger-ui/index.html"] {
            let page = client.get(path).await.is(200);
            assert!(page.header("content-type").starts_with("text/html"), "{:?}", page.headers);
            assert!(page.text.contains("swagger-ui"), "{}", page.text);
        }
        let answer = client.get("/swagger-ui").await;
        assert!((300..400).contains(&answer.status), "{}", answer.status);
        assert_eq!(answer.header("location"), "/swagger-ui/");
    }
}

#[tokio::test]
async fn the_first_page_says_what_the_service_is_and_how_it_is() {
    let shop = without_messages().await;
    for (client, ..) in services(&shop) {
        let page = client.get("/").await.is(200);
        assert_eq!(page.header("content-type"), "text/html; charset=utf-8");
        let policy = page.header("content-security-policy");
        assert!(policy.starts_with("default-src 'none'; style-src 'self'; img-src 'self';"), "{policy}");
        assert!(!policy.contains("unsafe"), "{policy}");
        let document = client.get("/api-docs/openapi.json").await.is(200).json();
        for part in [&document["info"]["title"], &document["info"]["version"]] {
            assert!(page.text.contains(text(part)), "{part} in {}", page.text);
        }
        for part in
            ["postgresql</th><td><span class=\"state up\">UP", "rabbitmq</th><td><span class=\"state down\">DOWN"]
        {
            assert!(page.text.contains(part), "{part} in {}", page.text);
        }
        let links: Vec<&str> = page.text.split("href=\"").skip(1).filter_map(|rest| rest.split('"').next()).collect();
        assert_eq!(links.len(), 6, "{links:?}");
        for link in links {
            client.get(link).await.is(200);
        }
    }
}

#[tokio::test]
async fn a_trace_goes_on_in_the_events() {
    let shop = without_messages().await;
    let trace = "4bf92f3577b34da6a3ce929d0e0e4736";
    let traceparent = format!("00-{trace}-00f067aa0ba902b7-01");
    shop.orders().post("/api/orders", order(&[(LAPTOP, 1)])).header("traceparent", &traceparent).await.is(201);
    let events = shop.database.texts("SELECT convert_from(body, 'UTF8') FROM orders.outbox").await;
    assert_eq!(events.len(), 1);
    let event: serde_json::Value = serde_json::from_str(&events[0]).unwrap();
    assert!(text(&event["traceparent"]).starts_with(&format!("00-{trace}-")), "{event}");
    assert_eq!(event["specversion"], json!("1.0"));
}
