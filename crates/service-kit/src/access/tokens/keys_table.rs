//! The last good keys of each issuer, so that a restart does not need the issuer.

use crate::schema::Schema;
use sqlx::{PgPool, Row};
use time::OffsetDateTime;

/// The keys that one service remembers.
#[derive(Clone, Copy, Debug)]
pub(super) struct KeysTable(pub Schema);

/// What was fetched, and when.
#[derive(Clone, Debug)]
pub(super) struct Remembered {
    pub jwks: String,
    pub token_endpoint: Option<String>,
    pub fetched_at: OffsetDateTime,
}

impl KeysTable {
    /// Writes down what an issuer has answered.
    pub async fn remember(self, pool: &PgPool, issuer: &str, keys: &Remembered) -> Result<(), sqlx::Error> {
        sqlx::query(self.0.sql(
            "INSERT INTO {schema}.issuer_keys (issuer, jwks, token_endpoint, fetched_at) VALUES ($1, $2, $3, $4)
             ON CONFLICT (issuer) DO UPDATE SET jwks = excluded.jwks, token_endpoint = excluded.token_endpoint,
                                                fetched_at = excluded.fetched_at",
        ))
        .bind(issuer)
        .bind(&keys.jwks)
        .bind(&keys.token_endpoint)
        .bind(keys.fetched_at)
        .execute(pool)
        .await?;
        Ok(())
    }

    /// What the issuer answered last.
    pub async fn last(self, pool: &PgPool, issuer: &str) -> Result<Option<Remembered>, sqlx::Error> {
        let statement = "SELECT jwks, token_endpoint, fetched_at FROM {schema}.issuer_keys WHERE issuer = $1";
        let row = sqlx::query(self.0.sql(statement)).bind(issuer).fetch_optional(pool).await?;
        row.map(|row| {
            let (jwks, token_endpoint) = (row.try_get("jwks")?, row.try_get("token_endpoint")?);
            Ok(Remembered { jwks, token_endpoint, fetched_at: row.try_get("fetched_at")? })
        })
        .transpose()
    }
}
