//! What a message would do if it came now: its consumer handles it in a transaction that is rolled back.

use super::{Consumer, Decision, Handler, HandlerError};
use crate::db::Database;
use crate::panics::caught;
use crate::problem::Problem;
use crate::schema::Schema;
use serde::Serialize;
use shared_types::events::RawEvent;
use sqlx::PgConnection;
use std::collections::BTreeMap;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, PoisonError, RwLock};
use utoipa::ToSchema;

/// What would become of a message.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, ToSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Outcome {
    /// It would be dealt with.
    Processed,
    /// It would change nothing: its event was dealt with before.
    AlreadyProcessed,
    /// It would fail, and be tried again after a delay.
    Retried,
    /// It would fail, and be set aside again at once.
    DeadLettered,
}

/// What a message would do.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct DryRun {
    /// What would become of it.
    pub outcome: Outcome,
    /// Why, where it would fail.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "cannot be parsed: missing field `reference`")]
    pub detail: Option<String>,
    /// How many rows it would write.
    pub changes: Vec<TableChanges>,
    /// The types of the events that would be announced.
    #[schema(example = json!(["order.confirmed"]))]
    pub announces: Vec<String>,
}

/// Rows of a table that would be written.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, ToSchema)]
pub struct TableChanges {
    /// The table, without its schema.
    #[schema(example = "orders")]
    pub table: String,
    /// Rows that would come.
    #[schema(example = 0)]
    pub inserted: i64,
    /// Rows that would change.
    #[schema(example = 1)]
    pub updated: i64,
    /// Rows that would go.
    #[schema(example = 0)]
    pub deleted: i64,
}

impl DryRun {
    fn without_effect(outcome: Outcome, detail: Option<String>) -> Self {
        Self { outcome, detail, changes: Vec::new(), announces: Vec::new() }
    }
}

type Trial = Arc<dyn Fn(Vec<u8>) -> Pin<Box<dyn Future<Output = Result<DryRun, Problem>> + Send>> + Send + Sync>;

/// The consumers of a service as something to try messages out on, by their queues; clones share it.
#[derive(Clone, Default)]
pub struct DryRuns(Arc<RwLock<BTreeMap<&'static str, Trial>>>);

impl fmt::Debug for DryRuns {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DryRuns")
    }
}

impl DryRuns {
    pub(crate) fn add<H: Handler>(&self, consumer: Arc<Consumer<H>>, database: Database) {
        let queue = consumer.queue.name;
        let trial: Trial = Arc::new(move |message| {
            let (consumer, database) = (consumer.clone(), database.clone());
            Box::pin(async move { consumer.dry_run(&database, &message).await })
        });
        self.0.write().unwrap_or_else(PoisonError::into_inner).insert(queue, trial);
    }

    /// What the message would do in this queue; none where the queue is not consumed.
    pub(crate) async fn run(&self, queue: &str, message: Vec<u8>) -> Option<Result<DryRun, Problem>> {
        let trial = self.0.read().unwrap_or_else(PoisonError::into_inner).get(queue).cloned()?;
        Some(caught(trial(message)).await.unwrap_or_else(|panic| {
            // As the consumer would have it.
            Ok(DryRun::without_effect(Outcome::Retried, Some(panic)))
        }))
    }
}

impl<H: Handler> Consumer<H> {
    async fn dry_run(&self, database: &Database, message: &[u8]) -> Result<DryRun, Problem> {
        match self.try_out(database, message).await {
            Ok(run) => Ok(run),
            Err(error) if error.is_unavailable() => Err(Problem::unavailable("the database is not available")),
            Err(error) => {
                let outcome = match error.decision() {
                    Decision::Ack => Outcome::Processed,
                    Decision::Retry | Decision::Wait => Outcome::Retried,
                    Decision::DeadLetter => Outcome::DeadLettered,
                };
                Ok(DryRun::without_effect(outcome, Some(error.to_string())))
            }
        }
    }

    async fn try_out(&self, database: &Database, message: &[u8]) -> Result<DryRun, H::Error> {
        let event = RawEvent::parse(message)?;
        let mut transaction = database.begin().await?;
        if self.claim(&mut transaction, &[event.id], false).await?.is_none() {
            return Ok(DryRun::without_effect(Outcome::AlreadyProcessed, None));
        }
        let before = written(&mut transaction, self.schema).await?;
        let newest = newest_message(&mut transaction, self.schema).await?;
        self.handler.handle(&mut transaction, &[event]).await?;
        let after = written(&mut transaction, self.schema).await?;
        let announces = announced_since(&mut transaction, self.schema, newest).await?;
        transaction.rollback().await?;
        Ok(DryRun { outcome: Outcome::Processed, detail: None, changes: difference(&before, after), announces })
    }
}

/// Rows inserted, updated and deleted, by table.
type Written = BTreeMap<String, [i64; 3]>;

/// What this connection has written and not reported yet: more than its transaction, so that only a difference says something.
async fn written(conn: &mut PgConnection, schema: Schema) -> Result<Written, sqlx::Error> {
    // Partitions count for their table.
    let statement = "SELECT relname::text, sum(n_tup_ins)::bigint, sum(n_tup_upd)::bigint, sum(n_tup_del)::bigint
         FROM (SELECT COALESCE(pg_partition_root(relid), relid) AS oid, n_tup_ins, n_tup_upd, n_tup_del
               FROM pg_stat_xact_user_tables WHERE schemaname = $1) s
         JOIN pg_class USING (oid) GROUP BY relname";
    let rows: Vec<(String, i64, i64, i64)> = sqlx::query_as(statement).bind(schema.0).fetch_all(conn).await?;
    Ok(rows.into_iter().map(|(table, inserted, updated, deleted)| (table, [inserted, updated, deleted])).collect())
}

fn difference(before: &Written, after: Written) -> Vec<TableChanges> {
    let changes = after.into_iter().map(|(table, after)| {
        let before = before.get(&table).copied().unwrap_or_default();
        let [inserted, updated, deleted] = [0, 1, 2].map(|kind| after[kind] - before[kind]);
        TableChanges { table, inserted, updated, deleted }
    });
    changes.filter(|change| [change.inserted, change.updated, change.deleted] != [0; 3]).collect()
}

async fn newest_message(conn: &mut PgConnection, schema: Schema) -> Result<i64, sqlx::Error> {
    let statement = "SELECT COALESCE(max(id), 0) FROM {schema}.outbox";
    sqlx::query_scalar(schema.sql(statement)).fetch_one(conn).await
}

/// The types of the events that this transaction has put into the outbox.
async fn announced_since(conn: &mut PgConnection, schema: Schema, newest: i64) -> Result<Vec<String>, sqlx::Error> {
    let statement =
        "SELECT event_type FROM {schema}.outbox WHERE id > $1 AND xmin = pg_current_xact_id()::xid ORDER BY id";
    sqlx::query_scalar(schema.sql(statement)).bind(newest).fetch_all(conn).await
}
