//! What must hold in the tables of orders at every moment.

use service_kit::invariants::Invariant;

/// Each with the query that finds where it does not.
pub const INVARIANTS: &[Invariant] = &[
    Invariant {
        name: "total-is-sum-of-lines",
        promise: "P3",
        query:
            "SELECT order_id::text, 'total ' || COALESCE(total_amount::text, 'unknown') || ', lines ' || items_amount
                FROM orders.total_breaches ORDER BY order_id LIMIT 100",
    },
    Invariant {
        name: "order-has-lines",
        promise: "P3",
        query: "SELECT o.id::text, 'has no lines' FROM orders.orders o
                WHERE NOT EXISTS (SELECT FROM orders.order_items i WHERE i.order_id = o.id) ORDER BY o.id LIMIT 100",
    },
    Invariant {
        name: "rows-have-their-order",
        promise: "P3",
        query: "SELECT order_id::text, 'has a line, and there is no such order' FROM orders.order_items i
                WHERE NOT EXISTS (SELECT FROM orders.orders o WHERE o.id = i.order_id) AND order_id > (
                    SELECT COALESCE(max(last_id), 0) FROM orders.months WHERE parent = 'orders' AND archived_at IS NOT NULL)
                UNION ALL
                SELECT order_id::text, 'has a timeline, and there is no such order' FROM orders.order_status_history h
                WHERE NOT EXISTS (SELECT FROM orders.orders o WHERE o.id = h.order_id) AND order_id > (
                    SELECT COALESCE(max(last_id), 0) FROM orders.months WHERE parent = 'orders' AND archived_at IS NOT NULL)
                LIMIT 100",
    },
    Invariant {
        name: "order-has-its-stock",
        promise: "P3",
        query: "SELECT o.id::text, 'is ' || o.status || ', and its stock was released'
                FROM orders.lost_stock l CROSS JOIN LATERAL (
                    SELECT id, status FROM orders.orders WHERE id = l.order_id OFFSET 0) o
                WHERE o.status <> 'CANCELLED' ORDER BY o.id LIMIT 100",
    },
    Invariant {
        name: "confirmed-is-paid",
        promise: "P10",
        query: "SELECT id::text, 'is ' || status || ', and its payment ' || payment_status FROM orders.orders
                WHERE payment_status IS NOT NULL
                  AND (status IN ('PAID', 'CONFIRMED', 'SHIPPED', 'DELIVERED') AND payment_status IN ('DUE', 'VOIDED')
                       OR status IN ('PENDING', 'PAID') AND stock_committed
                          AND payment_status NOT IN ('DUE', 'VOIDED', 'REVIEW', 'REFUNDED'))
                ORDER BY id LIMIT 100",
    },
    Invariant {
        name: "unpaid-is-cancelled",
        promise: "P10",
        query: "SELECT o.id::text, 'is to be paid, and had to be until ' || p.pay_by
                FROM orders.orders o
                CROSS JOIN LATERAL (
                    SELECT pay_by FROM orders.payments WHERE order_id = o.id ORDER BY order_id, id DESC LIMIT 1) p
                WHERE o.status = 'PENDING' AND o.payment_status = 'DUE' AND p.pay_by < now() - INTERVAL '10 minutes'
                ORDER BY o.id LIMIT 100",
    },
    // Of what payments say, too: what an order owes is its total, less what was given back by hand while the sale stands. That
    // counts for what was given back at the provider once somebody has said so. Of a payment whose money came late, and of
    // those of a cancelled order, nothing is kept. At rest: no refund waits, and none is owed still because it did not go
    // through, of which people are told.
    Invariant {
        name: "order-money",
        promise: "P10",
        query: "SELECT o.id::text, 'is ' || o.status || ' and ' || o.payment_status || ', total ' || o.total_amount
                       || ', taken ' || p.captured || ', given back ' || p.refunded || ', by hand ' || p.by_hand
                FROM orders.orders o
                JOIN (
                    SELECT p.order_id, sum(p.captured) AS captured, sum(p.refunded) AS refunded,
                           COALESCE(sum(p.captured - p.refunded) FILTER (WHERE r.late), 0) AS late,
                           COALESCE(sum(r.by_hand) FILTER (WHERE NOT r.late), 0) AS by_hand,
                           COALESCE(sum(r.failed), 0) AS failed,
                           COALESCE(sum(r.failed) FILTER (WHERE r.late), 0) AS failed_late,
                           bool_or(COALESCE(r.waits, FALSE)) AS waits
                    FROM orders.payments p
                    LEFT JOIN (
                        SELECT payment_id,
                               sum(amount) FILTER (WHERE kind = 'REFUND' AND status = 'SUCCEEDED' AND (
                                   cause = 'MANUAL' OR cause = 'EXTERNAL' AND EXISTS (
                                       SELECT FROM orders.payment_findings f
                                       WHERE f.provider = o.provider AND f.object_id = o.provider_ref
                                         AND f.kind = 'THERE_ONLY' AND f.resolved_at IS NOT NULL))) AS by_hand,
                               sum(GREATEST(0, amount - COALESCE((
                                   SELECT sum(s.amount) FROM orders.payment_operations s
                                   WHERE s.payment_id = o.payment_id AND s.kind = 'REFUND' AND s.status = 'SUCCEEDED'
                                     AND s.created_at > o.updated_at), 0)))
                                   FILTER (WHERE kind = 'REFUND' AND status IN ('REFUSED', 'REVERSED')) AS failed,
                               bool_or(cause = 'LATE' AND status <> 'DROPPED') AS late,
                               bool_or(status IN ('PREPARED', 'SENT', 'UNKNOWN', 'ACCEPTED')) AS waits
                        FROM orders.payment_operations o GROUP BY payment_id) r ON r.payment_id = p.id
                    GROUP BY p.order_id) p ON p.order_id = o.id
                WHERE NOT p.waits AND NOT CASE
                    WHEN o.status = 'CANCELLED' THEN p.captured - p.refunded BETWEEN 0 AND p.failed
                    ELSE p.late BETWEEN 0 AND p.failed_late AND (
                        o.payment_status NOT IN ('PAID', 'PART_REFUNDED', 'REFUNDED')
                        OR p.captured - p.refunded - p.late = o.total_amount - p.by_hand) END
                ORDER BY o.id LIMIT 100",
    },
    Invariant {
        name: "payment-has-its-order",
        promise: "P10",
        query: "SELECT p.id::text, 'is of order ' || p.order_id || ', which ' ||
                       CASE WHEN o.id IS NULL THEN 'is not there' ELSE 'asks for no payment' END
                FROM orders.payments p LEFT JOIN orders.orders o ON o.id = p.order_id
                WHERE o.payment_status IS NULL AND p.order_id > (
                    SELECT COALESCE(max(last_id), 0) FROM orders.months WHERE parent = 'orders' AND archived_at IS NOT NULL)
                ORDER BY p.id LIMIT 100",
    },
    Invariant {
        name: "months-are-ahead",
        promise: "P9",
        query: "SELECT parent, 'has months up to ' || orders.time_of(end_key)
                FROM (SELECT DISTINCT ON (parent) parent, end_key FROM orders.months ORDER BY parent, end_key DESC) m
                WHERE orders.time_of(end_key) < now() + INTERVAL '1 month'
                UNION ALL
                SELECT 'order_items', 'has room for orders up to ' || end_id
                FROM (SELECT end_id FROM orders.order_ranges ORDER BY end_id DESC LIMIT 1) r
                WHERE end_id <= (SELECT last_value FROM orders.orders_id_seq)",
    },
    Invariant { name: "timeline-is-legal", promise: "P5", query: ILLEGAL_STEPS },
    Invariant {
        name: "timeline-ends-at-the-status",
        promise: "P5",
        query: "SELECT o.id::text, 'is ' || o.status || ', its timeline ends with ' || COALESCE(h.status, 'nothing')
                FROM orders.orders o
                LEFT JOIN (SELECT DISTINCT ON (order_id) order_id, status FROM orders.order_status_history
                           ORDER BY order_id, id DESC) h ON h.order_id = o.id
                WHERE h.status IS DISTINCT FROM o.status ORDER BY o.id LIMIT 100",
    },
];

