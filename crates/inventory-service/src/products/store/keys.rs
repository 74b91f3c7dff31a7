//! The folded keys of products that a build without them, or a person, has written.

use shared_types::ProductId;
use sqlx::{PgConnection, PgExecutor};

/// A product without keys.
#[derive(Clone, Debug)]
pub struct Unfolded {
    pub id: ProductId,
    pub sku: String,
    pub name: String,
}

/// The keys of a product.
#[derive(Clone, Debug)]
pub struct Keys {
    pub id: ProductId,
    pub sku_key: String,
    pub name_key: String,
}

/// Locks some products that have no keys, deleted ones among them, in the order of their ids.
pub async fn lock_unfolded(conn: &mut PgConnection, limit: i64) -> Result<Vec<Unfolded>, sqlx::Error> {
    sqlx::query_as!(
        Unfolded,
        "SELECT id, sku, name FROM inventory.products WHERE sku_key IS NULL ORDER BY id LIMIT $1 FOR UPDATE",
        limit
    )
    .fetch_all(conn)
    .await
}

/// Writes keys of products that the caller has locked. A living product whose key another one has, or one before it in this
/// list, is marked as a twin. `version` is counted here, so the time of the last change stays.
pub async fn write(conn: &mut PgConnection, keys: &[Keys]) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "WITH wanted AS (
             SELECT n.id, n.sku_key, n.name_key, p.deleted_at IS NULL AS living,
                    row_number() OVER (PARTITION BY n.sku_key, p.deleted_at IS NULL ORDER BY n.id) AS place
             FROM unnest($1::bigint[], $2::text[], $3::text[]) AS n (id, sku_key, name_key)
             JOIN inventory.products p ON p.id = n.id AND p.id = ANY($1))
         UPDATE inventory.products p
         SET sku_key = n.sku_key, name_key = n.name_key, version = p.version + 1,
             sku_twin = n.living AND (n.place > 1 OR EXISTS (
                 SELECT FROM inventory.products other
                 WHERE other.sku_key = n.sku_key AND other.deleted_at IS NULL AND other.id <> n.id))
         FROM wanted n WHERE p.id = ANY($1) AND p.id = n.id",
        &keys.iter().map(|keys| keys.id.0).collect::<Vec<_>>(),
        &keys.iter().map(|keys| keys.sku_key.as_str()).collect::<Vec<_>>() as &[&str],
        &keys.iter().map(|keys| keys.name_key.as_str()).collect::<Vec<_>>() as &[&str]
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Ends being a twin for products whose key no other living product has any more.
pub async fn release_single_twins(db: impl PgExecutor<'_>) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "UPDATE inventory.products p SET sku_twin = FALSE, version = p.version + 1
         WHERE p.sku_twin AND (p.deleted_at IS NOT NULL OR NOT EXISTS (
             SELECT FROM inventory.products other
             WHERE other.sku_key = p.sku_key AND other.deleted_at IS NULL AND other.id <> p.id))"
    )
    .execute(db)
    .await?;
    Ok(())
}

/// A product whose SKU differs from that of an earlier one only in what folding takes away.
#[derive(Clone, Debug)]
pub struct Twin {
    pub id: ProductId,
    pub sku: String,
}

/// The twins, at the most a hundred.
pub async fn twins(db: impl PgExecutor<'_>) -> Result<Vec<Twin>, sqlx::Error> {
    sqlx::query_as!(
        Twin,
        "SELECT id, sku FROM inventory.products WHERE sku_twin AND deleted_at IS NULL ORDER BY id LIMIT 100"
    )
    .fetch_all(db)
    .await
}
