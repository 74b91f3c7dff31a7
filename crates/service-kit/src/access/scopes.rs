//! What an API key can be for.

/// Every scope that a key may have. A route names the one that lets keys in ([`Access::with_scope`](super::Access::with_scope)).
pub const KEY_SCOPES: [&str; 11] = [
    "admin:read",
    "metrics:read",
    "orders:cancel",
    "orders:place",
    "orders:read",
    "orders:write",
    "payments:read",
    "payments:write",
    "products:write",
    "stock:write",
    "webhooks:manage",
];

#[cfg(test)]
mod tests {
    use super::KEY_SCOPES;

    #[test]
    fn scopes_are_sorted_and_each_stands_once() {
        assert!(KEY_SCOPES.is_sorted_by(|a, b| a < b));
    }
}
