//! Who may call what: every operation of all documents with every kind of caller, held to the contract.

mod audited;
mod callers;
mod gateway;
mod others;

use crate::contract::{PUBLIC, is_webhook, rule};
use e2e::client::{Call, Client, Response};
use e2e::environment::workspace;
use e2e::samples::{LAPTOP, order};
use e2e::shop::{Plan, Shop};
use reqwest::Method;
use serde_json::{Value, json};
use testbed::ports;

/// A shop in which requests may come through a proxy: those do not come from this machine.
fn behind_a_proxy() -> Plan {
    let plan = Shop::plan().without_broker().order_variable("TRUSTED_PROXIES", "127.0.0.0/8");
    plan.inventory_variable("TRUSTED_PROXIES", "127.0.0.0/8")
}

/// … and with all services.
fn everything() -> Plan {
    behind_a_proxy().account_variable("TRUSTED_PROXIES", "127.0.0.0/8")
}

struct Operation<'a> {
    client: &'a Client,
    service: &'static str,
    name: String,
    path: String,
    method: Method,
    document: Value,
}

impl Operation<'_> {
    fn call(&self) -> Call {
        self.client.call(self.method.clone(), &self.path)
    }

    fn through_the_proxy(&self) -> Call {
        self.call().header("x-forwarded-for", "198.51.100.7")
    }
}

async fn operations(shop: &Shop) -> Vec<Operation<'_>> {
    let mut operations = Vec::new();
    for (service, client) in [
        ("order-service", shop.orders()),
        ("inventory-service", shop.inventory()),
        ("account-service", shop.accounts()),
    ] {
        let document = client.get("/api-docs/openapi.json").await.is(200).json();
        assert_eq!(document["components"]["securitySchemes"]["bearer"]["scheme"], "bearer");
        for (path, item) in document["paths"].as_object().unwrap() {
            for (method, document) in item.as_object().unwrap() {
                let filled = path.replace("{id}", "1").replace("{status}", "PENDING").replace("{email}", "a@b.example");
                let filled = filled.replace("{token}", "x").replace("{account}", &uuid::Uuid::nil().to_string());
                let (name, method) = (format!("{method} {path}"), method.to_uppercase().parse().unwrap());
                operations.push(Operation { client, service, name, path: filled, method, document: document.clone() });
            }
        }
    }
    operations
}

#[tokio::test]
async fn every_operation_has_the_rule_of_the_table() {
    let shop = everything().open().await;
    for Operation { name, document, .. } in operations(&shop).await {
        let access = &document["x-access"];
        let (who, scope) = rule(&name);
        let is = |caller: &str, reach: &str| access[caller] == reach;
        let found = match access["services"].as_array().unwrap().as_slice() {
            [] if is("nobody", "all") && is("customer", "all") && is("seller", "all") && is("admin", "all") => {
                "everybody"
            }
            [] if is("nobody", "none") && is("customer", "own") && is("seller", "none") && is("admin", "all") => {
                if access["guests"] == true {
                    "customers, administrators and guests"
                } else {
                    "customers and administrators"
                }
            }
            [] if is("nobody", "none") && is("customer", "own") && is("seller", "none") && is("admin", "none") => {
                "customers"
            }
            [] if is("nobody", "none") && is("customer", "none") && is("seller", "none") && is("admin", "all") => {
                "administrators"
            }
            [service]
                if service == "order-service"
                    && is("nobody", "none")
                    && is("customer", "none")
                    && is("admin", "all") =>
            {
                "administrators and order-service"
            }
            [service]
                if service == "order-service"
                    && ["nobody", "customer", "seller", "admin"].iter().all(|it| is(it, "none")) =>
            {
                "order-service"
            }
            [] if is("nobody", "none") && ["customer", "seller", "admin"].iter().all(|it| is(it, "own")) => "people",
            _ => "others",
        };
        assert_eq!((found, access["scope"].as_str()), (who, scope), "{name}: {access}");
        // Swagger UI draws no lock where there is nothing to choose from.
        let security = match who {
            "everybody" => json!([]),
            _ if access["guests"] == true => json!([{}, {"bearer": []}]),
            _ => json!([{"bearer": []}]),
        };
        assert_eq!(document["security"], security, "{name}");
        assert!(document["responses"]["401"].is_object() && document["responses"]["403"].is_object(), "{name}");
    }
}

