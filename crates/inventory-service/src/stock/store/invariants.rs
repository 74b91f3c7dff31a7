//! What must hold in the table of movements, and between it and the levels, at every moment.

use service_kit::invariants::Invariant;

/// Each with the query that finds where it does not.
pub const INVARIANTS: &[Invariant] = &[
    Invariant {
        name: "stock-is-sum-of-movements",
        promise: "P1",
        query: "SELECT product_id::text, sku || ': stock ' || stock_quantity || ', movements ' || moved
                FROM inventory.stock_breaches ORDER BY product_id LIMIT 100",
    },
    Invariant {
        name: "movements-follow-each-other",
        promise: "P1",
        query: "SELECT id::text, 'balance after it is ' || balance_after || ', the movements up to it sum to ' || moved
                FROM (SELECT id, balance_after, SUM(delta) OVER (PARTITION BY product_id ORDER BY id) AS moved
                      FROM inventory.stock_movements) m
                WHERE balance_after <> moved ORDER BY id LIMIT 100",
    },
    Invariant {
        name: "reserved-is-sum-of-reservations",
        promise: "P1",
        query: "SELECT p.id::text, p.sku || ': reserved ' || p.reserved || ', reservations ' || COALESCE(r.pieces, 0)
                FROM inventory.products p
                LEFT JOIN (SELECT i.product_id, SUM(i.quantity) AS pieces FROM inventory.reservations r
                           JOIN inventory.reservation_items i ON i.reservation_id = r.id
                           WHERE r.reserved GROUP BY i.product_id) r ON r.product_id = p.id
                WHERE p.reserved <> COALESCE(r.pieces, 0) ORDER BY p.id LIMIT 100",
    },
];
