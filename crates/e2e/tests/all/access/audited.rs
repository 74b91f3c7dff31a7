//! What operators do is written down: one line of the log for each call by which they may change something.

use super::{Operation, everything, operations};
use crate::contract::rule;
use e2e::broker::event;
use e2e::client::Client;
use e2e::poll;
use e2e::process::Service;
use e2e::samples::{LAPTOP, MOUSE, int, order, product, text};
use e2e::shop::Shop;
use reqwest::Method;
use serde_json::{Value, json};
use shared_types::topology::INVENTORY_ORDER_EVENTS;
use uuid::Uuid;

/// What begins every line of the record.
const LINE: &str = " audit: an operator acted ";

/// What begins those about calls that were not let in.
const NOT_LET_IN: &str = " audit: a caller was not let in ";

/// The lines of the record in the log of a service, from `who=` on.
fn record(service: &Service) -> Vec<String> {
    lines(service, LINE)
}

fn lines(service: &Service, begin: &str) -> Vec<String> {
    service.log().lines().filter_map(|line| line.split_once(begin).map(|(_, fields)| fields.to_owned())).collect()
}

/// Waits for the line that has these fields.
async fn recorded(service: &Service, fields: &str) {
    poll::eventually(fields, async || {
        let record = record(service);
        if record.iter().filter(|line| *line == fields).count() == 1 { Ok(()) } else { Err(format!("{record:#?}")) }
    })
    .await;
}

fn service<'s>(shop: &'s Shop, operation: &Operation<'_>) -> &'s Service {
    match operation.service {
        "order-service" => &shop.order_services[0],
        "inventory-service" => &shop.inventory_services[0],
        _ => &shop.account_services[0],
    }
}

#[tokio::test]
async fn every_call_by_which_operators_change_something_is_written_down_and_no_other() {
    let shop = everything().open().await;
    let signer = shop.signer().await;
    let (ada, admin) = (Uuid::now_v7(), Uuid::now_v7());
    let token = |id: Uuid, role: &str| signer.token(json!({"sub": id, "roles": [role]}));
    let (customer, admins) = (token(ada, "CUSTOMER"), token(admin, "ADMIN"));
    let mut walked = 0;
    for operation in operations(&shop).await {
        let (name, (who, scope)) = (&operation.name, rule(&operation.name));
        let (method, path) = name.split_once(' ').unwrap();
        let acts = !name.starts_with("get ")
            && ["administrators", "customers and administrators", "administrators and order-service"].contains(&who);
        walked += usize::from(acts);
        let what = format!("what=\"{} {path}\"", method.to_uppercase());
        let written = |who: &str| {
            let lines = record(service(&shop, &operation));
            lines.iter().filter(|line| line.starts_with(&format!("who={who:?} ")) && line.contains(&what)).count()
        };
        let by = async |token: &str| operation.call().header("authorization", &format!("Bearer {token}")).await;
        by(&admins).await;
        assert_eq!(written(&format!("user:{admin}")), usize::from(acts), "{name}");
        by(&customer).await;
        assert_eq!(written(&format!("user:{ada}")), 0, "{name}");
        let before = written("operator");
        operation.call().await;
        let by_operator = acts && !who.ends_with("order-service");
        assert_eq!(written("operator") - before, usize::from(by_operator), "{name}");
        if let Some(scope) = scope {
            let key = Uuid::now_v7();
            let claims = json!({"sub": ada, "client_id": key, "amr": ["api_key"], "scope": scope, "roles": ["ADMIN"]});
            by(&signer.token(claims)).await;
            assert_eq!(written(&format!("key:{key}")), usize::from(acts), "{name}");
        }
    }
    assert!(walked > 25, "{walked} operations are for operators");
}