#[tokio::test]
async fn who_may_not_gets_nowhere() {
    let shop = everything().open().await;
    for operation in operations(&shop).await {
        let name = &operation.name;
        // A program on this machine may do everything that needs no account: whatever is wrong with such a call is
        // something else.
        let own = operation.call().await;
        if ["people", "customers"].contains(&rule(name).0) {
            own.problem(403, "forbidden");
        } else {
            assert!(![401, 403].contains(&own.status) || is_webhook(name), "{name}: {}", own.text);
        }
        // Others see what everybody may.
        let other = operation.through_the_proxy().await;
        if rule(name) == PUBLIC {
            assert_eq!(other.status, own.status, "{name}: {}", other.text);
        } else {
            let detail = other.problem(403, "protected-mode")["detail"].to_string();
            assert!(detail.contains("through a proxy") && detail.contains("send a token"), "{detail}");
            assert!(detail.contains("call from this machine by http://localhost"), "{detail}");
        }
        // What is no token is refused, whoever might have come without one.
        for token in ["Bearer nonsense", "Bearer", "Basic YTpi", ""] {
            for call in [operation.call(), operation.through_the_proxy()] {
                unauthenticated(&call.header("authorization", token).await);
            }
        }
        unauthenticated(
            &operation.call().header("authorization", "Bearer a").header("authorization", "Bearer a").await,
        );
    }
}

fn unauthenticated(answer: &Response) {
    answer.problem(401, "unauthenticated");
    assert!(answer.header("www-authenticate").starts_with("Bearer"), "{}", answer.header("www-authenticate"));
}

#[tokio::test]
async fn method_and_path_are_judged_first_and_queries_last() {
    let shop = behind_a_proxy().open().await;
    let get = |path| shop.orders().get(path).header("authorization", "Bearer nonsense");
    get("/nothing").await.problem(404, "not-found");
    let delete = shop.orders().delete("/api/orders").header("authorization", "Bearer nonsense");
    let refused = delete.await;
    refused.problem(405, "method-not-allowed");
    assert!(refused.header("allow").contains("GET"));
    unauthenticated(&get("/api/orders?nosuch=1").await);
    shop.orders().get("/api/orders?nosuch=1").header("via", "1.1 x").await.problem(403, "protected-mode");
    assert_eq!(shop.orders().get("/api/orders?nosuch=1").await.fields_at_fault(), ["nosuch"]);
    // Pages that everybody may see ask for no token, so that none is looked at.
    for page in ["/", "/status.css", "/swagger-ui/", "/api-docs/openapi.json"] {
        let answer = get(page).header("via", "1.1 x").await;
        assert!(answer.status < 400, "{page}: {}", answer.text);
    }
}

#[tokio::test]
async fn pages_of_other_sites_and_other_names_read_nothing_of_this_machine() {
    let plan = behind_a_proxy().order_variable("ALLOWED_HOSTS", "shop.example");
    let shop = plan.open().await;
    for (header, value) in [
        ("host", "shop.example"),
        ("origin", "http://evil.example"),
        ("origin", "https://shop.example"),
        ("sec-fetch-site", "cross-site"),
        ("x-real-ip", "127.0.0.1"),
        ("forwarded", "for=127.0.0.1"),
    ] {
        let read = |path| shop.orders().get(path).header(header, value);
        read("/api/orders").await.problem(403, "protected-mode");
        read("/health/live").await.is(200);
    }
    let own = shop.orders().get("/api/orders").header("origin", "http://localhost:3000");
    own.header("sec-fetch-site", "same-site").await.is(200);
}

#[tokio::test]
async fn guests_order_only_where_they_may() {
    let place = |shop: &Shop| {
        let body = order(&[(LAPTOP, 1)]);
        shop.orders().post("/api/orders", body).header("x-forwarded-for", "198.51.100.7")
    };
    let shop = behind_a_proxy().open().await;
    place(&shop).await.problem(403, "protected-mode");
    let shop = behind_a_proxy().order_variable("GUEST_ORDERS", "true").open().await;
    place(&shop).await.is(201);
    shop.orders().get("/api/orders/1").header("x-forwarded-for", "198.51.100.7").await.problem(403, "protected-mode");
}

