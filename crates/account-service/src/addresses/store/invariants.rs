//! What must hold in the table of addresses at every moment.

use service_kit::invariants::Invariant;

/// Each with the query that finds where it does not.
pub const INVARIANTS: &[Invariant] = &[Invariant {
    name: "addresses-have-one-default-of-each-kind",
    promise: "P8",
    query: "SELECT user_id::text, COUNT(*) FILTER (WHERE default_shipping) || ' for shipping, '
                   || COUNT(*) FILTER (WHERE default_billing) || ' for bills'
            FROM accounts.addresses GROUP BY user_id
            HAVING COUNT(*) FILTER (WHERE default_shipping) <> 1 OR COUNT(*) FILTER (WHERE default_billing) <> 1
            ORDER BY user_id LIMIT 100",
}];