#[tokio::test]
async fn the_record_says_who_did_what_on_what_and_what_came_of_it() {
    let plan = Shop::plan().with_accounts();
    // Whatever else is logged.
    let plan = ["order", "inventory", "account"].into_iter().fold(plan, |plan, service| match service {
        "order" => plan.order_variable("RUST_LOG", "error"),
        "inventory" => plan.inventory_variable("RUST_LOG", "off"),
        _ => plan.account_variable("RUST_LOG", "warn,audit=off"),
    });
    let shop = plan.open().await;
    let (admin, ada) = (shop.administrator("root@example.com").await, shop.register("ada@example.com").await);
    let who = format!("who=\"user:{}\"", admin.id);
    let (orders, inventory) = (admin.calls(shop.orders()), admin.calls(shop.inventory()));

    // An order that a customer places and an administrator moves on.
    let placed = ada.calls(shop.orders()).post("/api/orders", order(&[(MOUSE, 1)])).await.is(201).json();
    let (id, reference) = (int(&placed["id"]), text(&placed["reference"]));
    shop.order_becomes(id, "CONFIRMED").await;
    let status = format!("/api/orders/{id}/status");
    orders.put(&status, json!({"status": "SHIPPED"})).await.is(200);
    orders.put(&status, json!({"status": "PENDING"})).await.is(409);
    orders.put("/api/orders/ada@example.com/status", json!({"status": "SHIPPED"})).await.is(400);
    let what = "what=\"PUT /api/orders/{id}/status\"";
    recorded(&shop.order_services[0], &format!("{who} {what} on=\"{id}\" outcome=\"done\" status=200")).await;
    recorded(&shop.order_services[0], &format!("{who} {what} on=\"{id}\" outcome=\"refused\" status=409")).await;
    // What is no id may be personal.
    recorded(&shop.order_services[0], &format!("{who} {what} outcome=\"refused\" status=400")).await;
    // What its route never saw.
    let conditional = orders.call(Method::DELETE, "/api/notifications").header("if-match", "\"1\"");
    conditional.await.problem(412, "precondition-failed");
    orders.call(Method::POST, "/api/payments/36/collect?x=1").await.is(400);
    let fields = "what=\"DELETE /api/notifications\" outcome=\"refused\" status=412";
    recorded(&shop.order_services[0], &format!("{who} {fields}")).await;
    let fields = "what=\"POST /api/payments/{id}/collect\" on=\"36\" outcome=\"refused\" status=400";
    recorded(&shop.order_services[0], &format!("{who} {fields}")).await;

    // The stock and the catalogue.
    let adjust = format!("/api/inventory/products/{LAPTOP}/reduce-stock");
    inventory.post(&adjust, json!({"quantity": 1})).await.is(200);
    let what = "what=\"POST /api/inventory/products/{id}/reduce-stock\"";
    recorded(&shop.inventory_services[0], &format!("{who} {what} on=\"{LAPTOP}\" outcome=\"done\" status=200")).await;
    let made = inventory.post("/api/inventory/products", product("NEW-001", "1.00", 5)).await.is(201).json();
    let fields = format!("what=\"POST /api/inventory/products\" on=\"{}\" outcome=\"done\" status=201", made["id"]);
    recorded(&shop.inventory_services[0], &format!("{who} {fields}")).await;

    // Dead letters.
    let broken = event("order.cancelled", reference, json!({}));
    shop.broker().send(INVENTORY_ORDER_EVENTS.name, &broken.to_string()).await;
    let letter = inventory.dead_letters("", 1).await.remove(0);
    let path = format!("/api/admin/dead-letters/{}", letter["id"]);
    let edit = json!({"body": broken.to_string(), "reason": "a test"});
    inventory.patch(&path, edit).await.is(200);
    inventory.call(Method::POST, &format!("{path}/replay?dryRun=true")).await.is(200);
    inventory.post(&format!("{path}/discard"), json!({"reason": "a test"})).await.is(200);
    inventory.call(Method::POST, &format!("{path}/replay")).await.is(409);
    for (call, rest) in [
        ("PATCH /api/admin/dead-letters/{id}", "outcome=\"done\" status=200"),
        ("POST /api/admin/dead-letters/{id}/discard", "outcome=\"done\" status=200"),
        ("POST /api/admin/dead-letters/{id}/replay", "outcome=\"refused\" status=409"),
    ] {
        let fields = format!("{who} what=\"{call}\" on=\"{}\" {rest}", letter["id"]);
        recorded(&shop.inventory_services[0], &fields).await;
    }

    // Accounts, and the keys that sign tokens.
    let roles = json!({"roles": ["CUSTOMER", "SELLER"]});
    admin.accounts().put(&format!("/api/accounts/{}/roles", ada.id), roles).await.is(200);
    let what = format!("what=\"PUT /api/accounts/{{id}}/roles\" on=\"{}\" outcome=\"done\" status=200", ada.id);
    recorded(&shop.account_services[0], &format!("{who} {what}")).await;
    shop.terminal(&["rotate-keys", "--now"]);
    let entries = shop.accounts().get(&format!("/api/accounts/{}/audit", Uuid::nil())).await.is(200).array();
    assert_eq!((text(&entries[0]["actor"]), text(&entries[0]["action"])), ("operator", "signing-keys-rotated"));

    let log = [&shop.order_services[0], &shop.inventory_services[0], &shop.account_services[0]].map(record);
    assert!(!log.concat().iter().any(|line| line.contains('@') || line.contains(&ada.id) && !line.contains("roles")));
}

#[tokio::test]
async fn collectors_read_the_record_by_its_fields() {
    let shop = Shop::plan().inventory_only().inventory_variable("LOG_FORMAT", "json").open().await;
    shop.inventory().post("/api/inventory/products/1/add-stock", json!({"quantity": 1})).await.is(200);
    let log = shop.inventory_services[0].log();
    let mut lines = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let mut line = lines.find(|line| line["target"] == "audit").unwrap_or_else(|| panic!("{log}"));
    for name in ["timestamp", "method", "route", "request_id", "trace_id", "span_id"] {
        assert!(line.as_object_mut().unwrap().remove(name).is_some_and(|it| it.is_string()), "{name} in {line}");
    }
    let what = "POST /api/inventory/products/{id}/add-stock";
    let fields = json!({"level": "INFO", "target": "audit", "message": "an operator acted", "who": "operator",
        "what": what, "on": "1", "outcome": "done", "status": 200});
    assert_eq!(line, fields);
}

