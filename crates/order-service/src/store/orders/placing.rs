//! The statements that write new orders, for a whole batch at a time.

use crate::domain::orders::OrderItem;
use rust_decimal::Decimal;
use shared_types::{Money, OrderId, ProductId, Reference};
use sqlx::PgConnection;
use time::OffsetDateTime;
use uuid::Uuid;

/// A row of `orders.orders` to be.
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
}

/// A row that was written.
#[derive(Clone, Copy, Debug)]
pub struct Inserted {
    /// The order's number.
    pub id: OrderId,
    /// Its reference.
    pub reference: Reference,
    /// When it was placed.
    pub created_at: OffsetDateTime,
    /// The same.
    pub updated_at: OffsetDateTime,
    /// Its first version.
    pub version: i64,
}

/// Writes the orders whose deadline has not passed and whose reference is new; gives those that were written.
///
/// Sorted by reference, so that two batches with the same references cannot wait for each other in a circle; the
/// one that comes second waits for the first and then leaves out what it finds.
pub async fn insert(conn: &mut PgConnection, rows: &[NewRow<'_>]) -> Result<Vec<Inserted>, sqlx::Error> {
    let references: Vec<Uuid> = rows.iter().map(|row| row.reference.0).collect();
    let names: Vec<String> = rows.iter().map(|row| row.customer_name.to_owned()).collect();
    let emails: Vec<String> = rows.iter().map(|row| row.customer_email.to_owned()).collect();
    let phones: Vec<Option<String>> = rows.iter().map(|row| row.customer_phone.map(str::to_owned)).collect();
    let addresses: Vec<String> = rows.iter().map(|row| row.shipping_address.to_owned()).collect();
    let totals: Vec<Option<Decimal>> = rows.iter().map(|row| row.total_amount.map(Money::decimal)).collect();
    let deadlines: Vec<Option<OffsetDateTime>> = rows.iter().map(|row| row.deadline).collect();
    let inserted = sqlx::query!(
        "INSERT INTO orders.orders
                (reference, customer_name, customer_email, customer_phone, shipping_address, status, total_amount)
         SELECT reference, name, email, phone, address, 'PENDING', total
         FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::text[], $6::numeric[], $7::timestamptz[])
              AS n (reference, name, email, phone, address, total, deadline)
         WHERE clock_timestamp() < COALESCE(deadline, 'infinity')
         ORDER BY reference
         ON CONFLICT ON CONSTRAINT orders_reference_unique DO NOTHING
         RETURNING id, reference, created_at, updated_at, version",
        &references,
        &names,
        &emails,
        &phones as &[Option<String>],
        &addresses,
        &totals as &[Option<Decimal>],
        &deadlines as &[Option<OffsetDateTime>]
    )
    .fetch_all(conn)
    .await?;
    Ok(inserted
        .into_iter()
        .map(|row| Inserted {
            id: OrderId(row.id),
            reference: Reference(row.reference),
            created_at: row.created_at,
            updated_at: row.updated_at,
            version: row.version,
        })
        .collect())
}

/// Writes the lines of the orders; gives the number of each by order and product.
pub async fn insert_items(
    conn: &mut PgConnection,
    items: &[(OrderId, &OrderItem)],
) -> Result<Vec<(OrderId, ProductId, i64)>, sqlx::Error> {
    let orders: Vec<i64> = items.iter().map(|(order, _)| order.0).collect();
    let products: Vec<i64> = items.iter().map(|(_, item)| item.product_id.0).collect();
    let names: Vec<Option<String>> = items.iter().map(|(_, item)| item.product_name.clone()).collect();
    let quantities: Vec<i32> = items.iter().map(|(_, item)| item.quantity).collect();
    let prices: Vec<Option<Decimal>> = items.iter().map(|(_, item)| item.price.map(Money::decimal)).collect();
    let subtotals: Vec<Option<Decimal>> = items.iter().map(|(_, item)| item.subtotal.map(Money::decimal)).collect();
    let rows = sqlx::query!(
        "INSERT INTO orders.order_items (order_id, product_id, product_name, quantity, price, subtotal)
         SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::text[], $4::integer[], $5::numeric[], $6::numeric[])
         RETURNING id, order_id, product_id",
        &orders,
        &products,
        &names as &[Option<String>],
        &quantities,
        &prices as &[Option<Decimal>],
        &subtotals as &[Option<Decimal>]
    )
    .fetch_all(conn)
    .await?;
    Ok(rows.into_iter().map(|row| (OrderId(row.order_id), ProductId(row.product_id), row.id)).collect())
}
