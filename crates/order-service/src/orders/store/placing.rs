//! The statement that writes new orders, for a whole batch at a time.

use crate::orders::domain::OrderItem;
use rust_decimal::Decimal;
use shared_types::{Money, OrderId, ProductId, Reference};
use sqlx::PgConnection;
use std::collections::HashMap;
use time::OffsetDateTime;
use uuid::Uuid;

/// A row of `orders.orders` to be, and its lines.
#[derive(Clone, Debug)]
pub struct NewRow<'a> {
    /// Its reference.
    pub reference: Reference,
    /// Who orders.
    pub customer_name: &'a str,
    /// Where to write to.
    pub customer_email: &'a str,
    /// Where to call.
    pub customer_phone: Option<&'a str>,
    /// Where to send it.
    pub shipping_address: &'a str,
    /// Sum of its lines, where its stock is held.
    pub total_amount: Option<Money>,
    /// By when, on the database's clock, it must be written, if there is such a time.
    pub deadline: Option<OffsetDateTime>,
    /// Its lines.
    pub items: Vec<OrderItem>,
}

/// A row that was written.
#[derive(Clone, Debug)]
pub struct Inserted {
    /// The order's number.
    pub id: OrderId,
    /// When it was placed.
    pub created_at: OffsetDateTime,
    /// The same.
    pub updated_at: OffsetDateTime,
    /// Its first version.
    pub version: i64,
    /// The number of each line, by product.
    pub items: HashMap<ProductId, i64>,
}

/// Writes the orders whose deadline has not passed and whose reference is new, as PENDING, with their lines and the first
/// entry of the timeline; gives those that were written. One statement: whoever orders waits for every round trip.
///
/// Sorted by reference, so that two batches with the same references cannot wait for each other in a circle; the
/// one that comes second waits for the first and then leaves out what it finds.
pub async fn insert(
    conn: &mut PgConnection,
    rows: &[NewRow<'_>],
    actor: &str,
) -> Result<HashMap<Reference, Inserted>, sqlx::Error> {
    let references: Vec<Uuid> = rows.iter().map(|row| row.reference.0).collect();
    let names: Vec<&str> = rows.iter().map(|row| row.customer_name).collect();
    let emails: Vec<&str> = rows.iter().map(|row| row.customer_email).collect();
    let phones: Vec<Option<&str>> = rows.iter().map(|row| row.customer_phone).collect();
    let addresses: Vec<&str> = rows.iter().map(|row| row.shipping_address).collect();
    let totals: Vec<Option<Decimal>> = rows.iter().map(|row| row.total_amount.map(Money::decimal)).collect();
    let deadlines: Vec<Option<OffsetDateTime>> = rows.iter().map(|row| row.deadline).collect();
    let items = || rows.iter().flat_map(|row| row.items.iter().map(move |item| (row.reference, item)));
    let item_references: Vec<Uuid> = items().map(|(reference, _)| reference.0).collect();
    let products: Vec<i64> = items().map(|(_, item)| item.product_id.0).collect();
    let product_names: Vec<Option<&str>> = items().map(|(_, item)| item.product_name.as_deref()).collect();
    let quantities: Vec<i32> = items().map(|(_, item)| item.quantity).collect();
    let prices: Vec<Option<Decimal>> = items().map(|(_, item)| item.price.map(Money::decimal)).collect();
    let subtotals: Vec<Option<Decimal>> = items().map(|(_, item)| item.subtotal.map(Money::decimal)).collect();
    let written = sqlx::query!(
        "WITH o AS (
             INSERT INTO orders.orders
                    (reference, customer_name, customer_email, customer_phone, shipping_address, status, total_amount)
             SELECT reference, name, email, phone, address, 'PENDING', total
             FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::text[], $6::numeric[], $7::timestamptz[])
                  AS n (reference, name, email, phone, address, total, deadline)
             WHERE clock_timestamp() < COALESCE(deadline, 'infinity')
             ORDER BY reference
             ON CONFLICT ON CONSTRAINT orders_reference_unique DO NOTHING
             RETURNING id, reference, created_at, updated_at, version),
         i AS (
             INSERT INTO orders.order_items (order_id, product_id, product_name, quantity, price, subtotal)
             SELECT o.id, n.product_id, n.product_name, n.quantity, n.price, n.subtotal
             FROM unnest($8::uuid[], $9::bigint[], $10::text[], $11::integer[], $12::numeric[], $13::numeric[])
                  WITH ORDINALITY AS n (reference, product_id, product_name, quantity, price, subtotal, position)
             JOIN o USING (reference) ORDER BY n.position
             RETURNING id, order_id, product_id),
         h AS (
             INSERT INTO orders.order_status_history (order_id, status, actor) SELECT id, 'PENDING', $14 FROM o)
         SELECT o.id, o.reference, o.created_at, o.updated_at, o.version, i.id AS item_id, i.product_id
         FROM o JOIN i ON i.order_id = o.id",
        &references,
        &names as &[&str],
        &emails as &[&str],
        &phones as &[Option<&str>],
        &addresses as &[&str],
        &totals as &[Option<Decimal>],
        &deadlines as &[Option<OffsetDateTime>],
        &item_references,
        &products,
        &product_names as &[Option<&str>],
        &quantities,
        &prices as &[Option<Decimal>],
        &subtotals as &[Option<Decimal>],
        actor
    )
    .fetch_all(conn)
    .await?;
    let mut inserted: HashMap<Reference, Inserted> = HashMap::with_capacity(rows.len());
    for row in written {
        let order = inserted.entry(Reference(row.reference)).or_insert_with(|| Inserted {
            id: OrderId(row.id),
            created_at: row.created_at,
            updated_at: row.updated_at,
            version: row.version,
            items: HashMap::new(),
        });
        order.items.insert(ProductId(row.product_id), row.item_id);
    }
    Ok(inserted)
}
