//! The OpenAPI document of each service: valid in the parts clients stumble over, whole, and the committed one.

mod try_out;

use crate::contract;
use e2e::client::Client;
use e2e::environment::workspace;
use e2e::shop::Shop;
use serde_json::Value;
use shared_types::topology::{INVENTORY_ORDER_EVENTS, ORDER_RESERVATION_EVENTS};
use try_out::try_out;

struct Operation<'a> {
    name: String,
    document: &'a Value,
}

fn operations(document: &Value) -> Vec<Operation<'_>> {
    let paths = document["paths"].as_object().unwrap();
    let methods = paths.iter().flat_map(|(path, item)| item.as_object().unwrap().iter().map(move |it| (path, it)));
    let mut all: Vec<_> =
        methods.map(|(path, (method, document))| Operation { name: format!("{method} {path}"), document }).collect();
    all.sort_by(|a, b| a.name.cmp(&b.name));
    all
}

async fn documents() -> (Shop, [(&'static str, Value); 3]) {
    let shop = Shop::plan().with_accounts().without_broker().open().await;
    let served = async |client: &Client| client.get("/api-docs/openapi.json").await.is(200).json();
    let orders = ("order-service", served(shop.orders()).await);
    let inventory = ("inventory-service", served(shop.inventory()).await);
    let accounts = ("account-service", served(shop.accounts()).await);
    (shop, [orders, inventory, accounts])
}

#[tokio::test]
async fn the_committed_document_is_the_served_one() {
    let (_shop, documents) = documents().await;
    for (service, document) in documents {
        assert!(document["openapi"].as_str().unwrap().starts_with("3.1."), "{}", document["openapi"]);
        let path = format!("docs/openapi/{service}.json");
        let committed = std::fs::read_to_string(workspace().join(&path)).unwrap_or_default();
        let committed: Value = serde_json::from_str(&committed).unwrap_or_default();
        assert!(committed == document, "{path} is not what {service} serves: run `cargo xtask generate`");
    }
}

#[tokio::test]
async fn the_operations_are_those_of_the_contract() {
    let (_shop, documents) = documents().await;
    for (service, document) in documents {
        let contract = contract::calls_of(service);
        let operations = operations(&document);
        let names: Vec<&str> = operations.iter().map(|operation| operation.name.as_str()).collect();
        let missing: Vec<_> = contract.iter().filter(|wanted| !names.contains(wanted)).collect();
        assert!(missing.is_empty(), "{service} does not describe {missing:?}, which the contract lists");
        let unlisted: Vec<_> = names.iter().filter(|name| !contract.contains(name)).collect();
        assert!(unlisted.is_empty(), "{service} describes {unlisted:?}, which the contract does not list");
    }
}

#[tokio::test]
async fn every_operation_is_described() {
    let (_shop, documents) = documents().await;
    for (service, document) in documents {
        for Operation { name, document } in operations(&document) {
            let summary = document["summary"].as_str().unwrap_or_default();
            assert!(!summary.is_empty(), "{service}: {name} has no summary");
            assert!(!summary.contains('`'), "{service}: {name} has a summary with Markdown, which is shown as it is");
            assert!(document["operationId"].is_string(), "{service}: {name} has no operationId");
            let responses = document["responses"].as_object().unwrap();
            assert!(!responses.is_empty(), "{service}: {name} has no responses");
            for (status, response) in responses {
                let described = response["description"].as_str().is_some_and(|text| !text.is_empty());
                assert!(described, "{service}: {name} {status} has no description");
                let problem = status.starts_with(['4', '5']) && !name.contains("/health/");
                let content = &response["content"]["application/problem+json"];
                assert!(!problem || content.is_object(), "{service}: {name} {status} is no problem");
            }
        }
    }
}

#[tokio::test]
async fn every_parameter_says_what_it_may_be() {
    let (_shop, documents) = documents().await;
    for (service, document) in documents {
        for Operation { name, document: operation } in operations(&document) {
            for parameter in operation["parameters"].as_array().into_iter().flatten() {
                let (field, schema) = (&parameter["name"], &parameter["schema"]);
                let schema = match schema["$ref"].as_str() {
                    Some(reference) => document.pointer(&reference[1..]).unwrap(),
                    None => schema,
                };
                let what = format!("{service}: {name} {field}");
                assert!(schema["type"].is_string(), "{what} is null or of several types");
                let bounds: &[&str] = match schema["type"].as_str().unwrap() {
                    "integer" => &["maximum"],
                    "string" if parameter["in"] == "header" || schema["format"] == "uuid" => continue,
                    "string" => &["enum", "maxLength"],
                    _ => continue,
                };
                assert!(bounds.iter().any(|bound| !schema[bound].is_null()), "{what} has no bound");
            }
        }
    }
}

#[tokio::test]
async fn every_answer_names_its_headers() {
    let (_shop, documents) = documents().await;
    for (service, document) in documents {
        for Operation { name, document } in operations(&document) {
            for (status, response) in document["responses"].as_object().unwrap() {
                let has = |header: &str| response["headers"][header].is_object();
                let what = format!("{service}: {name} {status}");
                assert!(has("X-Request-Id"), "{what} has no X-Request-Id");
                let of_api = name.contains("/api/");
                let later = of_api && matches!(status.as_str(), "429" | "503");
                assert!(has("Retry-After") == later, "{what} and Retry-After");
                let written = of_api && status.starts_with('2') && !name.starts_with("get ");
                assert!(has("Read-After") == written, "{what} and Read-After");
                let parameters = document["parameters"].as_array().into_iter().flatten();
                let keyed = parameters.into_iter().any(|parameter| parameter["name"] == "Idempotency-Key");
                assert!(
                    !(keyed && status.starts_with('2')) || has("Idempotency-Replayed"),
                    "{what} may be a kept answer"
                );
            }
        }
    }
}

#[tokio::test]
async fn a_body_is_an_object_of_the_fields_that_are_described() {
    let (_shop, documents) = documents().await;
    for (service, document) in documents {
        for Operation { name, document: operation } in operations(&document) {
            let schema = &operation["requestBody"]["content"]["application/json"]["schema"];
            if schema.is_null() || !operation["x-passes-over-unknown"].is_null() {
                continue;
            }
            let either = schema["oneOf"].as_array().and_then(|either| either.iter().find(|it| it["$ref"].is_string()));
            let reference = either.unwrap_or(schema)["$ref"].as_str().unwrap();
            let schema = document.pointer(&reference[1..]).unwrap();
            assert_eq!(schema["additionalProperties"], false, "{service}: {name}");
            for (field, property) in schema["properties"].as_object().unwrap() {
                let text = property["type"].to_string().contains("string") && property["format"].is_null();
                let said = !property["pattern"].is_null() || !property["enum"].is_null();
                assert!(!text || said, "{service}: {name} does not say what {field} may be");
            }
        }
    }
}

#[tokio::test]
async fn operation_ids_and_references_are_sound() {
    let (_shop, documents) = documents().await;
    for (service, document) in documents {
        let mut ids: Vec<String> =
            operations(&document).iter().map(|it| it.document["operationId"].to_string()).collect();
        let every = ids.len();
        ids.sort();
        ids.dedup();
        assert_eq!(ids.len(), every, "{service}: an operationId stands twice");
        let text = document.to_string();
        for reference in text.split("\"$ref\":\"#").skip(1).filter_map(|rest| rest.split('"').next()) {
            assert!(document.pointer(reference).is_some(), "{service}: {reference} leads nowhere");
        }
    }
}

#[tokio::test]
async fn the_examples_work_when_tried_out() {
    let (shop, documents) = documents().await;
    let [(_, orders), (_, inventory), _] = &documents;
    for (name, status) in [("post /api/inventory/reservations", 201), ("post /api/inventory/reservations/batch", 200)] {
        try_out(shop.inventory(), inventory, name).await.is(status);
    }
    try_out(shop.orders(), orders, "post /api/orders").await.is(201);
    try_out(shop.orders(), orders, "post /api/orders/{id}/payments").await.is(201);
    for (schema, consumer) in [("orders", ORDER_RESERVATION_EVENTS), ("inventory", INVENTORY_ORDER_EVENTS)] {
        let columns = "consumer, event_type, body, reason, attempts";
        let letter = format!("('{}', 'x', 'x', 'x', 1)", consumer.name);
        shop.database.execute(format!("INSERT INTO {schema}.dead_letters ({columns}) VALUES {letter}")).await;
    }
    let notification = "(1, gen_random_uuid(), 'order-placed', 'EMAIL', 'SKIPPED')";
    let columns = "order_id, event_id, kind, channel, status";
    shop.database.execute(format!("INSERT INTO orders.notifications ({columns}) VALUES {notification}")).await;
    for (client, document) in [(shop.inventory(), inventory), (shop.orders(), orders)] {
        // The link of a guest is signed: no example of one can be written down.
        let can_be_tried = |name: &str| name.starts_with("get ") && !name.contains("{token}");
        for Operation { name, .. } in operations(document).iter().filter(|it| can_be_tried(&it.name)) {
            try_out(client, document, name).await.is(200);
        }
    }
    let calls = ["post /api/inventory/products", "post /api/inventory/products/{id}/add-stock"];
    let calls = calls.into_iter().chain([
        "post /api/inventory/products/{id}/reduce-stock",
        "post /api/inventory/products/{id}/count",
        "patch /api/inventory/products/{id}",
        "put /api/inventory/products/{id}",
        "post /api/inventory/reservations/settle",
    ]);
    // Nobody who has walked through the README is told that the SKU is taken.
    let sku = inventory.pointer("/components/schemas/ProductBody/example/sku").unwrap().as_str().unwrap();
    for walk in ["README.md", "docs/hosts.md"] {
        assert!(!std::fs::read_to_string(workspace().join(walk)).unwrap().contains(sku), "{walk} makes {sku}");
    }
    for name in calls.chain(["post /api/inventory/reserve-stock", "post /api/inventory/reservations/{id}/commit"]) {
        let answer = try_out(shop.inventory(), inventory, name).await;
        assert!(matches!(answer.status, 200 | 201), "{name}: {} {}", answer.status, answer.text);
    }
    try_out(shop.orders(), orders, "delete /api/notifications").await.is(200);
    let moves = ["patch /api/orders/{id}", "put /api/orders/{id}/status", "patch /api/orders/{id}/status"];
    let finding = "('THERE_ONLY', 'STRIPE', 're_1', 'a refund that was made at the provider')";
    let columns = "kind, provider, object_id, detail";
    shop.database.execute(format!("INSERT INTO orders.payment_findings ({columns}) VALUES {finding}")).await;
    let money = ["post /api/payments/{id}/collect", "post /api/payments/{id}/refunds"];
    let findings = ["post /api/admin/payments/findings/{id}/resolve", "post /api/admin/payments/reconcile"];
    for name in moves.into_iter().chain(money).chain(findings) {
        try_out(shop.orders(), orders, name).await.is(200);
    }
}

#[tokio::test]
async fn a_key_is_offered_where_it_is_kept_and_numbers_have_bounds() {
    let (_shop, [_, (_, inventory), _]) = documents().await;
    for Operation { name, document } in operations(&inventory).iter().filter(|it| it.name.starts_with("post ")) {
        let parameters = document["parameters"].as_array().cloned().unwrap_or_default();
        let keyed = parameters.iter().any(|parameter| parameter["name"] == "Idempotency-Key");
        let own = ["/reservations/batch", "/reservations/settle"].iter().any(|path| name.ends_with(path));
        assert_eq!(keyed, !own, "{name}");
    }
    let most = serde_json::json!(i32::MAX);
    assert_eq!(inventory.pointer("/components/schemas/LineBody/properties/quantity/maximum"), Some(&most));
    let counted = inventory.pointer("/components/schemas/CountBody/properties/counted/maximum");
    assert_eq!(counted, Some(&serde_json::json!(1_000_000_000)));
    let check = &inventory["paths"]["/api/inventory/products/{id}/check-stock"]["get"]["parameters"];
    let quantity = check.as_array().unwrap().iter().find(|it| it["name"] == "quantity").unwrap();
    assert_eq!(quantity["schema"]["maximum"], most);
}
