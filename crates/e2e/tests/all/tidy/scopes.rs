//! Rows that somebody owns are read and changed as somebody sees them.

use super::{assert_none, production, services};

#[test]
fn only_what_nobody_asks_for_sees_everything() {
    let allowed = ["/consumers", "/jobs", "/placing/accepted.rs", "/orders/paying.rs", "/orders/reconciling.rs"];
    let files = services().into_iter().filter(|file| !allowed.iter().any(|part| file.path.contains(part)));
    let found = files.flat_map(|file| file.with_words(&["Scope::system"])).collect();
    assert_none("a caller's request has the scope that its rule gives", found);
}

#[test]
fn orders_are_read_within_a_scope() {
    let store = production(&["crates/order-service/src/orders/store.rs"]);
    let text = &store.first().unwrap().text;
    for function in ["find", "find_all", "find_each", "list", "lock", "ids_of_customer", "timeline"] {
        let (_, rest) = text.split_once(&format!("pub async fn {function}(")).unwrap();
        let parameters = rest.split_once(") -> ").unwrap().0;
        assert!(parameters.contains("Scope"), "{function} of orders takes no scope: {parameters}");
    }
}