/// The steps that the life of an order allows; a test holds them to `OrderStatus::transition`. A customer who takes an order into
/// their account leaves its status as it is.
const ILLEGAL_STEPS: &str = "
    SELECT order_id::text, 'went from ' || COALESCE(before, 'nothing') || ' to ' || status
    FROM (SELECT order_id, id, status, actor, lag(status) OVER (PARTITION BY order_id ORDER BY id) AS before
          FROM orders.order_status_history) h
    WHERE CASE WHEN before IS NULL THEN status <> 'PENDING' WHEN before = status THEN actor <> 'customer' ELSE (before, status) NOT IN (
        ('PENDING', 'PAID'), ('PENDING', 'CONFIRMED'), ('PENDING', 'SHIPPED'), ('PENDING', 'DELIVERED'), ('PENDING', 'CANCELLED'),
        ('PAID', 'CONFIRMED'), ('PAID', 'SHIPPED'), ('PAID', 'DELIVERED'), ('PAID', 'CANCELLED'),
        ('CONFIRMED', 'SHIPPED'), ('CONFIRMED', 'DELIVERED'), ('CONFIRMED', 'CANCELLED'),
        ('SHIPPED', 'DELIVERED')) END
    ORDER BY order_id, id LIMIT 100";

#[cfg(test)]
mod tests {
    use super::ILLEGAL_STEPS;
    use shared_types::{OrderStatus, Transition};

    #[test]
    fn the_query_allows_the_steps_that_the_life_of_an_order_allows() {
        for from in OrderStatus::ALL {
            for to in OrderStatus::ALL {
                let allowed = matches!(from.transition(to), Ok(Transition::To(_)));
                assert_eq!(ILLEGAL_STEPS.contains(&format!("('{from}', '{to}')")), allowed, "{from} to {to}");
            }
        }
    }
}
