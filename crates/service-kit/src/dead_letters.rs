//! Messages that could not be dealt with: kept with their reason, looked at, and sent again.

use crate::schema::Schema;
use serde::Serialize;
use shared_types::events::RawEvent;
use sqlx::postgres::PgRow;
use sqlx::{PgConnection, PgExecutor, Row};
use time::OffsetDateTime;
use utoipa::ToSchema;
use uuid::Uuid;

/// A message that was set aside.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct DeadLetter {
    /// Its number.
    #[schema(example = 1)]
    pub id: i64,
    /// The queue whose consumer could not deal with it.
    #[schema(example = "inventory-service.order-events")]
    pub consumer: String,
    /// Id of the event, where the message can be read so far.
    pub event_id: Option<Uuid>,
    /// Type of the event, or else what the message was sent as.
    #[schema(example = "order.created")]
    pub event_type: String,
    /// Why it was set aside.
    #[schema(example = "cannot be parsed: missing field `reference`")]
    pub reason: String,
    /// How often it was tried.
    #[schema(example = 6)]
    pub attempts: i32,
    /// When it was set aside, for the last time.
    #[serde(with = "shared_types::times")]
    pub dead_lettered_at: OffsetDateTime,
    /// When it was sent again.
    #[serde(with = "shared_types::times::option")]
    pub replayed_at: Option<OffsetDateTime>,
    /// The message as it came; bytes that are no text are shown as U+FFFD, and sent again as they were.
    pub body: String,
}

impl DeadLetter {
    fn read(row: &PgRow) -> Result<Self, sqlx::Error> {
        Ok(Self {
            id: row.try_get("id")?,
            consumer: row.try_get("consumer")?,
            event_id: row.try_get("event_id")?,
            event_type: row.try_get("event_type")?,
            reason: row.try_get("reason")?,
            attempts: row.try_get("attempts")?,
            dead_lettered_at: row.try_get("dead_lettered_at")?,
            replayed_at: row.try_get("replayed_at")?,
            body: String::from_utf8_lossy(row.try_get("body")?).into_owned(),
        })
    }
}

/// A message that is to be set aside.
#[derive(Clone, Copy, Debug)]
pub(crate) struct NewLetter<'a> {
    /// The queue.
    pub consumer: &'a str,
    /// What it was sent as, in case that it cannot be read.
    pub sent_as: &'a str,
    /// As it came.
    pub body: &'a [u8],
    /// Why.
    pub reason: &'a str,
    /// How often it was tried.
    pub attempts: u32,
}

/// Which letters a list is of; nothing set means all.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Only of this consumer.
    pub consumer: Option<String>,
    /// Only those that were (true) or were not (false) sent again.
    pub replayed: Option<bool>,
}

/// The dead letters of one service.
#[derive(Clone, Copy, Debug)]
pub struct DeadLetters(pub Schema);

impl DeadLetters {
    /// Keeps a message. One that is there already, because its acknowledgement got lost, stays one.
    pub(crate) async fn set_aside(self, db: impl PgExecutor<'_>, letter: NewLetter<'_>) -> Result<(), sqlx::Error> {
        // Its envelope may be readable although its data is newer than what is known here.
        let event = serde_json::from_slice::<RawEvent>(letter.body).ok();
        let event_type = event.as_ref().map_or(letter.sent_as, |event| &event.event_type);
        let statement = "INSERT INTO {schema}.dead_letters (consumer, event_id, event_type, body, reason, attempts)
             VALUES ($1, $2, $3, $4, $5, $6)
             ON CONFLICT (consumer, sha256(body)) WHERE replayed_at IS NULL
             DO UPDATE SET reason = EXCLUDED.reason, attempts = EXCLUDED.attempts,
                           dead_lettered_at = clock_timestamp()";
        sqlx::query(self.0.sql(statement))
            .bind(letter.consumer)
            .bind(event.as_ref().map(|event| event.id))
            .bind(storable(event_type))
            .bind(letter.body)
            .bind(storable(letter.reason))
            .bind(i32::try_from(letter.attempts).unwrap_or(i32::MAX))
            .execute(db)
            .await?;
        Ok(())
    }

