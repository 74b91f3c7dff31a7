//! The AsyncAPI document names every event, queue and binding of the code. Needs no servers.

use e2e::environment::workspace;
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
