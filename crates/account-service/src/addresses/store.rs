//! The table of addresses. Each statement is about the rows of one owner; a scope without an owner has none.

pub mod invariants;

use super::domain::{Address, AddressInput, Defaults};
use service_kit::access::Scope;
use sqlx::{PgConnection, PgExecutor};
use uuid::Uuid;

/// The owner's addresses, the oldest first.
pub async fn list(db: impl PgExecutor<'_>, scope: Scope) -> Result<Vec<Address>, sqlx::Error> {
    sqlx::query_as!(
        Address,
        "SELECT id, label, name, lines, city, region, postcode, country, default_shipping, default_billing, created_at,
                updated_at, version
         FROM accounts.addresses WHERE user_id = $1 ORDER BY id",
        scope.owner()
    )
    .fetch_all(db)
    .await
}

/// One of the owner's addresses.
pub async fn find(db: impl PgExecutor<'_>, scope: Scope, id: Uuid) -> Result<Option<Address>, sqlx::Error> {
    sqlx::query_as!(
        Address,
        "SELECT id, label, name, lines, city, region, postcode, country, default_shipping, default_billing, created_at,
                updated_at, version
         FROM accounts.addresses WHERE id = $1 AND user_id = $2",
        id,
        scope.owner()
    )
    .fetch_optional(db)
    .await
}

/// How many addresses the owner has.
pub async fn count(conn: &mut PgConnection, scope: Scope) -> Result<i64, sqlx::Error> {
    sqlx::query_scalar!(r#"SELECT COUNT(*) AS "count!" FROM accounts.addresses WHERE user_id = $1"#, scope.owner())
        .fetch_one(conn)
        .await
}

/// Writes a new address of the locked owner.
pub async fn insert(
    conn: &mut PgConnection,
    scope: Scope,
    input: &AddressInput,
    defaults: Defaults,
) -> Result<Address, sqlx::Error> {
    sqlx::query_as!(
        Address,
        "INSERT INTO accounts.addresses
                (id, user_id, label, name, lines, city, region, postcode, country, default_shipping, default_billing)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
         RETURNING id, label, name, lines, city, region, postcode, country, default_shipping, default_billing,
                   created_at, updated_at, version",
        Uuid::now_v7(),
        scope.owner(),
        input.label,
        input.name,
        &input.lines,
        input.city,
        input.region,
        input.postcode,
        input.country,
        defaults.shipping,
        defaults.billing
    )
    .fetch_one(conn)
    .await
}

/// Replaces an address of the locked owner.
pub async fn update(
    conn: &mut PgConnection,
    scope: Scope,
    id: Uuid,
    input: &AddressInput,
) -> Result<Option<Address>, sqlx::Error> {
    sqlx::query_as!(
        Address,
        "UPDATE accounts.addresses
         SET label = $3, name = $4, lines = $5, city = $6, region = $7, postcode = $8, country = $9,
             version = version + 1, updated_at = clock_timestamp()
         WHERE id = $1 AND user_id = $2
         RETURNING id, label, name, lines, city, region, postcode, country, default_shipping, default_billing,
                   created_at, updated_at, version",
        id,
        scope.owner(),
        input.label,
        input.name,
        &input.lines,
        input.city,
        input.region,
        input.postcode,
        input.country
    )
    .fetch_optional(conn)
    .await
}

/// Deletes an address of the locked owner.
pub async fn delete(conn: &mut PgConnection, scope: Scope, id: Uuid) -> Result<(), sqlx::Error> {
    sqlx::query!("DELETE FROM accounts.addresses WHERE id = $1 AND user_id = $2", id, scope.owner())
        .execute(conn)
        .await?;
    Ok(())
}

/// Makes an address of the locked owner the default of these kinds, and takes that off the others; only rows that change are
/// written.
pub async fn switch_defaults(
    conn: &mut PgConnection,
    scope: Scope,
    id: Uuid,
    defaults: Defaults,
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "UPDATE accounts.addresses
         SET default_shipping = CASE WHEN $3 THEN id = $2 ELSE default_shipping END,
             default_billing = CASE WHEN $4 THEN id = $2 ELSE default_billing END,
             version = version + 1, updated_at = clock_timestamp()
         WHERE user_id = $1 AND ($3 AND default_shipping <> (id = $2) OR $4 AND default_billing <> (id = $2))",
        scope.owner(),
        id,
        defaults.shipping,
        defaults.billing
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Forgets every address of the owner.
pub async fn forget(conn: &mut PgConnection, scope: Scope) -> Result<(), sqlx::Error> {
    sqlx::query!("DELETE FROM accounts.addresses WHERE user_id = $1", scope.owner()).execute(conn).await?;
    Ok(())
}
