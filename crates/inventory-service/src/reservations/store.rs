//! The tables of reservations and their items, written together with the movements of the stock that they take.

pub mod invariants;
mod lists;
mod rows;

use super::domain::changes::Standing;
use super::domain::holds::Hold;
use crate::stock::{MovementColumns, NewMovement};
use rows::{ItemRow, grouped};
use rust_decimal::Decimal;
use shared_types::Reference;
use shared_types::reservations::{Reservation, ReservationStatus};
use sqlx::{PgConnection, PgExecutor};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::time::Duration;
use time::OffsetDateTime;
use uuid::Uuid;

pub use lists::{list, list_held, list_held_before, list_unclaimed_before};

/// When a reservation was held and until when.
#[derive(Clone, Copy, Debug)]
pub struct Term {
    pub created_at: OffsetDateTime,
    /// Until when its order must exist.
    pub expires_at: OffsetDateTime,
}

impl Term {
    fn new(created_at: OffsetDateTime, expires_at: OffsetDateTime) -> Self {
        Self { created_at, expires_at }
    }
}

/// The reservations with their items, by id.
pub async fn find(db: impl PgExecutor<'_>, ids: &[Reference]) -> Result<Vec<Reservation>, sqlx::Error> {
    let rows = sqlx::query_as!(
        ItemRow,
        "SELECT r.id, r.status, r.created_at, r.expires_at, r.direct,
                i.product_id, i.sku, i.name, i.quantity, i.unit_price
         FROM inventory.reservations r
         CROSS JOIN LATERAL (SELECT product_id, sku, name, quantity, unit_price
                             FROM inventory.reservation_items WHERE reservation_id = r.id OFFSET 0) i
         WHERE r.id = ANY($1) ORDER BY r.id, i.product_id",
        &uuids(ids)
    )
    .fetch_all(db)
    .await?;
    grouped(rows)
}

/// What is kept of a reservation beside what is shown.
#[derive(Clone, Copy, Debug, Default)]
pub struct Counts {
    /// Its pieces count as reserved.
    pub reserved: bool,
    /// It was committed by hand, and no order has claimed it since.
    pub unclaimed: bool,
}

/// Locks the reservations in the order of their ids; gives those that are locked. Those that do not exist are missing. One
/// may be made a moment later, and is not locked then.
pub async fn lock(conn: &mut PgConnection, ids: &[Reference]) -> Result<BTreeMap<Reference, Counts>, sqlx::Error> {
    let rows = sqlx::query!(
        "SELECT id, reserved, unclaimed FROM inventory.reservations WHERE id = ANY($1) ORDER BY id FOR UPDATE",
        &uuids(ids)
    )
    .fetch_all(conn)
    .await?;
    let counts = |reserved: Option<bool>, unclaimed| Counts { reserved: reserved == Some(true), unclaimed };
    Ok(rows.into_iter().map(|row| (Reference(row.id), counts(row.reserved, row.unclaimed))).collect())
}

/// Notes of reservations that the caller has locked that their pieces no longer count as reserved.
pub async fn mark_shipped(conn: &mut PgConnection, ids: &[Reference]) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "UPDATE inventory.reservations
         SET reserved = FALSE, version = version + 1, updated_at = clock_timestamp() WHERE id = ANY($1)",
        &uuids(ids)
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Locks the reservations without ever waiting for one: fails where another transaction holds it.
pub async fn lock_without_waiting(conn: &mut PgConnection, ids: &[Reference]) -> Result<(), sqlx::Error> {
    sqlx::query!("SELECT id FROM inventory.reservations WHERE id = ANY($1) FOR UPDATE NOWAIT", &uuids(ids))
        .fetch_all(conn)
        .await?;
    Ok(())
}