#[tokio::test]
async fn an_open_service_lets_everybody_in_and_says_so() {
    let shop = behind_a_proxy().inventory_only().inventory_variable("ACCESS", "open").open().await;
    let inventory = &shop.inventory_services[0];
    let get = |path| shop.inventory().get(path).header("x-forwarded-for", "198.51.100.7");
    get("/api/inventory/reservations").await.is(200);
    unauthenticated(&get("/api/inventory/reservations").header("authorization", "Bearer nonsense").await);
    assert_eq!(get("/health/ready").await.is(200).json()["access"], "open");
    assert!(get("/metrics").await.is(200).text.contains("auth_open{reach=\"network\"} 1"));
    assert_eq!(inventory.log_lines(&["WARN", "ACCESS is open"]), 1, "{}", inventory.log());
}

#[tokio::test]
async fn metrics_and_details_are_for_operators() {
    let shop = behind_a_proxy().inventory_only().open().await;
    let get = |path| shop.inventory().get(path).header("x-forwarded-for", "198.51.100.7");
    get("/metrics").await.problem(403, "protected-mode");
    unauthenticated(&get("/metrics").header("authorization", "Bearer nonsense").await);
    let details = |health: Value| health["dependencies"]["rabbitmq"]["detail"].is_string();
    let health = get("/health/ready").await.is(200).json();
    assert!(!details(health.clone()) && health["dependencies"]["rabbitmq"]["status"] == "DOWN", "{health}");
    assert!(details(shop.inventory().get("/health/ready").await.is(200).json()));
    let metrics = shop.inventory().get("/metrics").await.is(200).text;
    assert!(metrics.contains("auth_open{reach=\"network\"} 0"));

    let port = ports::free_port().unwrap();
    let plan = behind_a_proxy().inventory_only().inventory_variable("MANAGEMENT_PORT", &port.to_string());
    let _shop = plan.open().await;
    let operators = Client::new(format!("http://127.0.0.1:{port}"));
    let get = |path| operators.get(path).header("x-forwarded-for", "198.51.100.7");
    get("/metrics").await.is(200);
    assert!(details(get("/health/ready").await.is(200).json()));
}

#[tokio::test]
async fn a_service_that_nobody_could_call_or_everybody_does_not_start() {
    let mut shop = Shop::plan().without_broker().open().await;
    let services = shop.order_services.iter_mut().chain(&mut shop.inventory_services);
    for service in services {
        for (access, address, advice) in [
            ("required", "127.0.0.1", "set AUTH_ISSUER or TRUSTED_SERVICES"),
            ("local", "0.0.0.0", "set BIND_ADDRESS=127.0.0.1"),
        ] {
            service.kill();
            service.set("ACCESS", access);
            service.set("BIND_ADDRESS", address);
            service.launch();
            assert!(!service.ended().await.success(), "{access} on {address}");
            assert_eq!(service.log_lines(&["error: ACCESS:", advice]), 1, "{}", service.log());
        }
    }
}

#[test]
fn containers_that_are_open_are_published_on_this_machine_alone() {
    let read = |name: &str| std::fs::read_to_string(workspace().join(name)).unwrap();
    let compose = read("docker-compose.yml");
    assert!(compose.contains("ACCESS: open"));
    // The gateway, and the pages of mailpit.
    assert_eq!(ports_of_this_machine(&compose), 2);
    assert!(ports_of_this_machine(&read("deploy/docker/ports.yml")) >= 5, "the ports were not found");
}

/// How many ports a file of docker-compose publishes, all of them on this machine alone.
fn ports_of_this_machine(compose: &str) -> usize {
    let mut lines = compose.lines().map(str::trim_start);
    let mut published = 0;
    while let Some(line) = lines.next() {
        assert!(!line.starts_with("network_mode"), "{line}");
        if !line.starts_with("ports:") {
            continue;
        }
        assert_eq!(line, "ports:", "each port stands on a line of its own");
        for port in lines.by_ref().take_while(|line| line.starts_with("- ")) {
            assert!(port.starts_with("- \"127.0.0.1:"), "{port}");
            published += 1;
        }
    }
    published
}
