//! The table of products. Each `UPDATE` of a row with a `version` counts it; the triggers do so for changes by hand.

pub mod invariants;
pub mod keys;

use super::domain::{Product, ProductFilter, ProductInput};
use service_kit::folding::fold;
use shared_types::ProductId;
use sqlx::{PgConnection, PgExecutor};

const SAMPLE_DATA: &str = include_str!("../../../../migrations/sample-data.sql");

/// The product, unless it is deleted.
pub async fn find(db: impl PgExecutor<'_>, id: ProductId) -> Result<Option<Product>, sqlx::Error> {
    sqlx::query_as!(
        Product,
        "SELECT id, sku, name, description, price, stock_quantity, reserved, low_stock_threshold, active, created_at,
                updated_at, version
         FROM inventory.products WHERE id = $1 AND deleted_at IS NULL",
        id.0
    )
    .fetch_optional(db)
    .await
}

/// Whether there is, or ever was, such a product.
pub async fn was_ever(db: impl PgExecutor<'_>, id: ProductId) -> Result<bool, sqlx::Error> {
    sqlx::query_scalar!(r#"SELECT EXISTS (SELECT FROM inventory.products WHERE id = $1) AS "exists!""#, id.0)
        .fetch_one(db)
        .await
}

/// A page of the products that are not deleted, by id.
pub async fn list(
    db: impl PgExecutor<'_>,
    filter: &ProductFilter,
    after: Option<i64>,
    limit: i64,
) -> Result<Vec<Product>, sqlx::Error> {
    sqlx::query_as!(
        Product,
        "SELECT id, sku, name, description, price, stock_quantity, reserved, low_stock_threshold, active, created_at,
                updated_at, version
         FROM inventory.products
         WHERE deleted_at IS NULL AND id >= COALESCE($1, -9223372036854775808) AND id IS DISTINCT FROM $1
           AND ($2::boolean IS NULL OR active = $2)
           AND ($3::text IS NULL OR sku_key = $3)
           AND ($4::text IS NULL OR name_key LIKE $4 OR sku_key LIKE $4)
           AND (NOT $5 OR stock_quantity <= low_stock_threshold)
         ORDER BY id LIMIT $6",
        after,
        filter.active,
        filter.sku_key,
        filter.pattern(),
        filter.low,
        limit
    )
    .fetch_all(db)
    .await
}

/// Locks those of the products that are not deleted, in the order of their ids.
pub async fn lock(conn: &mut PgConnection, ids: &[ProductId]) -> Result<Vec<Product>, sqlx::Error> {
    sqlx::query_as!(
        Product,
        "SELECT id, sku, name, description, price, stock_quantity, reserved, low_stock_threshold, active, created_at,
                updated_at, version
         FROM inventory.products
         WHERE id = ANY($1) AND CASE WHEN deleted_at IS NULL THEN TRUE ELSE FALSE END ORDER BY id FOR UPDATE",
        &ids.iter().map(|id| id.0).collect::<Vec<_>>()
    )
    .fetch_all(conn)
    .await
}

/// Writes a new product. Gives nothing, or fails, where its SKU is taken: by another case or form of it as well. The index
/// of keys leaves twins out, so they are looked for.
pub async fn insert(conn: &mut PgConnection, input: &ProductInput) -> Result<Option<Product>, sqlx::Error> {
    let key = fold(&input.sku);
    sqlx::query_as!(
        Product,
        "INSERT INTO inventory.products
                (sku, name, description, price, stock_quantity, low_stock_threshold, active, sku_key, name_key)
         SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9
         WHERE NOT EXISTS (SELECT FROM inventory.products WHERE sku_key = $8 AND deleted_at IS NULL)
         RETURNING id, sku, name, description, price, stock_quantity, reserved, low_stock_threshold, active, created_at,
                   updated_at, version",
        input.sku,
        input.name,
        input.description,
        input.price.decimal(),
        input.stock_quantity,
        input.low_stock_threshold,
        input.active,
        key,
        fold(&input.name)
    )
    .fetch_optional(conn)
    .await
}

/// Replaces a product that the caller has locked. Gives nothing, or fails, where its new SKU is taken. A twin that keeps its
/// key stays one.
pub async fn update(
    conn: &mut PgConnection,
    id: ProductId,
    input: &ProductInput,
) -> Result<Option<Product>, sqlx::Error> {
    let key = fold(&input.sku);
    sqlx::query_as!(
        Product,
        "UPDATE inventory.products
         SET sku = $2, name = $3, description = $4, price = $5, stock_quantity = $6, low_stock_threshold = $7,
             active = $8, sku_key = $9, name_key = $10, sku_twin = sku_twin AND sku_key IS NOT DISTINCT FROM $9,
             version = version + 1, updated_at = clock_timestamp()
         WHERE id = $1 AND (sku_key IS NOT DISTINCT FROM $9 OR NOT EXISTS (
             SELECT FROM inventory.products other
             WHERE other.sku_key = $9 AND other.deleted_at IS NULL AND other.id <> $1))
         RETURNING id, sku, name, description, price, stock_quantity, reserved, low_stock_threshold, active, created_at,
                   updated_at, version",
        id.0,
        input.sku,
        input.name,
        input.description,
        input.price.decimal(),
        input.stock_quantity,
        input.low_stock_threshold,
        input.active,
        key,
        fold(&input.name)
    )
    .fetch_optional(conn)
    .await
}

/// Marks a product that the caller has locked as deleted; its history stays.
pub async fn delete(conn: &mut PgConnection, id: ProductId) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "UPDATE inventory.products
         SET deleted_at = clock_timestamp(), version = version + 1, updated_at = clock_timestamp()
         WHERE id = $1",
        id.0
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Puts in the sample products where there has never been one; instances that start at once take turns.
pub async fn load_sample_data(conn: &mut PgConnection) -> Result<(), sqlx::Error> {
    sqlx::query!("LOCK TABLE inventory.products IN SHARE ROW EXCLUSIVE MODE").execute(&mut *conn).await?;
    sqlx::raw_sql(SAMPLE_DATA).execute(conn).await?;
    Ok(())
}