/// Writes new reservations with their items, as HELD from now on, by the clock of the database; records the movements, in
/// this order, and brings the stock of each product, which the caller has locked, to what it is after the last of them.
/// Gives the term of each reservation.
///
/// One statement, which writes the tables of `stock` and `products` as well: while products are locked, every round trip
/// keeps others waiting. There it writes what [`stock::record`](crate::stock::record) would write, and like that it counts
/// the version of each product whose stock changes.
///
/// Sorted by id, so that transactions that write the same ones meet in the same order. One that is there already fails
/// on the primary key.
pub async fn hold(
    conn: &mut PgConnection,
    window: Duration,
    holds: &[&Hold],
    movements: &[NewMovement],
) -> Result<HashMap<Reference, Term>, sqlx::Error> {
    let (ids, items, moves) = (ids_of(holds), ItemColumns::of(holds), MovementColumns::of(movements));
    let rows = sqlx::query!(
        "WITH held AS (
             INSERT INTO inventory.reservations (id, status, created_at, expires_at, reserved)
             SELECT id, 'HELD', now, now + $2::bigint * INTERVAL '1 millisecond', reserved
             FROM unnest($1::uuid[], $17::boolean[]) AS n (id, reserved),
                  (SELECT clock_timestamp() AS now OFFSET 0) AS clock ORDER BY id
             RETURNING id, created_at, expires_at),
         written AS (
             INSERT INTO inventory.reservation_items (reservation_id, product_id, sku, name, quantity, unit_price)
             SELECT * FROM unnest($3::uuid[], $4::bigint[], $5::text[], $6::text[], $7::integer[], $8::numeric[])),
         recorded AS (
             INSERT INTO inventory.stock_movements (product_id, delta, reason, reference, balance_after)
             SELECT product_id, delta, reason, reference, balance_after
             FROM unnest($9::bigint[], $10::integer[], $11::text[], $12::text[], $13::integer[])
                  WITH ORDINALITY AS m (product_id, delta, reason, reference, balance_after, position)
             ORDER BY position),
         stocked AS (
             UPDATE inventory.products p
             SET stock_quantity = n.stock, reserved = p.reserved + n.reserved, version = p.version + 1,
                 updated_at = clock_timestamp()
             FROM unnest($14::bigint[], $15::integer[], $16::bigint[]) AS n (id, stock, reserved)
             WHERE p.id = ANY($14) AND p.id = n.id AND (p.stock_quantity <> n.stock OR n.reserved <> 0))
         SELECT id, created_at, expires_at FROM held",
        &ids,
        milliseconds(window),
        &items.reservations,
        &items.products,
        &items.skus as &[&str],
        &items.names as &[&str],
        &items.quantities,
        &items.prices,
        &moves.products,
        &moves.deltas,
        &moves.reasons as &[&str],
        &moves.references as &[Option<&str>],
        &moves.balances,
        &moves.moved,
        &moves.stock,
        &moves.reserved,
        &holds.iter().map(|hold| hold.reserved).collect::<Vec<_>>()
    )
    .fetch_all(conn)
    .await?;
    Ok(rows.into_iter().map(|row| (Reference(row.id), Term::new(row.created_at, row.expires_at))).collect())
}

/// Holds released reservations anew, which the caller has locked, with the items of today, names and prices; gives the
/// term of each.
pub async fn hold_anew(
    conn: &mut PgConnection,
    window: Duration,
    holds: &[&Hold],
) -> Result<HashMap<Reference, Term>, sqlx::Error> {
    let (ids, items) = (ids_of(holds), ItemColumns::of(holds));
    let rows = sqlx::query!(
        "UPDATE inventory.reservations
         SET status = 'HELD', created_at = now, expires_at = now + $2::bigint * INTERVAL '1 millisecond',
             reserved = TRUE, version = version + 1, updated_at = now
         FROM (SELECT clock_timestamp() AS now OFFSET 0) AS clock WHERE id = ANY($1) AND status = 'RELEASED'
         RETURNING id, created_at, expires_at",
        &ids,
        milliseconds(window)
    )
    .fetch_all(&mut *conn)
    .await?;
    sqlx::query!("DELETE FROM inventory.reservation_items WHERE reservation_id = ANY($1)", &ids)
        .execute(&mut *conn)
        .await?;
    sqlx::query!(
        "INSERT INTO inventory.reservation_items (reservation_id, product_id, sku, name, quantity, unit_price)
         SELECT * FROM unnest($1::uuid[], $2::bigint[], $3::text[], $4::text[], $5::integer[], $6::numeric[])",
        &items.reservations,
        &items.products,
        &items.skus as &[&str],
        &items.names as &[&str],
        &items.quantities,
        &items.prices
    )
    .execute(conn)
    .await?;
    Ok(rows.into_iter().map(|row| (Reference(row.id), Term::new(row.created_at, row.expires_at))).collect())
}

