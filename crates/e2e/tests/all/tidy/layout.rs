//! What each layer of a module may know: the way runs from the edges through the commands to domain and store.

use super::{Source, assert_none, assert_without, is_edge, is_of_layer, production, services};

/// The layers that begin transactions.
const EDGES: [&str; 3] = ["http", "consumers", "jobs"];

fn layer(name: &str) -> Vec<Source> {
    let found: Vec<Source> = services().into_iter().filter(|source| is_of_layer(source, name)).collect();
    assert!(!found.is_empty(), "there is no layer {name}");
    found
}

#[test]
fn every_edge_says_so() {
    let edges = EDGES.into_iter().flat_map(layer);
    // What only describes answers for the OpenAPI document has no function.
    let silent = edges.filter(|source| source.code().any(|(_, line)| line.contains("fn ")) && !is_edge(source));
    assert_none("the first line begins `//! EDGE: `", silent.map(|source| source.path).collect());
}

#[test]
fn the_domain_does_no_io() {
    let words = ["sqlx", "reqwest", "lapin", "axum", "tokio", "std::fs", "std::net", "std::env", "now_utc("];
    assert_without("decisions are pure", &layer("domain"), &words);
}

#[test]
fn commands_know_neither_the_network_nor_the_web() {
    let words = ["reqwest", "lapin", "axum::extract", "axum::http", "axum::Json", "now_utc(", "InventoryClient"];
    assert_without("a command takes a connection, the time and data", &layer("commands"), &words);
}

#[test]
fn no_layer_knows_those_before_it() {
    let before = [
        ("domain", &["http", "consumers", "jobs", "commands", "store"][..]),
        ("store", &["http", "consumers", "jobs", "commands"]),
        ("commands", &["http", "consumers", "jobs"]),
    ];
    for (name, before) in before {
        let words: Vec<String> = before.iter().flat_map(|it| [format!("::{it}::"), format!("::{it};")]).collect();
        // `axum::http::` is no layer, and is none of theirs for other reasons.
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        assert_without("the way runs in one direction", &layer(name), &words);
    }
}

#[test]
fn notifications_read_no_order() {
    let words = ["orders.orders", "orders.order_items", "orders.order_status_history"];
    let files = production(&["crates/order-service/src/notifications"]);
    assert_without("an event brings all that its message needs", &files, &words);
}
