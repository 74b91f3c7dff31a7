//! What is read of our books to hold them against a provider's, and the table `orders.reconciled_days`.

use super::rows::parsed;
use crate::payments::domain::{Listed, ListedRefund, OperationStatus, Provider};
use shared_types::{Money, OrderId, PaymentId};
use sqlx::{PgConnection, PgExecutor};
use std::collections::HashMap;
use time::{Date, OffsetDateTime};
use uuid::Uuid;

/// What a provider lists that is looked for in one statement.
const AT_ONCE: usize = 500;

/// How long somebody who holds the books of a day against the provider's may take before another begins anew.
const LEASE_MINUTES: i32 = 15;

/// How many days back are made up for, where nobody was there to do it.
const DAYS_BACK: i32 = 6;

/// A payment in our books.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Booked {
    pub id: PaymentId,
    pub order_id: OrderId,
    pub reference: Uuid,
    pub provider_id: Option<String>,
    pub captured: Money,
}

/// The payments of ours that a provider lists, by its name or by ours.
pub async fn booked(
    conn: &mut PgConnection,
    provider: Provider,
    listed: &[Listed],
) -> Result<Vec<Booked>, sqlx::Error> {
    let mut found = Vec::with_capacity(listed.len());
    for some in listed.chunks(AT_ONCE) {
        let ids: Vec<String> = some.iter().map(|listed| listed.provider_id.clone()).collect();
        let references: Vec<Uuid> = some.iter().filter_map(|listed| listed.reference).collect();
        let rows = sqlx::query!(
            r#"SELECT id AS "id!", order_id AS "order_id!", reference AS "reference!", provider_id, captured AS "captured!"
               FROM orders.payments WHERE provider = $1 AND provider_id = ANY($2)
               UNION
               SELECT id, order_id, reference, provider_id, captured
               FROM orders.payments WHERE reference = ANY($3) AND provider = $1"#,
            provider.as_str(),
            &ids,
            &references
        )
        .fetch_all(&mut *conn)
        .await?;
        found.extend(rows.into_iter().map(|row| Booked {
            id: PaymentId(row.id),
            order_id: OrderId(row.order_id),
            reference: row.reference,
            provider_id: row.provider_id,
            captured: row.captured.into(),
        }));
    }
    Ok(found)
}

/// The payments of a time, each with its order, whose money is promised or taken.
pub async fn with_money(
    conn: &mut PgConnection,
    provider: Provider,
    from: OffsetDateTime,
    to: OffsetDateTime,
) -> Result<Vec<(PaymentId, OrderId)>, sqlx::Error> {
    let rows = sqlx::query!(
        "SELECT id, order_id FROM orders.payments
         WHERE reference >= $2 AND reference < $3 AND provider = $1 AND authorized > 0",
        provider.as_str(),
        first_id(from),
        first_id(to)
    )
    .fetch_all(conn)
    .await?;
    Ok(rows.into_iter().map(|row| (PaymentId(row.id), OrderId(row.order_id))).collect())
}

/// A refund in our books.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct BookedRefund {
    pub payment_id: PaymentId,
    pub order_id: OrderId,
    pub amount: Money,
    pub status: OperationStatus,
}

/// The refunds of ours that a provider lists, by its name of each.
pub async fn booked_refunds(
    conn: &mut PgConnection,
    provider: Provider,
    listed: &[ListedRefund],
) -> Result<HashMap<String, BookedRefund>, sqlx::Error> {
    let mut found = HashMap::with_capacity(listed.len());
    for some in listed.chunks(AT_ONCE) {
        let ids: Vec<String> = some.iter().map(|listed| listed.refund.id.clone()).collect();
        let rows = sqlx::query!(
            r#"SELECT o.provider_ref AS "name!", o.payment_id, p.order_id, o.amount, o.status
               FROM orders.payment_operations o JOIN orders.payments p ON p.id = o.payment_id
               WHERE o.provider = $1 AND o.provider_ref = ANY($2)"#,
            provider.as_str(),
            &ids
        )
        .fetch_all(&mut *conn)
        .await?;
        for row in rows {
            let (payment_id, order_id) = (PaymentId(row.payment_id), OrderId(row.order_id));
            let (amount, status) = (row.amount.into(), parsed(&row.status)?);
            found.insert(row.name, BookedRefund { payment_id, order_id, amount, status });
        }
    }
    Ok(found)
}

/// The refunds that were decided in a time and are done or under way, by the provider's name of each: its payment and order.
pub async fn refunds_of(
    conn: &mut PgConnection,
    provider: Provider,
    from: OffsetDateTime,
    to: OffsetDateTime,
) -> Result<Vec<(Option<String>, PaymentId, OrderId)>, sqlx::Error> {
    let rows = sqlx::query!(
        "SELECT o.provider_ref, o.payment_id, p.order_id
         FROM orders.payment_operations o JOIN orders.payments p ON p.id = o.payment_id
         WHERE o.id >= $2 AND o.id < $3 AND o.provider = $1 AND o.kind = 'REFUND' AND o.status IN ('ACCEPTED', 'SUCCEEDED')",
        provider.as_str(),
        first_id(from),
        first_id(to)
    )
    .fetch_all(conn)
    .await?;
    Ok(rows.into_iter().map(|row| (row.provider_ref, PaymentId(row.payment_id), OrderId(row.order_id))).collect())
}

/// The first id that an operation, and the first reference that a payment of this time can have: both are in the order of time.
fn first_id(time: OffsetDateTime) -> Uuid {
    let milliseconds = u64::try_from(time.unix_timestamp()).unwrap_or_default() * 1000;
    uuid::Builder::from_unix_timestamp_millis(milliseconds, &[0; 10]).into_uuid()
}

/// Takes the oldest day until `newest` that nobody has done or is at; gives none where there is none.
pub async fn claim(db: impl PgExecutor<'_>, newest: Date) -> Result<Option<Date>, sqlx::Error> {
    sqlx::query_scalar!(
        "INSERT INTO orders.reconciled_days AS r (day, leased_until)
         SELECT $1::date - back, clock_timestamp() + $2::integer * INTERVAL '1 minute'
         FROM generate_series(0, LEAST($3::integer, $1 - COALESCE((SELECT min(day) FROM orders.reconciled_days), $1))) AS s (back)
         WHERE NOT EXISTS (
             SELECT FROM orders.reconciled_days d
             WHERE d.day = $1 - back AND (d.done_at IS NOT NULL OR d.leased_until > clock_timestamp()))
         ORDER BY back DESC LIMIT 1
         ON CONFLICT (day) DO UPDATE SET leased_until = EXCLUDED.leased_until
         WHERE r.done_at IS NULL AND r.leased_until <= clock_timestamp()
         RETURNING day",
        newest,
        LEASE_MINUTES,
        DAYS_BACK
    )
    .fetch_optional(db)
    .await
}

/// Notes that a day is done.
pub async fn done(db: impl PgExecutor<'_>, day: Date) -> Result<(), sqlx::Error> {
    sqlx::query!("UPDATE orders.reconciled_days SET done_at = clock_timestamp() WHERE day = $1", day)
        .execute(db)
        .await?;
    Ok(())
}
