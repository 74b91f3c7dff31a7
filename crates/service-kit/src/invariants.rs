//! What must hold in a service's tables at every moment, checked over one snapshot of them: on request, and now and then for
//! the metrics.

use crate::db::Database;
use crate::panics::caught;
use crate::schema::Schema;
use serde::Serialize;
use sqlx::{AssertSqlSafe, PgConnection};
use std::time::Duration;
use tokio_util::sync::CancellationToken;
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

/// Who has the invariants checked. There is one place for each, so that no operator waits for the job.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Asker {
    /// An operator. That what happened is announced can be asked for only while the broker is up.
    Operator {
        /// Whether it is.
        broker_is_up: bool,
    },
    /// The job that keeps the metrics. It leaves out what waits to be announced, which has metrics of its own.
    Job,
}

/// Checks the invariants; `None` where another check for the same asker is under way.
pub async fn check(
    database: &Database,
    schema: Schema,
    invariants: &[&'static [Invariant]],
    asker: Asker,
) -> Result<Option<Invariants>, sqlx::Error> {
    let tables = partitioned(database, schema).await?;
    let mut transaction = database.begin().await?;
    // Every query sees the same moment, and may take longer than a request usually does.
    let setup = "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY";
    sqlx::query(setup).execute(&mut *transaction).await?;
    sqlx::query("SET LOCAL statement_timeout = '10min'").execute(&mut *transaction).await?;
    // Before that moment: of a partition that was archived since, the notes would be seen as they were, and the rows not at all.
    if let Some(tables) = tables {
        let lock = format!("LOCK TABLE {tables} IN ACCESS SHARE MODE");
        sqlx::query(AssertSqlSafe(lock)).execute(&mut *transaction).await?;
    }
    // Whole tables are compared with each other here: never row by row, also not while PostgreSQL takes them for small.
    sqlx::query("SET LOCAL enable_seqscan = on").execute(&mut *transaction).await?;
    sqlx::query("SET LOCAL enable_nestloop = off").execute(&mut *transaction).await?;
    // Nobody waits for the job: one processor at the most, the others are for orders.
    if asker != Asker::Job {
        sqlx::query("SET LOCAL max_parallel_workers_per_gather = 2").execute(&mut *transaction).await?;
    }
    if !is_alone(&mut transaction, schema, asker).await? {
        return Ok(None);
    }
    let mut breaches = Vec::new();
    for invariant in invariants.iter().flat_map(|module| module.iter()) {
        let rows = sqlx::query_as(invariant.query).fetch_all(&mut *transaction).await?;
        breaches.extend(rows.into_iter().map(|row| invariant.broken(row)));
    }
    if asker == (Asker::Operator { broker_is_up: true }) {
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

/// The tables that are cut into partitions, as a statement lists them.
async fn partitioned(database: &Database, schema: Schema) -> Result<Option<String>, sqlx::Error> {
    let query = "SELECT string_agg(oid::regclass::text, ', ' ORDER BY oid) FROM pg_class
                 WHERE relkind = 'p' AND relnamespace = '{schema}'::regnamespace";
    sqlx::query_scalar(schema.sql(query)).fetch_one(database.pool()).await
}

/// Takes the one place for a check, until the transaction ends: on large tables it is hard work.
async fn is_alone(conn: &mut PgConnection, schema: Schema, asker: Asker) -> Result<bool, sqlx::Error> {
    let place = if asker == Asker::Job { "invariants job" } else { "invariants" };
    let name = format!("{} {place}", schema.0);
    sqlx::query_scalar("SELECT pg_try_advisory_xact_lock(hashtext($1))").bind(name).fetch_one(conn).await
}

/// How soon it is looked again after a breach or a failure. Some breaches are over by then: stock that was held while
/// order-service was away, for example.
const AFTER_A_BREACH: Duration = Duration::from_mins(5);

/// Shows in the metrics where the invariants are broken: at once and then after each `pause`, until `shutdown`. Where another
/// instance is at it, its metrics show it.
pub(crate) async fn watch(
    database: Database,
    schema: Schema,
    invariants: Vec<&'static [Invariant]>,
    pause: Duration,
    shutdown: CancellationToken,
) {
    let mut wait = Duration::ZERO;
    loop {
        let checking = async {
            tokio::time::sleep(wait).await;
            caught(check(&database, schema, &invariants, Asker::Job)).await
        };
        let Some(outcome) = shutdown.run_until_cancelled(checking).await else { return };
        wait = match outcome.and_then(|outcome| outcome.map_err(|error| error.to_string())) {
            Ok(Some(found)) => {
                show(&invariants, &found);
                if found.holds { pause } else { pause.min(AFTER_A_BREACH) }
            }
            Ok(None) => pause,
            Err(error) => {
                tracing::warn!(%error, "the invariants cannot be checked, will be tried again");
                pause.min(AFTER_A_BREACH)
            }
        };
    }
}

/// Sets the gauge of each invariant, also of those that hold.
fn show(invariants: &[&'static [Invariant]], found: &Invariants) {
    for Invariant { name, .. } in invariants.iter().flat_map(|module| module.iter()) {
        let breaches = found.breaches.iter().filter(|breach| breach.invariant == *name).count();
        metrics::gauge!("invariant_breaches", "invariant" => *name).set(breaches as f64);
        if breaches > 0 {
            tracing::error!(
                invariant = name,
                breaches,
                "an invariant does not hold; GET /api/admin/invariants says where"
            );
        }
    }
}
