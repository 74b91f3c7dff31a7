//! The column `customer_key` of `orders.orders`, where an earlier build wrote the row: it has none.
//!
//! The look for such rows is planned anew each time: a plan made for an empty table walks through the full one.

use sqlx::{PgConnection, PgExecutor};

/// The most rows that [`unkeyed`] gives.
pub const BATCH: usize = 500;

/// Some of the orders whose address has letters beyond ASCII and no key, with the address.
pub async fn unkeyed(db: impl PgExecutor<'_>) -> Result<Vec<(i64, String)>, sqlx::Error> {
    let query = format!(
        "SELECT id, customer_email FROM orders.orders
         WHERE customer_key IS NULL AND octet_length(customer_email) <> char_length(customer_email)
         ORDER BY customer_email LIMIT {BATCH}"
    );
    sqlx::query_as(sqlx::AssertSqlSafe(query)).persistent(false).fetch_all(db).await
}

/// Writes the keys of orders.
pub async fn set(conn: &mut PgConnection, keys: &[(i64, String)]) -> Result<(), sqlx::Error> {
    let (ids, keys): (Vec<i64>, Vec<String>) = keys.iter().cloned().unzip();
    sqlx::query!(
        "UPDATE orders.orders o SET customer_key = n.key, version = o.version + 1, updated_at = clock_timestamp()
         FROM unnest($1::bigint[], $2::text[]) AS n (id, key)
         WHERE o.id = ANY($1) AND o.id = n.id",
        &ids,
        &keys
    )
    .execute(conn)
    .await?;
    Ok(())
}
