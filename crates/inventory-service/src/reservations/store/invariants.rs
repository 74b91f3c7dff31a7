//! What must hold in the tables of reservations at every moment. Some look at the tables of stock and products too: what
//! a reservation took must be found there.

use service_kit::invariants::Invariant;

/// Each with the query that finds where it does not.
pub const INVARIANTS: &[Invariant] = &[
    // Of those whose movements are all there: made when the newest range that is archived was over, and a minute later, since its
    // last numbers may have been written until then. One that was held anew since may have left a sale in the archive, and here
    // what gave that back.
    Invariant {
        name: "reservation-moved-its-stock",
        promise: "P1",
        query: "SELECT r.id::text, r.status || ', product ' || i.product_id || ': ' || i.quantity
                       || ' reserved, movements ' || COALESCE(m.moved, 0)
                FROM inventory.reservations r
                JOIN inventory.reservation_items i ON i.reservation_id = r.id
                CROSS JOIN (SELECT max(over_since) + INTERVAL '1 minute' AS since FROM inventory.movement_ranges
                            WHERE archived_at IS NOT NULL) a
                LEFT JOIN (SELECT reference, product_id, SUM(delta) AS moved, MIN(created_at) AS began,
                                  MIN(id) = MIN(id) FILTER (WHERE reason = 'RELEASE') AS begins_with_release
                           FROM inventory.stock_movements
                           WHERE reason IN ('SALE', 'RELEASE') GROUP BY reference, product_id) m
                       ON m.reference = r.id::text AND m.product_id = i.product_id
                WHERE COALESCE(m.moved, 0) <> CASE r.status WHEN 'RELEASED' THEN 0 ELSE -i.quantity END
                  AND (a.since IS NULL
                       OR r.created_at >= a.since AND (m.begins_with_release AND m.began < r.created_at) IS NOT TRUE)
                ORDER BY r.id LIMIT 100",
    },
    Invariant {
        name: "only-what-waits-is-reserved",
        promise: "P1",
        query: "SELECT id::text, CASE WHEN direct THEN 'was sold at once' ELSE 'is ' || status END
                       || ', and its pieces count as reserved'
                FROM inventory.reservations WHERE reserved AND (status = 'RELEASED' OR direct) ORDER BY id LIMIT 100",
    },
    Invariant {
        name: "reservation-has-items",
        promise: "P3",
        query: "SELECT r.id::text, 'has no items' FROM inventory.reservations r
                WHERE NOT EXISTS (SELECT FROM inventory.reservation_items i WHERE i.reservation_id = r.id)
                ORDER BY r.id LIMIT 100",
    },
    Invariant {
        name: "rows-have-their-parents",
        promise: "P1",
        query: "SELECT m.id::text, 'moved product ' || product_id || ', which is not there'
                FROM inventory.stock_movements m
                WHERE NOT EXISTS (SELECT FROM inventory.products p WHERE p.id = m.product_id)
                UNION ALL
                SELECT reservation_id::text, 'has an item of product ' || product_id || ', which is not there'
                FROM inventory.reservation_items i
                WHERE NOT EXISTS (SELECT FROM inventory.products p WHERE p.id = i.product_id)
                UNION ALL
                SELECT reservation_id::text, 'has an item, and there is no such reservation'
                FROM inventory.reservation_items i
                WHERE NOT EXISTS (SELECT FROM inventory.reservations r WHERE r.id = i.reservation_id)
                LIMIT 100",
    },
    // The settling job of order-service looks every few seconds: a quarter of a minute is its share.
    Invariant {
        name: "reservation-is-settled",
        promise: "P3",
        query: "SELECT id::text, 'is still HELD, its term was over at ' || expires_at
                FROM inventory.reservations WHERE status = 'HELD' AND expires_at < now() - INTERVAL '15 seconds'
                UNION ALL
                SELECT id::text, 'was committed by hand, no order has claimed it, its term was over at ' || expires_at
                FROM inventory.reservations WHERE unclaimed AND expires_at < now() - INTERVAL '15 seconds'
                ORDER BY 1 LIMIT 100",
    },
];
