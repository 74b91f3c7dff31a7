//! What must hold in every shop once its messages have come to rest (promises P1, P3 and P5 of the design).

use crate::poll;
use crate::shop::Shop;
use shared_types::OrderStatus;
use shared_types::order_status::Transition;
use sqlx::Row;
use std::collections::BTreeMap;

/// Each names what it finds: a query that gives one text for each breach.
const BREACHES: [(&str, &str); 11] = [
    ("stock is not the sum of its movements", "SELECT sku FROM inventory.stock_breaches"),
    (
        "a movement does not follow from the one before",
        "SELECT id::text FROM (SELECT id, product_id, balance_after, SUM(delta) OVER (PARTITION BY product_id ORDER BY id) AS moved
                               FROM inventory.stock_movements) m LEFT JOIN inventory.opening_balances b USING (product_id)
         WHERE balance_after <> COALESCE(b.balance, 0) + moved",
    ),
    (
        "what is reserved is not what waits to be shipped",
        "SELECT p.sku FROM inventory.products p WHERE p.reserved <> (
             SELECT COALESCE(SUM(i.quantity), 0) FROM inventory.reservations r
             JOIN inventory.reservation_items i ON i.reservation_id = r.id
             LEFT JOIN orders.orders o ON o.reference = r.id
             WHERE i.product_id = p.id AND r.status IN ('HELD', 'COMMITTED') AND NOT r.direct
                   AND COALESCE(o.status, '') NOT IN ('SHIPPED', 'DELIVERED'))",
    ),
    ("a total is not the sum of its lines", "SELECT order_id::text FROM orders.total_breaches"),
    (
        "an order stands where its reservation does not",
        "SELECT o.id || ' is ' || o.status || ', its reservation ' || COALESCE(r.status, 'missing')
         FROM orders.orders o LEFT JOIN inventory.reservations r ON r.id = o.reference
         WHERE r.status IS DISTINCT FROM CASE o.status WHEN 'CANCELLED' THEN 'RELEASED' ELSE 'COMMITTED' END
               -- Who was cancelled before he was placed may never have had a reservation.
               AND NOT (r.id IS NULL AND o.status = 'CANCELLED' AND o.total_amount IS NULL)",
    ),
    (
        "stock was committed without an order",
        "SELECT r.id::text FROM inventory.reservations r
         WHERE r.status = 'COMMITTED' AND NOT r.direct AND NOT EXISTS (SELECT FROM orders.orders o WHERE o.reference = r.id)",
    ),
    (
        "an order's lines are not those of its reservation",
        "SELECT o.id::text FROM orders.orders o WHERE o.total_amount IS NOT NULL AND
            (SELECT array_agg((product_id, quantity, price)::text ORDER BY product_id) FROM orders.order_items
             WHERE order_id = o.id)
            IS DISTINCT FROM
            (SELECT array_agg((product_id, quantity, unit_price)::text ORDER BY product_id)
             FROM inventory.reservation_items WHERE reservation_id = o.reference)",
    ),
    (
        "an order is not settled",
        "SELECT id::text FROM orders.orders
         WHERE status IN ('PENDING', 'PAID') AND COALESCE(payment_status, '') NOT IN ('DUE', 'VOIDED', 'REVIEW')",
    ),
    ("an accepted order waits to be placed", "SELECT order_id::text FROM orders.pending_placements"),
    ("inventory-service has events to publish", "SELECT event_type FROM inventory.outbox"),
    ("order-service has events to publish", "SELECT event_type FROM orders.outbox"),
];

impl Shop {
    /// Waits until the messages have come to rest, and fails the test unless everything is then as it must be.
    pub async fn assert_invariants(&self) {
        poll::eventually("every invariant to hold", async || {
            for (breach, query) in BREACHES {
                let found = self.database.texts(query).await;
                if !found.is_empty() {
                    return Err(format!("{breach}: {found:?}"));
                }
            }
            Ok(())
        })
        .await;
        self.assert_histories().await;
    }

    /// Fails the test unless every order went through its statuses as the life of an order allows. A customer who takes an
    /// order into their account changes none.
    pub async fn assert_histories(&self) {
        let query = "SELECT h.order_id, h.status, o.status AS now FROM orders.order_status_history h
                     JOIN orders.orders o ON o.id = h.order_id WHERE h.actor <> 'customer' ORDER BY h.order_id, h.id";
        let rows = sqlx::query(query).fetch_all(self.database.pool()).await.expect("the histories");
        let mut histories: BTreeMap<i64, (Vec<OrderStatus>, OrderStatus)> = BTreeMap::new();
        for row in rows {
            let status = |column| row.get::<&str, _>(column).parse::<OrderStatus>().expect("a status");
            let history = histories.entry(row.get("order_id")).or_insert((Vec::new(), status("now")));
            history.0.push(status("status"));
        }
        let orders = self.database.number("SELECT COUNT(*) FROM orders.orders").await;
        assert_eq!(histories.len() as i64, orders, "an order has no history");
        for (id, (history, now)) in histories {
            assert_eq!(history.first(), Some(&OrderStatus::Pending), "order {id}: {history:?}");
            assert_eq!(history.last(), Some(&now), "order {id}: {history:?}");
            for step in history.windows(2) {
                let moved = step[0].transition(step[1]);
                assert_eq!(moved, Ok(Transition::To(step[1])), "order {id}: {history:?}");
            }
        }
    }
}
