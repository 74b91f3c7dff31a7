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
        query: "SELECT id::text, 'balance after it is ' || balance_after || ', the movements up to it sum to '
                       || COALESCE(b.balance, 0) + moved
                FROM (SELECT id, product_id, balance_after, SUM(delta) OVER (PARTITION BY product_id ORDER BY id) AS moved
                      FROM inventory.stock_movements) m
                LEFT JOIN inventory.opening_balances b ON b.product_id = m.product_id
                WHERE balance_after <> COALESCE(b.balance, 0) + moved ORDER BY id LIMIT 100",
    },
    Invariant {
        name: "movement-ranges-are-ahead",
        promise: "P9",
        query: "SELECT 'stock_movements', 'has room for movements up to ' || end_id
                FROM (SELECT end_id FROM inventory.movement_ranges ORDER BY end_id DESC LIMIT 1) r
                WHERE end_id <= (SELECT last_value FROM inventory.stock_movements_id_seq)",
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
