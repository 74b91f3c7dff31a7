//! The table `orders.payments_at_work`: the payments of which something is to be sent, or at which somebody has to look.

use service_kit::work_queue::Table;
use shared_types::{OrderId, PaymentId};
use sqlx::{FromRow, PgConnection, PgExecutor};
use std::time::Duration;
use time::OffsetDateTime;

/// The queue of payments.
pub const QUEUE: Table = Table {
    name: "orders.payments_at_work",
    key: "payment_id",
    due: "TRUE",
    columns: "q.order_id, q.attempts",
    give_up_at: None,
};

/// What a claim gives of a payment.
#[derive(Clone, PartialEq, Eq, Debug, FromRow)]
pub struct AtWork {
    pub order_id: i64,
    /// How often it was looked at in vain.
    pub attempts: i32,
}

/// Queues payments, each with the order it is of, to be looked at from a time on.
pub async fn insert(
    conn: &mut PgConnection,
    payments: &[(PaymentId, OrderId, OffsetDateTime)],
) -> Result<(), sqlx::Error> {
    let ids: Vec<i64> = payments.iter().map(|(id, ..)| id.0).collect();
    let orders: Vec<i64> = payments.iter().map(|(_, order, _)| order.0).collect();
    let times: Vec<OffsetDateTime> = payments.iter().map(|(.., at)| *at).collect();
    sqlx::query!(
        "INSERT INTO orders.payments_at_work (payment_id, order_id, next_attempt_at)
         SELECT id, order_id, at FROM unnest($1::bigint[], $2::bigint[], $3::timestamptz[]) AS n (id, order_id, at)",
        &ids,
        &orders,
        &times
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Takes a payment for this process, which works on it as soon as this transaction is committed: nobody else does until the lease
/// ends. Gives the end of the lease. One that another works on at this moment is taken from it, which does no harm.
pub async fn take(
    conn: &mut PgConnection,
    payment: PaymentId,
    order: OrderId,
    lease: Duration,
) -> Result<OffsetDateTime, sqlx::Error> {
    sqlx::query_scalar!(
        "INSERT INTO orders.payments_at_work AS q (payment_id, order_id, next_attempt_at)
         VALUES ($1, $2, clock_timestamp() + $3::bigint * INTERVAL '1 millisecond')
         ON CONFLICT (payment_id) DO UPDATE SET attempts = 0, next_attempt_at = EXCLUDED.next_attempt_at
         RETURNING next_attempt_at",
        payment.0,
        order.0,
        milliseconds(lease)
    )
    .fetch_one(conn)
    .await
}

/// Has a payment looked at as soon as somebody can: something about it is new.
pub async fn hint(conn: &mut PgConnection, payment: PaymentId, order: OrderId) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "INSERT INTO orders.payments_at_work AS q (payment_id, order_id, next_attempt_at)
         VALUES ($1, $2, clock_timestamp())
         ON CONFLICT (payment_id) DO UPDATE SET attempts = 0, next_attempt_at = LEAST(q.next_attempt_at, clock_timestamp())",
        payment.0,
        order.0
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Has a payment looked at in ten seconds at the latest: its customer is about to pay.
pub async fn expect(conn: &mut PgConnection, payment: PaymentId, order: OrderId) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "INSERT INTO orders.payments_at_work AS q (payment_id, order_id, next_attempt_at)
         VALUES ($1, $2, clock_timestamp() + INTERVAL '10 seconds')
         ON CONFLICT (payment_id)
         DO UPDATE SET attempts = 0, next_attempt_at = LEAST(q.next_attempt_at, EXCLUDED.next_attempt_at)",
        payment.0,
        order.0
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Puts a payment off until a time, unless somebody else has it by now.
pub async fn put_off(
    db: impl PgExecutor<'_>,
    payment: PaymentId,
    leased_until: OffsetDateTime,
    next: OffsetDateTime,
    attempts: i32,
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "UPDATE orders.payments_at_work SET attempts = $4, next_attempt_at = $3
         WHERE payment_id = $1 AND next_attempt_at = $2",
        payment.0,
        leased_until,
        next,
        attempts
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Takes a payment off the queue, unless somebody else has it by now.
pub async fn remove(
    db: impl PgExecutor<'_>,
    payment: PaymentId,
    leased_until: OffsetDateTime,
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "DELETE FROM orders.payments_at_work WHERE payment_id = $1 AND next_attempt_at = $2",
        payment.0,
        leased_until
    )
    .execute(db)
    .await?;
    Ok(())
}

fn milliseconds(time: Duration) -> i64 {
    i64::try_from(time.as_millis()).unwrap_or(i64::MAX)
}
