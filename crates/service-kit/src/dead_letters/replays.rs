//! Sending letters again: one, those that a filter finds, and those whose turn has come.

use super::{DeadLetter, DeadLetters, Filter};
use sqlx::{PgConnection, PgExecutor};
use time::OffsetDateTime;

/// Letters that are sent in one go once their turn has come.
const DUE: i64 = 1000;

impl DeadLetters {
    /// Marks a letter of one of these consumers as replayed and puts its message into the outbox, addressed to the
    /// consumer's queue. Gives none where no such letter waits.
    pub async fn replay(
        self,
        conn: &mut PgConnection,
        id: i64,
        consumers: &[&str],
    ) -> Result<Option<DeadLetter>, sqlx::Error> {
        let statement = "WITH replayed AS (
                 UPDATE {schema}.dead_letters SET replayed_at = clock_timestamp(), replay_due_at = NULL
                 WHERE id = $1 AND consumer = ANY($2) AND state = 'WAITING' RETURNING *
             ), queued AS (
                 INSERT INTO {schema}.outbox (event_type, body, queue)
                 SELECT event_type, body, consumer FROM replayed
             )
             SELECT * FROM replayed";
        let row = sqlx::query(self.0.sql(statement)).bind(id).bind(consumers).fetch_optional(conn).await?;
        row.as_ref().map(DeadLetter::read).transpose()
    }

    /// Replays every waiting letter of the filter, which names a consumer, oldest first; gives how many.
    ///
    /// The rows are locked in the order of their ids, so that two that do this at once cannot wait for each other.
    pub async fn replay_all(self, conn: &mut PgConnection, filter: &Filter) -> Result<u64, sqlx::Error> {
        let statement = "WITH waiting AS (
                 SELECT id FROM {schema}.dead_letters
                 WHERE consumer = $1 AND state = 'WAITING' AND ($2::text IS NULL OR event_type = $2)
                   AND ($3::text IS NULL OR strpos(lower(reason), lower($3)) > 0)
                   AND ($4::timestamptz IS NULL OR dead_lettered_at >= $4)
                 ORDER BY id FOR UPDATE
             ), replayed AS (
                 UPDATE {schema}.dead_letters AS l SET replayed_at = clock_timestamp(), replay_due_at = NULL
                 FROM waiting WHERE l.id = waiting.id RETURNING l.*
             )
             INSERT INTO {schema}.outbox (event_type, body, queue)
             SELECT event_type, body, consumer FROM replayed ORDER BY id";
        let replay = sqlx::query(self.0.sql(statement)).bind(&filter.consumer).bind(&filter.event_type);
        Ok(replay.bind(&filter.reason).bind(filter.since).execute(conn).await?.rows_affected())
    }

    /// Gives every waiting letter of the filter its turn, so many in a second, oldest first. Gives how many there are, and
    /// when the turn of the last one comes.
    pub async fn schedule(
        self,
        conn: &mut PgConnection,
        filter: &Filter,
        per_second: i32,
    ) -> Result<(i64, Option<OffsetDateTime>), sqlx::Error> {
        let statement = "WITH waiting AS (
                 SELECT id FROM {schema}.dead_letters
                 WHERE consumer = $1 AND state = 'WAITING' AND ($2::text IS NULL OR event_type = $2)
                   AND ($3::text IS NULL OR strpos(lower(reason), lower($3)) > 0)
                   AND ($4::timestamptz IS NULL OR dead_lettered_at >= $4)
                 ORDER BY id FOR UPDATE
             ), numbered AS (
                 SELECT id, row_number() OVER (ORDER BY id) - 1 AS ahead FROM waiting
             ), scheduled AS (
                 UPDATE {schema}.dead_letters AS l
                 SET replay_due_at = statement_timestamp() + ahead * INTERVAL '1 second' / $5
                 FROM numbered WHERE l.id = numbered.id RETURNING replay_due_at
             )
             SELECT count(*), max(replay_due_at) FROM scheduled";
        let schedule = sqlx::query_as(self.0.sql(statement)).bind(&filter.consumer).bind(&filter.event_type);
        schedule.bind(&filter.reason).bind(filter.since).bind(f64::from(per_second)).fetch_one(conn).await
    }

    /// Replays the letters whose turn has come; gives how many.
    pub(crate) async fn replay_due(self, db: impl PgExecutor<'_>) -> Result<u64, sqlx::Error> {
        let statement = "WITH due AS (
                 SELECT id FROM {schema}.dead_letters
                 WHERE state = 'WAITING' AND replay_due_at <= clock_timestamp()
                 ORDER BY replay_due_at LIMIT $1 FOR UPDATE SKIP LOCKED
             ), replayed AS (
                 UPDATE {schema}.dead_letters SET replayed_at = clock_timestamp(), replay_due_at = NULL
                 WHERE id = ANY(ARRAY(SELECT id FROM due)) RETURNING *
             )
             INSERT INTO {schema}.outbox (event_type, body, queue)
             SELECT event_type, body, consumer FROM replayed ORDER BY id";
        Ok(sqlx::query(self.0.sql(statement)).bind(DUE).execute(db).await?.rows_affected())
    }
}
