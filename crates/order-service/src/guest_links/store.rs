//! The table `orders.guest_link_keys`, which has one row.

use sqlx::PgPool;

/// The key; `new` from now on where there is none yet. Instances that come at once get the same.
pub async fn key(pool: &PgPool, new: &[u8]) -> Result<Vec<u8>, sqlx::Error> {
    if let Some(secret) = find(pool).await? {
        return Ok(secret);
    }
    sqlx::query!("INSERT INTO orders.guest_link_keys (secret) VALUES ($1) ON CONFLICT DO NOTHING", new)
        .execute(pool)
        .await?;
    find(pool).await?.ok_or(sqlx::Error::RowNotFound)
}

async fn find(pool: &PgPool) -> Result<Option<Vec<u8>>, sqlx::Error> {
    sqlx::query_scalar!("SELECT secret FROM orders.guest_link_keys WHERE only_one").fetch_optional(pool).await
}
