//! What must hold in the tables of payments at every moment.

use service_kit::invariants::Invariant;

/// Each with the query that finds where it does not.
pub const INVARIANTS: &[Invariant] = &[
    Invariant {
        name: "payment-is-its-operations",
        promise: "P10",
        query: "SELECT p.id::text, 'captured ' || p.captured || ', operations ' || COALESCE(o.captured, 0)
                       || '; refunded ' || p.refunded || ', operations ' || COALESCE(o.refunded, 0)
                       || '; reserved ' || p.refund_reserved || ', operations ' || COALESCE(o.reserved, 0)
                FROM orders.payments p
                LEFT JOIN (
                    SELECT payment_id,
                           sum(amount) FILTER (WHERE kind = 'CAPTURE' AND status = 'SUCCEEDED') AS captured,
                           sum(amount) FILTER (WHERE kind = 'REFUND' AND status = 'SUCCEEDED') AS refunded,
                           sum(amount) FILTER (WHERE kind = 'REFUND'
                               AND status NOT IN ('REFUSED', 'DROPPED', 'REVERSED')) AS reserved
                    FROM orders.payment_operations GROUP BY payment_id) o ON o.payment_id = p.id
                WHERE p.captured <> COALESCE(o.captured, 0) OR p.refunded <> COALESCE(o.refunded, 0)
                   OR p.refund_reserved <> COALESCE(o.reserved, 0)
                ORDER BY p.id LIMIT 100",
    },
    Invariant {
        name: "refund-within-capture",
        promise: "P10",
        query: "SELECT id::text, 'authorized ' || authorized || ' of ' || amount || ', captured ' || captured || ', released '
                       || released || ', reserved ' || refund_reserved || ', refunded ' || refunded
                FROM orders.payments
                WHERE refund_reserved > captured OR refunded > refund_reserved OR captured + released > authorized
                   OR authorized > amount
                ORDER BY id LIMIT 100",
    },
    Invariant {
        name: "operation-has-its-payment",
        promise: "P10",
        query: "SELECT payment_id::text, 'has an operation, and there is no such payment' FROM orders.payment_operations o
                WHERE NOT EXISTS (SELECT FROM orders.payments p WHERE p.id = o.payment_id)
                ORDER BY payment_id LIMIT 100",
    },
    Invariant {
        name: "nothing-waits-for-ever",
        promise: "P10",
        query: "SELECT payment_id::text, 'nobody knows since ' || first_sent_at || ' whether its ' || kind || ' of ' || amount
                       || ' was done'
                FROM orders.payment_operations
                WHERE status IN ('SENT', 'UNKNOWN') AND first_sent_at < now() - INTERVAL '1 hour'
                ORDER BY payment_id, id LIMIT 100",
    },
    // One under review is left alone: somebody has to decide first.
    Invariant {
        name: "what-is-open-is-at-work",
        promise: "P10",
        query: "SELECT p.id::text, 'has something to be sent, and nobody works on it'
                FROM orders.payments p
                WHERE p.status <> 'REVIEW'
                  AND EXISTS (SELECT FROM orders.payment_operations o
                              WHERE o.payment_id = p.id AND o.status IN ('PREPARED', 'SENT', 'UNKNOWN'))
                  AND NOT EXISTS (SELECT FROM orders.payments_at_work q WHERE q.payment_id = p.id)
                ORDER BY p.id LIMIT 100",
    },
    Invariant {
        name: "captured-has-its-order",
        promise: "P10",
        query: "SELECT object_id, provider || ' took ' || theirs || ', and no order is known for it'
                FROM orders.payment_findings
                WHERE kind = 'CAPTURED_WITHOUT_ORDER' AND resolved_at IS NULL ORDER BY id LIMIT 100",
    },
];
