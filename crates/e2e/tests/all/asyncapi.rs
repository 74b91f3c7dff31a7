//! The AsyncAPI document names every event, queue and binding of the code, and every field that events have on the wire.

use e2e::environment::workspace;
use e2e::samples::{LAPTOP, MOUSE, int, order, text};
use e2e::shop::Shop;
use serde_json::{Value, json};
use shared_types::events::ALL_TYPES;
use shared_types::topology::{EXCHANGE, QUEUES};
use std::collections::BTreeSet;

fn document() -> String {
    std::fs::read_to_string(workspace().join("docs/asyncapi/oms.yaml")).unwrap()
}

/// The values of every line `key: value` of the document.
fn values<'a>(document: &'a str, key: &str) -> BTreeSet<&'a str> {
    let prefix = format!("{key}: ");
    document.lines().filter_map(|line| line.trim().strip_prefix(&prefix)).collect()
}

#[test]
fn every_event_is_documented_and_every_documented_event_exists() {
    let document = document();
    let known: BTreeSet<&str> = ALL_TYPES.into_iter().collect();
    let documented: BTreeSet<&str> =
        values(&document, "const").into_iter().filter(|value| value.contains('.') && *value != "'1.0'").collect();
    assert_eq!(documented, known, "docs/asyncapi/oms.yaml and shared-types/src/events.rs");
}

#[test]
fn every_queue_and_binding_is_documented() {
    let document = document();
    let addresses = values(&document, "address");
    let expected: BTreeSet<&str> = QUEUES.iter().map(|queue| queue.name).chain([EXCHANGE]).collect();
    assert_eq!(addresses, expected, "docs/asyncapi/oms.yaml and shared-types/src/topology.rs");
    for queue in QUEUES {
        let after = document.split(&format!("address: {}\n", queue.name)).nth(1).unwrap_or_default();
        let described = &after[..after.find("address: ").unwrap_or(after.len())];
        for binding in queue.bindings {
            assert!(described.contains(&format!("`{binding}`")), "{} lacks its binding {binding}", queue.name);
        }
    }
}

/// The names in `required` and `properties` of a schema, with those of the schema it adds to.
fn fields(document: &str, schema: &str) -> (BTreeSet<String>, BTreeSet<String>) {
    let start = format!("\n    {schema}:\n");
    let block = document.split(&start).nth(1).unwrap_or_else(|| panic!("{schema} is not described"));
    let block: Vec<&str> = block.lines().take_while(|line| line.is_empty() || line.starts_with("     ")).collect();
    let base = block.iter().find_map(|line| line.trim().strip_prefix("- $ref: '#/components/schemas/"));
    let (mut required, mut properties) =
        base.map(|base| fields(document, base.trim_end_matches('\''))).unwrap_or_default();
    let names = block.iter().find_map(|line| line.trim().strip_prefix("required: [")?.strip_suffix(']'));
    required.extend(names.into_iter().flat_map(|names| names.split(", ")).map(str::to_owned));
    let is_property = |line: &&&str| line.starts_with("        ") && !line.starts_with("         ");
    properties
        .extend(block.iter().filter(is_property).filter_map(|line| Some(line.trim().split_once(':')?.0.to_owned())));
    (required, properties)
}

#[track_caller]
fn assert_described(document: &str, schema: &str, data: &Value) {
    let (required, properties) = fields(document, schema);
    let names: BTreeSet<String> = data.as_object().unwrap().keys().cloned().collect();
    assert!(required.is_subset(&names), "{schema} requires {required:?}: {data}");
    assert!(names.is_subset(&properties), "{schema} describes only {properties:?}: {data}");
}

#[tokio::test]
async fn events_on_the_wire_have_the_fields_that_are_described() {
    let shop = Shop::open().await;
    let mut tap = shop.broker().tap().await;
    let walked = int(&shop.place(&[(LAPTOP, 46)]).await["id"]);
    shop.order_becomes(walked, "CONFIRMED").await;
    for status in ["SHIPPED", "DELIVERED"] {
        shop.orders().put(&format!("/api/orders/{walked}/status"), json!({"status": status})).await.is(200);
    }
    let cancelled = int(&shop.place(&[(MOUSE, 1)]).await["id"]);
    shop.orders().post(&format!("/api/orders/{cancelled}/cancel"), json!({"reason": "late"})).await.is(200);
    let refused = shop.orders().post("/api/orders", order(&[(LAPTOP, 300)])).header("prefer", "respond-async");
    let refused = int(&refused.await.is(202).json()["id"]);
    let events = ["order.delivered", "reservation.released", "stock.low"];
    for event in events {
        tap.heard(event, 1).await;
    }
    tap.heard("order.cancelled", 2).await;
    let document = document();
    for message in tap.all() {
        let (kind, data) = (&message.routing_key, message.event()["data"].clone());
        let schema = match kind.split_once('.').unwrap() {
            ("order", "created") => "OrderCreated",
            ("order", "stock-lost") => "OrderStockLost",
            ("order", _) => "OrderSnapshot",
            ("reservation", _) => "ReservationChanged",
            _ => "StockLevel",
        };
        assert_described(&document, schema, &data);
        if schema.starts_with("Order") {
            let lines = data["items"].as_array().map(Vec::as_slice).unwrap_or_default();
            assert_eq!(lines.is_empty(), kind == "order.confirmed", "{kind}: {data}");
            lines.iter().for_each(|line| assert_described(&document, "OrderLine", line));
            let told = ["customerName", "customerEmail", "customerPhone", "shippingAddress"].map(|it| text(&data[it]));
            assert_eq!(told, ["Ada Lovelace", "ada@example.com", "+44 20 7946 0000", "12 St James's Square, London"]);
            assert_eq!(data.get("totalAmount").is_some(), data["orderId"] != refused, "{kind}: {data}");
        }
    }
}

#[test]
fn every_example_has_the_fields_that_are_described() {
    let document = document();
    let mut count = 0;
    for message in document.split("\n      name: ").skip(1) {
        let schema = message.split("data:\n                $ref: '#/components/schemas/").nth(1).unwrap();
        let schema = schema.split('\'').next().unwrap();
        let example = message.split("\n            data:\n").nth(1).unwrap();
        let lines = example.lines().take_while(|line| line.starts_with("              "));
        let names =
            lines.filter(|line| !line.starts_with("               ")).filter_map(|line| line.trim().split_once(':'));
        let data: serde_json::Map<String, Value> = names.map(|(name, _)| (name.to_owned(), Value::Null)).collect();
        assert_described(&document, schema, &Value::Object(data));
        count += 1;
    }
    assert_eq!(count, ALL_TYPES.len());
}
