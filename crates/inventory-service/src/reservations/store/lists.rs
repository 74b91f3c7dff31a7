//! Pages of reservations.

use super::rows::{ItemRow, grouped};
use crate::reservations::domain::ages::ByAge;
use shared_types::reservations::{Reservation, ReservationStatus};
use sqlx::PgExecutor;
use time::OffsetDateTime;
use uuid::Uuid;

/// A page of the reservations, by id.
pub async fn list(
    db: impl PgExecutor<'_>,
    status: Option<ReservationStatus>,
    after: Option<Uuid>,
    limit: i64,
) -> Result<Vec<Reservation>, sqlx::Error> {
    let rows = sqlx::query_as!(
        ItemRow,
        "SELECT r.id, r.status, r.created_at, r.expires_at, r.direct,
                i.product_id, i.sku, i.name, i.quantity, i.unit_price
         FROM (SELECT * FROM inventory.reservations
               WHERE id >= COALESCE($1, '00000000-0000-0000-0000-000000000000'::uuid) AND id IS DISTINCT FROM $1
                 AND ($2::text IS NULL OR status = $2)
               ORDER BY id LIMIT $3) r
         CROSS JOIN LATERAL (SELECT product_id, sku, name, quantity, unit_price
                             FROM inventory.reservation_items WHERE reservation_id = r.id OFFSET 0) i
         ORDER BY r.id, i.product_id",
        after,
        status.map(ReservationStatus::as_str),
        limit
    )
    .fetch_all(db)
    .await?;
    grouped(rows)
}

/// A page of the reservations that are HELD, by id. The status and a time that bounds nothing stand in the statement so that
/// the index of the held ones serves it, however many others there are.
pub async fn list_held(
    db: impl PgExecutor<'_>,
    after: Option<Uuid>,
    limit: i64,
) -> Result<Vec<Reservation>, sqlx::Error> {
    let rows = sqlx::query_as!(
        ItemRow,
        "SELECT r.id, r.status, r.created_at, r.expires_at, r.direct,
                i.product_id, i.sku, i.name, i.quantity, i.unit_price
         FROM (SELECT * FROM inventory.reservations
               WHERE status = 'HELD' AND created_at <= statement_timestamp()
                 AND id >= COALESCE($1, '00000000-0000-0000-0000-000000000000'::uuid) AND id IS DISTINCT FROM $1
               ORDER BY id LIMIT $2) r
         CROSS JOIN LATERAL (SELECT product_id, sku, name, quantity, unit_price
                             FROM inventory.reservation_items WHERE reservation_id = r.id OFFSET 0) i
         ORDER BY r.id, i.product_id",
        after,
        limit
    )
    .fetch_all(db)
    .await?;
    grouped(rows)
}

/// A page of the reservations that are HELD and were so before `before`, by age: who chooses a small id gets in front of
/// nobody.
pub async fn list_held_before(
    db: impl PgExecutor<'_>,
    before: OffsetDateTime,
    after: Option<ByAge>,
    limit: i64,
) -> Result<Vec<Reservation>, sqlx::Error> {
    let rows = sqlx::query_as!(
        ItemRow,
        "SELECT r.id, r.status, r.created_at, r.expires_at, r.direct,
                i.product_id, i.sku, i.name, i.quantity, i.unit_price
         FROM (SELECT * FROM inventory.reservations
               WHERE status = 'HELD' AND created_at < $1 AND created_at >= COALESCE($2, '-infinity'::timestamptz)
                 AND ($2::timestamptz IS NULL OR (created_at, id) > ($2, $3))
               ORDER BY created_at, id LIMIT $4) r
         CROSS JOIN LATERAL (SELECT product_id, sku, name, quantity, unit_price
                             FROM inventory.reservation_items WHERE reservation_id = r.id OFFSET 0) i
         ORDER BY r.created_at, r.id, i.product_id",
        before,
        after.map(|key| key.created_at),
        after.map(|key| key.id),
        limit
    )
    .fetch_all(db)
    .await?;
    grouped(rows)
}

/// A page of the reservations that were committed by hand, were held before `before`, and that no order has claimed since,
/// by age.
pub async fn list_unclaimed_before(
    db: impl PgExecutor<'_>,
    before: OffsetDateTime,
    after: Option<ByAge>,
    limit: i64,
) -> Result<Vec<Reservation>, sqlx::Error> {
    let rows = sqlx::query_as!(
        ItemRow,
        "SELECT r.id, r.status, r.created_at, r.expires_at, r.direct,
                i.product_id, i.sku, i.name, i.quantity, i.unit_price
         FROM (SELECT * FROM inventory.reservations
               WHERE unclaimed AND created_at < $1 AND created_at >= COALESCE($2, '-infinity'::timestamptz)
                 AND ($2::timestamptz IS NULL OR (created_at, id) > ($2, $3))
               ORDER BY created_at, id LIMIT $4) r
         CROSS JOIN LATERAL (SELECT product_id, sku, name, quantity, unit_price
                             FROM inventory.reservation_items WHERE reservation_id = r.id OFFSET 0) i
         ORDER BY r.created_at, r.id, i.product_id",
        before,
        after.map(|key| key.created_at),
        after.map(|key| key.id),
        limit
    )
    .fetch_all(db)
    .await?;
    grouped(rows)
}