/// The items of reservations, column by column.
#[derive(Default)]
struct ItemColumns<'a> {
    reservations: Vec<Uuid>,
    products: Vec<i64>,
    skus: Vec<&'a str>,
    names: Vec<&'a str>,
    quantities: Vec<i32>,
    prices: Vec<Decimal>,
}

impl<'a> ItemColumns<'a> {
    fn of(holds: &[&'a Hold]) -> Self {
        let mut columns = Self::default();
        for (hold, line) in holds.iter().flat_map(|hold| hold.lines.iter().map(move |line| (hold, line))) {
            columns.reservations.push(hold.id.0);
            columns.products.push(line.product_id.0);
            columns.skus.push(&line.sku);
            columns.names.push(&line.name);
            columns.quantities.push(line.quantity);
            columns.prices.push(line.unit_price.decimal());
        }
        columns
    }
}

fn ids_of(holds: &[&Hold]) -> Vec<Uuid> {
    holds.iter().map(|hold| hold.id.0).collect()
}

/// Moves those of the reservations that stand in `from` on to `to`; gives those that it moved.
///
/// It finds, and locks, them in the order of the primary key, see [`super::commands`]; the `CASE` keeps it from taking the
/// index of those that are HELD.
pub async fn advance(
    conn: &mut PgConnection,
    ids: &[Reference],
    from: ReservationStatus,
    to: ReservationStatus,
) -> Result<HashSet<Reference>, sqlx::Error> {
    let moved = sqlx::query_scalar!(
        "UPDATE inventory.reservations SET status = $3, version = version + 1, updated_at = clock_timestamp()
         WHERE id = ANY($1) AND CASE status WHEN $2 THEN TRUE ELSE FALSE END
         RETURNING id",
        &uuids(ids),
        from.as_str(),
        to.as_str()
    )
    .fetch_all(conn)
    .await?;
    Ok(moved.into_iter().map(Reference).collect())
}

/// Those of the reservations that are released.
pub async fn released(conn: &mut PgConnection, ids: &[Reference]) -> Result<HashSet<Reference>, sqlx::Error> {
    let released = sqlx::query_scalar!(
        "SELECT id FROM inventory.reservations
         WHERE id = ANY($1) AND CASE status WHEN 'RELEASED' THEN TRUE ELSE FALSE END",
        &uuids(ids)
    )
    .fetch_all(conn)
    .await?;
    Ok(released.into_iter().map(Reference).collect())
}

/// Writes where reservations stand that the caller has locked. The pieces of a released one no longer count as reserved.
pub async fn set_standing(
    conn: &mut PgConnection,
    standings: impl IntoIterator<Item = (Reference, Standing)>,
) -> Result<(), sqlx::Error> {
    let (mut ids, mut statuses, mut unclaimed) = (Vec::new(), Vec::new(), Vec::new());
    for (id, standing) in standings {
        ids.push(id.0);
        statuses.push(standing.status.as_str().to_owned());
        unclaimed.push(standing.unclaimed);
    }
    sqlx::query!(
        "UPDATE inventory.reservations r
         SET status = n.status, reserved = CASE WHEN n.status = 'RELEASED' THEN FALSE ELSE r.reserved END,
             unclaimed = n.unclaimed, version = r.version + 1, updated_at = clock_timestamp()
         FROM unnest($1::uuid[], $2::text[], $3::boolean[]) AS n (id, status, unclaimed)
         WHERE r.id = ANY($1) AND r.id = n.id",
        &ids,
        &statuses,
        &unclaimed
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Marks a reservation as sold at once, without an order.
pub async fn mark_direct(conn: &mut PgConnection, id: Reference) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "UPDATE inventory.reservations SET direct = TRUE, version = version + 1, updated_at = clock_timestamp()
         WHERE id = $1",
        id.0
    )
    .execute(conn)
    .await?;
    Ok(())
}

fn milliseconds(window: Duration) -> i64 {
    i64::try_from(window.as_millis()).unwrap_or(i64::MAX)
}

fn uuids(ids: &[Reference]) -> Vec<Uuid> {
    ids.iter().map(|id| id.0).collect()
}
