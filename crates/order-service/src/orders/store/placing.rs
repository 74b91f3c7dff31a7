//! The statement that writes new orders, for a whole batch at a time.

use super::{Inserted, NewOrderRow};
use crate::orders::domain::OrderItem;
use rust_decimal::Decimal;
use service_kit::written_columns;
use shared_types::{Money, OrderId, ProductId, Reference};
use sqlx::{PgConnection, Row};
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::LazyLock;
use time::OffsetDateTime;
use uuid::Uuid;

written_columns! {
    /// The columns of `orders.order_items` that placing writes, but the number of the order.
    struct NewItemRow<'a> {
        product_id: i64 = "bigint",
        product_name: Option<&'a str> = "text",
        quantity: i32 = "integer",
        price: Option<Decimal> = "numeric",
        subtotal: Option<Decimal> = "numeric",
    }
}

/// An order to write, with its lines.
#[derive(Clone, Debug)]
pub struct NewOrderWithItems<'a> {
    pub order: NewOrderRow<'a>,
    /// By when, on the database's clock, it must be written, if there is such a time.
    pub deadline: Option<OffsetDateTime>,
    pub items: Vec<OrderItem>,
}

/// One statement: whoever orders waits for every round trip.
static INSERT: LazyLock<String> = LazyLock::new(|| {
    let (order, item) = (NewOrderRow::columns(), NewItemRow::columns());
    let (orders, items) = (NewOrderRow::arrays(4), NewItemRow::arrays(4 + NewOrderRow::COUNT));
    format!(
        "WITH o AS (
             INSERT INTO orders.orders ({order})
             SELECT {order} FROM unnest({orders}, $1::timestamptz[]) AS n ({order}, deadline)
             WHERE clock_timestamp() < COALESCE(deadline, 'infinity')
             ORDER BY reference
             ON CONFLICT ON CONSTRAINT orders_reference_unique DO NOTHING
             RETURNING id, reference, created_at, updated_at, version),
         i AS (
             INSERT INTO orders.order_items (order_id, {item})
             SELECT o.id, {item} FROM unnest({items}, $2::uuid[]) WITH ORDINALITY AS n ({item}, reference, position)
             JOIN o USING (reference) ORDER BY n.position
             RETURNING id, order_id, product_id),
         h AS (
             INSERT INTO orders.order_status_history (order_id, status, actor) SELECT id, 'PENDING', $3 FROM o)
         SELECT o.id, o.reference, o.created_at, o.updated_at, o.version, i.id AS item_id, i.product_id
         FROM o JOIN i ON i.order_id = o.id"
    )
});

/// Writes the orders whose deadline has not passed and whose reference is new, with their lines and the first entry of the
/// timeline; gives those that were written.
///
/// Sorted by reference, so that two batches with the same references cannot wait for each other in a circle; the
/// one that comes second waits for the first and then leaves out what it finds.
pub async fn insert(
    conn: &mut PgConnection,
    rows: &[NewOrderWithItems<'_>],
    actor: &str,
) -> Result<HashMap<Reference, Inserted>, sqlx::Error> {
    let orders: Vec<NewOrderRow<'_>> = rows.iter().map(|row| row.order.clone()).collect();
    let deadlines: Vec<Option<OffsetDateTime>> = rows.iter().map(|row| row.deadline).collect();
    let lines = || rows.iter().flat_map(|row| row.items.iter().map(move |item| (row.order.reference, item)));
    let references: Vec<Uuid> = lines().map(|(reference, _)| reference).collect();
    let items: Vec<NewItemRow<'_>> = lines().map(|(_, item)| item_row(item)).collect();
    let query = sqlx::query(INSERT.as_str()).bind(deadlines).bind(references).bind(actor);
    let query = NewItemRow::bind(&items, NewOrderRow::bind(&orders, query));
    let mut inserted: HashMap<Reference, Inserted> = HashMap::with_capacity(rows.len());
    // By place: looking each column up by its name takes as long as reading it.
    for row in query.fetch_all(conn).await? {
        let reference = Reference(row.try_get(1)?);
        let order = match inserted.entry(reference) {
            Entry::Occupied(order) => order.into_mut(),
            Entry::Vacant(place) => place.insert(Inserted {
                id: OrderId(row.try_get(0)?),
                reference,
                created_at: row.try_get(2)?,
                updated_at: row.try_get(3)?,
                version: row.try_get(4)?,
                items: HashMap::new(),
            }),
        };
        order.items.insert(ProductId(row.try_get(6)?), row.try_get(5)?);
    }
    Ok(inserted)
}

fn item_row(item: &OrderItem) -> NewItemRow<'_> {
    NewItemRow {
        product_id: item.product_id.0,
        product_name: item.product_name.as_deref(),
        quantity: item.quantity,
        price: item.price.map(Money::decimal),
        subtotal: item.subtotal.map(Money::decimal),
    }
}
