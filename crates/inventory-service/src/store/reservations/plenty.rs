//! Holding stock in one statement where there is plenty.

use super::milliseconds;
use crate::domain::reservations::requests::Wanted;
use shared_types::reservations::{Reservation, ReservationStatus, ReservedLine};
use shared_types::{Money, ProductId};
use sqlx::PgConnection;
use std::collections::{BTreeMap, HashMap};
use std::time::Duration;
use time::OffsetDateTime;
use uuid::Uuid;

/// Locks the products in the order of their ids and, if there is plenty of each, holds the stock for all the requests;
/// gives their reservations, in order. Otherwise nothing is written, and there are none.
///
/// Plenty means that there is nothing to decide and nothing to announce: every product can be ordered, there is enough
/// of it for all the requests together, and its stock does not cross the threshold. A reservation that is there already
/// fails on the primary key: the reservations, sorted by id as everywhere, are what the last `SELECT` reads, so they are
/// all inserted before anything that only belongs to them.
///
/// One statement: while products are locked, every round trip keeps others waiting.
pub async fn hold_from_plenty(
    conn: &mut PgConnection,
    window: Duration,
    wanted: &[Wanted],
) -> Result<Option<Vec<Reservation>>, sqlx::Error> {
    let mut ids: Vec<Uuid> = wanted.iter().map(|request| request.id().0).collect();
    ids.sort_unstable();
    let lines = Lines::of(wanted);
    let (products, pieces): (Vec<i64>, Vec<i64>) = lines.taken.iter().unzip();
    let rows = sqlx::query_as!(
        Held,
        r#"WITH locked AS MATERIALIZED (
             SELECT id, sku, name, price, active, stock_quantity, low_stock_threshold
             FROM inventory.products
             WHERE id = ANY($1) AND CASE WHEN deleted_at IS NULL THEN TRUE ELSE FALSE END ORDER BY id FOR UPDATE),
         plenty AS MATERIALIZED (
             SELECT count(*) = cardinality($1) AND bool_and(
                 active AND stock_quantity >= pieces
                 AND (stock_quantity - pieces > low_stock_threshold OR stock_quantity <= low_stock_threshold)
             ) AS there_is
             FROM locked JOIN unnest($1::bigint[], $2::bigint[]) AS n (id, pieces) USING (id)),
         term AS MATERIALIZED (
             SELECT now AS created_at, now + $3::bigint * INTERVAL '1 millisecond' AS expires_at
             FROM (SELECT clock_timestamp() AS now OFFSET 0) AS clock WHERE (SELECT there_is FROM plenty)),
         lines AS MATERIALIZED (
             SELECT n.reference, l.id, l.sku, l.name, n.quantity, l.price, l.stock_quantity - n.taken AS balance,
                    n.position
             FROM unnest($5::uuid[], $6::bigint[], $7::integer[], $8::bigint[])
                  WITH ORDINALITY AS n (reference, id, quantity, taken, position)
             JOIN locked l USING (id) WHERE (SELECT there_is FROM plenty)),
         held AS (
             INSERT INTO inventory.reservations (id, status, created_at, expires_at)
             SELECT id, 'HELD', created_at, expires_at FROM unnest($4::uuid[]) AS n (id), term ORDER BY id
             RETURNING created_at, expires_at),
         written AS (
             INSERT INTO inventory.reservation_items (reservation_id, product_id, sku, name, quantity, unit_price)
             SELECT reference, id, sku, name, quantity, price FROM lines),
         recorded AS (
             INSERT INTO inventory.stock_movements (product_id, delta, reason, reference, balance_after)
             SELECT id, -quantity, 'SALE', reference::text, balance FROM lines ORDER BY position),
         stocked AS (
             UPDATE inventory.products p
             SET stock_quantity = p.stock_quantity - n.pieces, version = p.version + 1, updated_at = clock_timestamp()
             FROM unnest($1::bigint[], $2::bigint[]) AS n (id, pieces)
             WHERE p.id = ANY($1) AND p.id = n.id AND (SELECT there_is FROM plenty))
         SELECT id, sku, name, price, created_at AS "created_at!", expires_at AS "expires_at!"
         FROM locked, (SELECT min(created_at) AS created_at, min(expires_at) AS expires_at FROM held
                       HAVING count(*) > 0) AS first"#,
        &products,
        &pieces,
        milliseconds(window),
        &ids,
        &lines.references,
        &lines.products,
        &lines.quantities,
        &lines.through
    )
    .fetch_all(conn)
    .await?;
    let held: HashMap<ProductId, Held> = rows.into_iter().map(|product| (product.id, product)).collect();
    Ok(wanted.iter().map(|request| reservation(request, &held)).collect())
}

/// A product that is held, and from when until when.
struct Held {
    id: ProductId,
    sku: String,
    name: String,
    price: Money,
    created_at: OffsetDateTime,
    expires_at: OffsetDateTime,
}

fn reservation(request: &Wanted, held: &HashMap<ProductId, Held>) -> Option<Reservation> {
    let term = held.get(&request.lines().first()?.product_id)?;
    let items = request.lines().iter().map(|line| {
        let product = held.get(&line.product_id)?;
        Some(ReservedLine {
            product_id: product.id,
            sku: product.sku.clone(),
            name: product.name.clone(),
            quantity: line.quantity,
            unit_price: product.price,
        })
    });
    Some(Reservation {
        id: request.id(),
        status: ReservationStatus::Held,
        items: items.collect::<Option<_>>()?,
        created_at: term.created_at,
        expires_at: term.expires_at,
        direct: false,
    })
}

/// The lines of all the requests, column by column.
#[derive(Default)]
struct Lines {
    references: Vec<Uuid>,
    products: Vec<i64>,
    quantities: Vec<i32>,
    /// Pieces of the product that are taken up to this line and with it.
    through: Vec<i64>,
    /// Pieces that are taken of each product.
    taken: BTreeMap<i64, i64>,
}

impl Lines {
    fn of(wanted: &[Wanted]) -> Self {
        let mut columns = Self::default();
        for (request, line) in wanted.iter().flat_map(|request| request.lines().iter().map(move |line| (request, line)))
        {
            let taken = columns.taken.entry(line.product_id.0).or_default();
            *taken += i64::from(line.quantity);
            columns.through.push(*taken);
            columns.references.push(request.id().0);
            columns.products.push(line.product_id.0);
            columns.quantities.push(line.quantity);
        }
        columns
    }
}