#[tokio::test]
async fn a_program_is_written_down_with_its_key_and_its_owner() {
    let shop = Shop::plan().without_broker().with_accounts().open().await;
    let admin = shop.administrator("root@example.com").await;
    let key = json!({"name": "Warehouse", "roles": ["ADMIN"], "scopes": ["stock:write"]});
    let key = admin.accounts().post("/api/api-keys", key).await.is(201).json();
    let program: Client = shop.inventory().with_token(text(&key["secret"]));
    // Its service may have no keys of the issuer yet.
    poll::eventually("the key to be believed", async || {
        let add = program.post(&format!("/api/inventory/products/{LAPTOP}/add-stock"), json!({"quantity": 1}));
        poll::equal(add.await.status, 200)
    })
    .await;
    let (id, owner) = (text(&key["id"]), &admin.id);
    let what = "what=\"POST /api/inventory/products/{id}/add-stock\" on=\"1\" outcome=\"done\" status=200";
    recorded(&shop.inventory_services[0], &format!("who=\"key:{id}\" owner=\"user:{owner}\" {what}")).await;
}

#[tokio::test]
async fn a_call_that_is_broken_off_is_written_down() {
    let shop = Shop::plan().inventory_only().open().await;
    let lock = shop.database.lock("SELECT id FROM inventory.products WHERE id = 1 FOR UPDATE").await;
    let client = shop.inventory().clone();
    let call = tokio::spawn(async move {
        client.post("/api/inventory/products/1/reduce-stock", json!({"quantity": 1})).attempt().await
    });
    shop.database.somebody_waits().await;
    call.abort();
    let what = "who=\"operator\" what=\"POST /api/inventory/products/{id}/reduce-stock\" on=\"1\"";
    recorded(&shop.inventory_services[0], &format!("{what} outcome=\"unknown\"")).await;
    lock.rollback().await.unwrap();
}

#[tokio::test]
async fn who_is_not_let_in_where_only_operators_and_services_are_is_written_down() {
    let shop = everything().open().await;
    let ada = Uuid::now_v7();
    let customer = shop.signer().await.token(json!({"sub": ada, "roles": ["CUSTOMER"]}));
    let mut walked = 0;
    for operation in operations(&shop).await {
        let (name, (who, _)) = (&operation.name, rule(&operation.name));
        let (method, path) = name.split_once(' ').unwrap();
        let reserved = ["administrators", "administrators and order-service", "order-service"].contains(&who);
        walked += usize::from(reserved);
        for (token, who, status) in [(&*customer, format!("user:{ada}"), 403), ("hush", "nobody".to_owned(), 401)] {
            let answer = operation.call().header("authorization", &format!("Bearer {token}")).await;
            assert!(!reserved || answer.status == status, "{name}: {}", answer.text);
            let what = format!("what=\"{} {path}\"", method.to_uppercase());
            let written = lines(service(&shop, &operation), NOT_LET_IN);
            let mut written = written.iter().filter(|line| line.starts_with(&format!("who={who:?} {what} ")));
            let line = written.next();
            assert_eq!((line.is_some(), written.next()), (reserved, None), "{name}");
            let end = format!("outcome=\"refused\" status={status} skipped=0");
            assert!(line.is_none_or(|line| line.ends_with(&end)), "{name}: {line:?}");
        }
        // A page, or a program that came through a proxy.
        if reserved {
            operation.through_the_proxy().await.problem(403, "protected-mode");
        }
    }
    assert!(walked > 40, "{walked} operations are for operators and services alone");
    let log =
        [&shop.order_services[0], &shop.inventory_services[0], &shop.account_services[0]].map(|service| service.log());
    let log = log.concat();
    assert_eq!(log.matches(&format!("{NOT_LET_IN}who=\"nobody\" ")).count(), 2 * walked, "{log}");
    assert!(!log.contains("hush") && !log.contains(&customer), "{log}");
}

#[tokio::test]
async fn who_is_refused_by_the_thousand_fills_no_log() {
    let plan = Shop::plan().inventory_only().inventory_variable("RUST_LOG", "off");
    // None about requests: the record has one of each second still.
    let plan = plan.inventory_variable("LOG_REQUESTS_PER_SECOND", "0").inventory_variable("WORKER_THREADS", "1");
    let shop = plan.open().await;
    let written = || lines(&shop.inventory_services[0], NOT_LET_IN);
    let call = async || {
        let call = shop.inventory().post("/api/inventory/products/1/add-stock", json!({"quantity": 1}));
        call.header("authorization", "Bearer hush").await.problem(401, "unauthenticated");
    };
    let mut calls = 0;
    poll::eventually("a line that counts those without one", async || {
        for _ in 0..50 {
            call().await;
        }
        calls += 50;
        let written = written();
        if written.iter().any(|line| !line.ends_with(" skipped=0")) { Ok(()) } else { Err(format!("{written:#?}")) }
    })
    .await;
    assert!(written().len() * 10 < calls, "{calls} calls: {:#?}", written());
}
