//! Every operation with every kind of token.

use super::{Operation, PUBLIC, behind_a_proxy, operations, rule, unauthenticated};
use e2e::client::Response;
use e2e::issuer::Issuer;
use e2e::shop::Shop;
use serde_json::json;

async fn shop(issuer: &Issuer) -> Shop {
    let plan = behind_a_proxy().order_variable("AUTH_ISSUER", issuer.url());
    plan.inventory_variable("AUTH_ISSUER", issuer.url()).open().await
}

async fn with(operation: &Operation<'_>, token: &str) -> Response {
    operation.call().header("authorization", &format!("Bearer {token}")).await
}

#[tokio::test]
async fn each_role_calls_what_is_for_it() {
    let issuer = Issuer::start().await;
    let shop = shop(&issuer).await;
    let of_role = |role: &str| issuer.token(json!({"roles": [role]}));
    let (customer, seller, admin) = (of_role("CUSTOMER"), of_role("SELLER"), of_role("ADMIN"));
    let nothing = issuer.token(json!({"roles": []}));
    for operation in operations(&shop).await {
        let (name, who) = (&operation.name, rule(&operation.name).0);
        for (role, token, may) in [
            ("customer", &customer, who == "everybody" || who.starts_with("customers")),
            ("seller", &seller, who == "everybody"),
            ("administrator", &admin, who != "customers"),
            ("nobody in particular", &nothing, who == "everybody"),
        ] {
            let answer = with(&operation, token).await;
            if may {
                let own_secret = name.ends_with("/brevo") && answer.status == 401;
                assert!(own_secret || ![401, 403].contains(&answer.status), "{role}, {name}: {}", answer.text);
            } else {
                answer.problem(403, "forbidden");
            }
        }
    }
}

#[tokio::test]
async fn an_api_key_calls_what_it_is_for() {
    let issuer = Issuer::start().await;
    let shop = shop(&issuer).await;
    let scopes = ["admin:read", "orders:place", "orders:read", "orders:write", "orders:cancel", "products:write"];
    for granted in scopes.into_iter().chain(["stock:write", "metrics:read"]) {
        let key = json!({"client_id": uuid::Uuid::now_v7(), "amr": ["api_key"], "scope": granted, "roles": ["ADMIN"]});
        let token = issuer.token(key);
        for operation in operations(&shop).await {
            let (name, (who, scope)) = (&operation.name, rule(&operation.name));
            let answer = with(&operation, &token).await;
            if who == "everybody" || scope == Some(granted) {
                let own_secret = name.ends_with("/brevo") && answer.status == 401;
                assert!(own_secret || ![401, 403].contains(&answer.status), "{granted}, {name}: {}", answer.text);
            } else {
                answer.problem(403, "forbidden");
            }
        }
        let metrics = shop.orders().get("/metrics").header("via", "1.1 x");
        let metrics = metrics.header("authorization", &format!("Bearer {token}")).await;
        assert_eq!(metrics.status, if granted == "metrics:read" { 200 } else { 403 }, "{granted}");
    }
}

#[tokio::test]
async fn wrong_tokens_are_refused_on_every_operation() {
    let issuer = Issuer::start().await;
    let shop = shop(&issuer).await;
    for operation in operations(&shop).await {
        for (what, token) in issuer.wrong_tokens() {
            let answer = with(&operation, &token).await;
            assert_eq!(answer.status, 401, "{what}, {}: {}", operation.name, answer.text);
            unauthenticated(&answer);
        }
        assert!(rule(&operation.name) == PUBLIC || operation.through_the_proxy().await.status == 403);
    }
}
