//! What must hold in a service's tables at every moment, checked on request over one snapshot of them.

use crate::db::Database;
use crate::schema::Schema;
use serde::Serialize;
use sqlx::PgConnection;
use utoipa::ToSchema;

/// Something that must always hold.
#[derive(Clone, Copy, Debug)]
pub struct Invariant {
    /// Its name.
    pub name: &'static str,
    /// The promise it belongs to, as docs/promises.md numbers them.
    pub promise: &'static str,
    /// Finds what breaks it: rows of an id and of what is wrong, both text.
    pub query: &'static str,
}

/// Where an invariant does not hold.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, ToSchema)]
pub struct Breach {
    /// Which.
    #[schema(example = "stock-is-sum-of-movements")]
    pub invariant: &'static str,
    /// The promise it belongs to.
    #[schema(example = "P1")]
    pub promise: &'static str,
    /// What it is about: numbers of products or orders, references of reservations.
    #[schema(example = json!(["1"]))]
    pub ids: Vec<String>,
    /// What is wrong.
    #[schema(example = "LAPTOP-001: stock 5, movements 6")]
    pub detail: String,
}

/// The answer of `/api/admin/invariants`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, ToSchema)]
pub struct Invariants {
    /// Whether all hold.
    #[schema(example = true)]
    pub holds: bool,
    /// Where they do not, at the most a hundred for each.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub breaches: Vec<Breach>,
}

/// Checks the invariants; `None` where another check is under way. That what happened is announced can be asked for
/// only while the broker is up.
pub async fn check(
    database: &Database,
    schema: Schema,
    invariants: &[&'static [Invariant]],
    broker_is_up: bool,
) -> Result<Option<Invariants>, sqlx::Error> {
    let mut transaction = database.begin().await?;
    // Every query sees the same moment, and may take longer than a request usually does.
    let setup = "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY";
    sqlx::query(setup).execute(&mut *transaction).await?;
    sqlx::query("SET LOCAL statement_timeout = '10min'").execute(&mut *transaction).await?;
    // Whole tables are compared with each other here: never row by row, also not while PostgreSQL takes them for small.
    sqlx::query("SET LOCAL enable_seqscan = on").execute(&mut *transaction).await?;
    sqlx::query("SET LOCAL enable_nestloop = off").execute(&mut *transaction).await?;
    if !is_alone(&mut transaction, schema).await? {
        return Ok(None);
    }
    let mut breaches = Vec::new();
    for invariant in invariants.iter().flat_map(|module| module.iter()) {
        let rows = sqlx::query_as(invariant.query).fetch_all(&mut *transaction).await?;
        breaches.extend(rows.into_iter().map(|row| invariant.broken(row)));
    }
    if broker_is_up {
        let rows = sqlx::query_as(schema.sql(PUBLISHED.query)).fetch_all(&mut *transaction).await?;
        breaches.extend(rows.into_iter().map(|row| PUBLISHED.broken(row)));
    }
    transaction.rollback().await?;
    Ok(Some(Invariants { holds: breaches.is_empty(), breaches }))
}

const PUBLISHED: Invariant = Invariant {
    name: "outbox-is-published",
    promise: "P5",
    query: "SELECT id::text, event_type || ' has waited for ' || date_trunc('second', now() - created_at)
            FROM {schema}.outbox WHERE created_at < now() - INTERVAL '1 minute' ORDER BY id LIMIT 100",
};

impl Invariant {
    fn broken(&self, (id, detail): (String, String)) -> Breach {
        Breach { invariant: self.name, promise: self.promise, ids: vec![id], detail }
    }
}

/// Takes the one place for a check, until the transaction ends: on large tables it is hard work.
async fn is_alone(conn: &mut PgConnection, schema: Schema) -> Result<bool, sqlx::Error> {
    let name = format!("{} invariants", schema.0);
    sqlx::query_scalar("SELECT pg_try_advisory_xact_lock(hashtext($1))").bind(name).fetch_one(conn).await
}