    /// A page of letters, newest first; `before` is the id of the last one of the page before.
    pub async fn list(
        self,
        db: impl PgExecutor<'_>,
        filter: &Filter,
        before: Option<i64>,
        limit: i64,
    ) -> Result<Vec<DeadLetter>, sqlx::Error> {
        // Not `$1 IS NULL OR …`: with a consumer the index on (consumer, id) is to serve the list.
        let statement = match filter.consumer {
            Some(_) => {
                "SELECT * FROM {schema}.dead_letters
                 WHERE consumer = $1 AND id < $2 AND ($3 IS NULL OR (replayed_at IS NOT NULL) = $3)
                 ORDER BY id DESC LIMIT $4"
            }
            None => {
                "SELECT * FROM {schema}.dead_letters
                 WHERE $1::text IS NULL AND id < $2 AND ($3 IS NULL OR (replayed_at IS NOT NULL) = $3)
                 ORDER BY id DESC LIMIT $4"
            }
        };
        let rows = sqlx::query(self.0.sql(statement))
            .bind(&filter.consumer)
            .bind(before.unwrap_or(i64::MAX))
            .bind(filter.replayed)
            .bind(limit)
            .fetch_all(db)
            .await?;
        rows.iter().map(DeadLetter::read).collect()
    }

    /// One letter.
    pub async fn find(self, db: impl PgExecutor<'_>, id: i64) -> Result<Option<DeadLetter>, sqlx::Error> {
        let statement = "SELECT * FROM {schema}.dead_letters WHERE id = $1";
        let row = sqlx::query(self.0.sql(statement)).bind(id).fetch_optional(db).await?;
        row.as_ref().map(DeadLetter::read).transpose()
    }

    /// Marks a letter of one of these consumers as replayed and puts its message into the outbox, addressed to the
    /// consumer's queue. Gives none where there is no such letter or it was replayed before.
    pub async fn replay(
        self,
        conn: &mut PgConnection,
        id: i64,
        consumers: &[&str],
    ) -> Result<Option<DeadLetter>, sqlx::Error> {
        let statement = "WITH replayed AS (
                 UPDATE {schema}.dead_letters SET replayed_at = clock_timestamp()
                 WHERE id = $1 AND consumer = ANY($2) AND replayed_at IS NULL RETURNING *
             ), queued AS (
                 INSERT INTO {schema}.outbox (event_type, body, queue)
                 SELECT event_type, body, consumer FROM replayed
             )
             SELECT * FROM replayed";
        let row = sqlx::query(self.0.sql(statement)).bind(id).bind(consumers).fetch_optional(conn).await?;
        row.as_ref().map(DeadLetter::read).transpose()
    }

    /// Replays every letter of a consumer that was not replayed yet, oldest first; gives how many.
    ///
    /// The rows are locked in the order of their ids, so that two that do this at once cannot wait for each other.
    pub async fn replay_all(self, conn: &mut PgConnection, consumer: &str) -> Result<u64, sqlx::Error> {
        let statement = "WITH waiting AS (
                 SELECT id FROM {schema}.dead_letters WHERE consumer = $1 AND replayed_at IS NULL
                 ORDER BY id FOR UPDATE
             ), replayed AS (
                 UPDATE {schema}.dead_letters AS l SET replayed_at = clock_timestamp()
                 FROM waiting WHERE l.id = waiting.id RETURNING l.*
             )
             INSERT INTO {schema}.outbox (event_type, body, queue)
             SELECT event_type, body, consumer FROM replayed ORDER BY id";
        Ok(sqlx::query(self.0.sql(statement)).bind(consumer).execute(conn).await?.rows_affected())
    }
}

/// PostgreSQL keeps no NUL in a text; a message may hold one wherever it likes, and must be set aside all the same.
fn storable(text: &str) -> String {
    text.replace('\0', "\u{FFFD}")
}
