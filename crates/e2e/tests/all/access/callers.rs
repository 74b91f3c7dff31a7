//! Every operation with every kind of token.

use super::{Operation, everything, operations, unauthenticated};
use crate::contract::{self, PUBLIC, is_webhook, rule};
use e2e::client::Response;
use e2e::issuer::Issuer;
use serde_json::{Value, json};
use service_kit::access::KEY_SCOPES;

async fn with(operation: &Operation<'_>, token: &str) -> Response {
    operation.call().header("authorization", &format!("Bearer {token}")).await
}

/// What is wrong with the call is not who makes it.
fn let_in(caller: &str, name: &str, answer: &Response) {
    let own_secret = is_webhook(name) && answer.status == 401;
    assert!(own_secret || ![401, 403].contains(&answer.status), "{caller}, {name}: {}", answer.text);
}

#[tokio::test]
async fn each_role_calls_what_is_for_it() {
    let shop = everything().open().await;
    let signer = shop.signer().await;
    let of_role = |role: &str| signer.token(json!({"roles": [role]}));
    let (customer, seller, admin) = (of_role("CUSTOMER"), of_role("SELLER"), of_role("ADMIN"));
    let nothing = signer.token(json!({"roles": []}));
    for operation in operations(&shop).await {
        let (name, who) = (&operation.name, rule(&operation.name).0);
        let all = who == "everybody";
        for (role, token, may) in [
            ("customer", &customer, all || who == "people" || who.starts_with("customers")),
            ("seller", &seller, all || who == "people"),
            ("administrator", &admin, !["order-service", "customers"].contains(&who)),
            ("nobody in particular", &nothing, all),
        ] {
            let answer = with(&operation, token).await;
            if may {
                let_in(role, name, &answer);
            } else {
                answer.problem(403, "forbidden");
            }
        }
    }
}

#[tokio::test]
async fn an_api_key_calls_what_it_is_for() {
    let shop = everything().open().await;
    let signer = shop.signer().await;
    let named: Vec<&str> = contract::all().filter_map(|(_, (_, scope))| *scope).collect();
    assert!(named.iter().all(|scope| KEY_SCOPES.contains(scope)), "{named:?}");
    for granted in KEY_SCOPES.into_iter().chain(["", "orders", "orders:*", "ORDERS:READ"]) {
        let key = json!({"client_id": uuid::Uuid::now_v7(), "amr": ["api_key"], "scope": granted, "roles": ["ADMIN"]});
        let token = signer.token(key);
        for operation in operations(&shop).await {
            let (name, (who, scope)) = (&operation.name, rule(&operation.name));
            let answer = with(&operation, &token).await;
            if who == "everybody" || scope == Some(granted) {
                let_in(granted, name, &answer);
            } else {
                answer.problem(403, "forbidden");
            }
        }
        for service in [shop.orders(), shop.inventory(), shop.accounts()] {
            let metrics = service.with_token(&token).get("/metrics").header("via", "1.1 x").await;
            assert_eq!(metrics.status, if granted == "metrics:read" { 200 } else { 403 }, "{granted}");
        }
    }
}

#[tokio::test]
async fn wrong_tokens_are_refused_on_every_operation() {
    let shop = everything().open().await;
    let signer = shop.signer().await;
    let wrong = signer.wrong_tokens();
    for operation in operations(&shop).await {
        for (what, token) in &wrong {
            let answer = with(&operation, token).await;
            assert_eq!(answer.status, 401, "{what}, {}: {}", operation.name, answer.text);
            unauthenticated(&answer);
        }
        assert!(rule(&operation.name) == PUBLIC || operation.through_the_proxy().await.status == 403);
    }
}

#[tokio::test]
async fn a_service_calls_what_is_for_it_and_by_its_own_key() {
    let (orders, mails, stranger) = (Issuer::start().await, Issuer::start().await, Issuer::start().await);
    let trusted = format!("order-service={},mail-service={}", orders.jwks(), mails.jwks());
    let plan = everything().order_variable("TRUSTED_SERVICES", &trusted);
    let plan = plan.inventory_variable("TRUSTED_SERVICES", &trusted).account_variable("TRUSTED_SERVICES", &trusted);
    let shop = plan.open().await;
    let signer = shop.signer().await;
    for operation in operations(&shop).await {
        let (name, who) = (&operation.name, rule(&operation.name).0);
        let service = operation.service;
        let assert = |issuer: &Issuer, name: &str, changes: Value| issuer.assertion(name, service, changes);
        for (caller, token, may) in [
            ("order-service", assert(&orders, "order-service", json!({})), who.ends_with("order-service")),
            ("mail-service", assert(&mails, "mail-service", json!({})), false),
        ] {
            let answer = with(&operation, &token).await;
            if may || who == "everybody" {
                let_in(caller, name, &answer);
            } else {
                answer.problem(403, "forbidden");
            }
        }
        for (what, token) in [
            ("by an unknown key", assert(&stranger, "order-service", json!({}))),
            ("by another service's key", assert(&mails, "order-service", json!({}))),
            ("of an unknown service", assert(&stranger, "web-service", json!({}))),
            ("of one service for another", assert(&mails, "mail-service", json!({"sub": "order-service"}))),
            ("for another service", orders.assertion("order-service", "payment-service", json!({}))),
            ("for several", assert(&orders, "order-service", json!({"aud": [service, "payment-service"]}))),
            ("that is over", assert(&orders, "order-service", json!({"iat": 1_700_000_000, "exp": 1_700_000_060}))),
            ("of a person in a service's form", signer.sign("svc+jwt", &signer.claims(json!({"aud": service})))),
            ("of a service in a person's form", orders.sign("at+jwt", &signer.claims(json!({"iss": "order-service"})))),
        ] {
            let answer = with(&operation, &token).await;
            assert_eq!(answer.status, 401, "{what}, {name}: {}", answer.text);
            unauthenticated(&answer);
        }
    }
}
