//! Every operation through the gateway: it shows what is for people and keeps the rest to itself, and who may call what is as
//! it is without it.

use super::{Operation, operations, unauthenticated};
use crate::contract::{PUBLIC, is_webhook, rule};
use e2e::client::{Client, Response};
use e2e::raw;
use e2e::shop::Shop;
use serde_json::json;

/// What the gateway keeps to itself, whoever calls.
const CLOSED: [&str; 4] = ["/internal/", "/api/admin/", "/api/inventory/reserv", "/health/ready"];

fn is_closed(name: &str) -> bool {
    CLOSED.iter().any(|path| name.split_once(' ').unwrap().1.starts_with(path))
}

/// The operations that services have, called through the gateway. `/health/live` is the gateway's own.
async fn through<'a>(shop: &Shop, gateway: &'a Client) -> Vec<Operation<'a>> {
    let all = operations(shop).await.into_iter().filter(|it| it.name != "get /health/live");
    all.map(|it| {
        let Operation { service, name, path, method, document, .. } = it;
        Operation { client: gateway, service, name, path, method, document }
    })
    .collect()
}

/// A service that has no such path says so in these words, as the gateway does.
fn reached_its_route(operation: &Operation<'_>, answer: &Response) {
    let nowhere = format!("\"{} does not exist\"", operation.path);
    assert!(!answer.text.contains(&nowhere), "{} went to another service: {}", operation.name, answer.text);
    assert!(answer.status < 500, "{}: {}", operation.name, answer.text);
}

#[tokio::test]
async fn the_matrix_holds_through_it() {
    let shop = Shop::plan().without_broker().behind_a_gateway().open().await;
    let (_gateway, client) = shop.gateway();
    let signer = shop.signer().await;
    let of_role = |role: &str| signer.token(json!({"roles": [role]}));
    let key = |scope: &str| {
        let id = uuid::Uuid::now_v7();
        signer.token(json!({"client_id": id, "amr": ["api_key"], "scope": scope, "roles": ["ADMIN"]}))
    };
    let (customer, seller, admin) = (of_role("CUSTOMER"), of_role("SELLER"), of_role("ADMIN"));
    let (nothing, other_key) = (signer.token(json!({"roles": []})), key("nothing:of-this"));
    let mut open = 0;
    for operation in through(&shop, &client).await {
        let (name, (who, scope)) = (&operation.name, rule(&operation.name));
        let all = who == "everybody";
        let with = |token: &str| operation.call().header("authorization", &format!("Bearer {token}"));
        if is_closed(name) {
            for token in [&customer, &seller, &admin, &nothing, &key(scope.unwrap_or_default())] {
                with(token).await.problem(404, "not-found");
            }
            operation.call().await.problem(404, "not-found");
            continue;
        }
        open += 1;
        let own_key = key(scope.unwrap_or_default());
        for (caller, token, may) in [
            ("a customer", &customer, all || who == "people" || who.starts_with("customers")),
            ("a seller", &seller, all || who == "people"),
            ("an administrator", &admin, who != "customers"),
            ("nobody in particular", &nothing, all),
            ("a key for it", &own_key, all || scope.is_some()),
            ("a key for something else", &other_key, all),
        ] {
            let answer = with(token).await;
            reached_its_route(&operation, &answer);
            if may {
                let own_secret = is_webhook(name) && answer.status == 401;
                assert!(own_secret || ![401, 403].contains(&answer.status), "{caller}, {name}: {}", answer.text);
            } else {
                answer.problem(403, "forbidden");
            }
        }
        // Who comes without a token does not come from this machine.
        let unnamed = operation.call().await;
        reached_its_route(&operation, &unnamed);
        if rule(name) != PUBLIC {
            unnamed.problem(403, "protected-mode");
        }
        unauthenticated(&with("nonsense").await);
    }
    assert!(open > 60, "{open} operations are open");
}

#[tokio::test]
async fn no_spelling_reaches_what_is_closed() {
    let shop = Shop::plan().without_broker().behind_a_gateway().open().await;
    let (gateway, _) = shop.gateway();
    let token = shop.signer().await.token(json!({"roles": ["ADMIN"]}));
    let ask = async |port: u16, target: &str| {
        let head = format!("GET {target} HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {token}\r\n");
        raw::exchange(port, format!("{head}connection: close\r\n\r\n")).await
    };
    // These are there.
    let (order, inventory) = (shop.order_services[0].port(), shop.inventory_services[0].port());
    for (port, path) in [
        (order, "/api/admin/invariants"),
        (order, "/metrics"),
        (order, "/api-docs/openapi.json"),
        (inventory, "/api/inventory/reservations"),
    ] {
        assert_eq!(raw::status(&ask(port, path).await), 200, "{path}");
    }
    for target in [
        "/metrics",
        "//metrics",
        "/%6detrics",
        "/metrics?x=1",
        "http://localhost/metrics",
        "/docs/../metrics",
        "/docs/%2e%2e/metrics",
        "/docs/..%2fmetrics",
        "/health/ready",
        "/swagger-ui/",
        "/api-docs/openapi.json",
        "/docs/../api-docs/openapi.json",
        "/internal/codes/1/take",
        "/api/admin/invariants",
        "/api//admin/invariants",
        "/api/%61dmin/invariants",
        "/API/admin/invariants",
        "/api/orders/../admin/invariants",
        "/api/orders/%2e%2e/admin/invariants",
        "/api/orders/.%2E%2Fadmin%2finvariants",
        "/api/orders/x/../../admin/invariants",
        "/api/orders/./../admin/invariants",
        "/api/admin/dead-letters/..%2f..%2forders",
        "/api/admin/dead-letters/%2e%2e/../orders",
        "/api/inventory/reservations",
        "/api/inventory//reservations",
        "/api/inventory/products/../reservations",
        "/api/inventory/products/%2E%2E/reservations",
        "/api/inventory/products/..%2Freservations?page=1",
        "/api/inventory/reservations/%2e%2e/products",
        "/api/inventory/products/..",
    ] {
        let answer = ask(gateway.port(), target).await;
        // A service that got one of these would say 400: there is no such id.
        assert_eq!(raw::status(&answer), 404, "{target}: {answer}");
    }
    // Dots elsewhere are nobody's business.
    for target in ["/api/inventory/products?name=/../x", "/api/orders/customer/a..b@c.example"] {
        let answer = ask(gateway.port(), target).await;
        assert!(raw::status(&answer) != 404, "{target}: {answer}");
    }
}
