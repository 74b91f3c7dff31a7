//! Messages that could not be dealt with: kept with their reason, looked at, edited, and sent again or discarded.

mod changes;
pub(crate) mod jobs;
mod letter;
mod replays;

pub use self::letter::{DeadLetter, LetterState};

use crate::schema::Schema;
use shared_types::events::RawEvent;
use sqlx::{PgExecutor, Row};
use time::OffsetDateTime;
use uuid::Uuid;

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
    /// Whether to keep it without a look at what is in it.
    pub is_opaque: bool,
}

/// Which letters are meant; nothing set means all.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Filter {
    /// Only of this consumer.
    pub consumer: Option<String>,
    /// Only in one of these states.
    pub states: Option<Vec<LetterState>>,
    /// Only of this type of event.
    pub event_type: Option<String>,
    /// Only those whose reason contains this, in any case.
    pub reason: Option<String>,
    /// Only those about this: the reference of an order, the number of a product.
    pub subject: Option<String>,
    /// Only those that were set aside at this time or later.
    pub since: Option<OffsetDateTime>,
}

/// The dead letters of one service.
#[derive(Clone, Copy, Debug)]
pub struct DeadLetters(pub Schema);

impl DeadLetters {
    /// Keeps a message. One that waits already, because its acknowledgement got lost, stays one.
    pub(crate) async fn set_aside(self, db: impl PgExecutor<'_>, letter: NewLetter<'_>) -> Result<(), sqlx::Error> {
        // Its envelope may be readable although its data is newer than what is known here.
        let event = serde_json::from_slice::<RawEvent>(letter.body).ok().filter(|_| !letter.is_opaque);
        let event_type = event.as_ref().map_or(letter.sent_as, |event| &event.event_type);
        let statement =
            "INSERT INTO {schema}.dead_letters (consumer, event_id, event_type, subject, body, reason, attempts)
             VALUES ($1, $2, $3, $4, $5, $6, $7)
             ON CONFLICT (consumer, sha256(body)) WHERE state = 'WAITING'
             DO UPDATE SET reason = EXCLUDED.reason, attempts = EXCLUDED.attempts,
                           dead_lettered_at = clock_timestamp()";
        sqlx::query(self.0.sql(statement))
            .bind(letter.consumer)
            .bind(event.as_ref().map(|event| event.id))
            .bind(storable(event_type))
            .bind(event.as_ref().map(|event| short(&event.subject)))
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
        // Not `$1 IS NULL OR …` for what has an index: each of them is to serve its list. The primary key has the order too,
        // and PostgreSQL would walk through it where it takes the letters asked for to be many. So few that are about one
        // thing are all read before they are sorted, and those of a consumer are asked for as a range of consumers. COALESCE
        // hides from it that a filter may leave few: otherwise it would sort all letters for a page.
        let statement = match (&filter.subject, &filter.consumer) {
            (Some(_), _) => {
                "SELECT * FROM (SELECT * FROM {schema}.dead_letters WHERE subject = $7 OFFSET 0) AS about
                 WHERE ($1::text IS NULL OR consumer = $1) AND id < $2
                   AND ($3::text[] IS NULL OR state = ANY($3)) AND ($4::text IS NULL OR event_type = $4)
                   AND ($5::text IS NULL OR strpos(lower(reason), lower($5)) > 0)
                   AND ($6::timestamptz IS NULL OR dead_lettered_at >= $6)
                 ORDER BY id DESC LIMIT $8"
            }
            (None, Some(_)) => {
                "SELECT * FROM {schema}.dead_letters
                 WHERE consumer BETWEEN $1 AND $1 AND $7::text IS NULL AND id < $2
                   AND COALESCE(($3::text[] IS NULL OR state = ANY($3)) AND ($4::text IS NULL OR event_type = $4)
                                AND ($5::text IS NULL OR strpos(lower(reason), lower($5)) > 0)
                                AND ($6::timestamptz IS NULL OR dead_lettered_at >= $6), FALSE)
                 ORDER BY consumer DESC, id DESC LIMIT $8"
            }
            (None, None) => {
                "SELECT * FROM {schema}.dead_letters
                 WHERE $1::text IS NULL AND $7::text IS NULL AND id < $2
                   AND COALESCE(($3::text[] IS NULL OR state = ANY($3)) AND ($4::text IS NULL OR event_type = $4)
                                AND ($5::text IS NULL OR strpos(lower(reason), lower($5)) > 0)
                                AND ($6::timestamptz IS NULL OR dead_lettered_at >= $6), FALSE)
                 ORDER BY id DESC LIMIT $8"
            }
        };
        let states = filter.states.as_ref().map(|states| states.iter().map(|state| state.name()).collect::<Vec<_>>());
        let rows = sqlx::query(self.0.sql(statement))
            .bind(&filter.consumer)
            .bind(before.unwrap_or(i64::MAX))
            .bind(states)
            .bind(&filter.event_type)
            .bind(&filter.reason)
            .bind(filter.since)
            .bind(&filter.subject)
            .bind(limit)
            .fetch_all(db)
            .await?;
        rows.iter().map(DeadLetter::read).collect()
    }

    /// The waiting letters about something, newest first, as many as anybody would look at.
    pub async fn waiting_about(self, db: impl PgExecutor<'_>, subject: &str) -> Result<Vec<DeadLetter>, sqlx::Error> {
        let states = Some(vec![LetterState::Waiting]);
        self.list(db, &Filter { subject: Some(subject.to_owned()), states, ..Filter::default() }, None, 20).await
    }

    /// One letter.
    pub async fn find(self, db: impl PgExecutor<'_>, id: i64) -> Result<Option<DeadLetter>, sqlx::Error> {
        Ok(self.message(db, id).await?.map(|(letter, _)| letter))
    }

    /// One letter with its message as it is, byte by byte.
    pub(crate) async fn message(
        self,
        db: impl PgExecutor<'_>,
        id: i64,
    ) -> Result<Option<(DeadLetter, Vec<u8>)>, sqlx::Error> {
        let statement = "SELECT * FROM {schema}.dead_letters WHERE id = $1";
        let row = sqlx::query(self.0.sql(statement)).bind(id).fetch_optional(db).await?;
        row.map(|row| Ok((DeadLetter::read(&row)?, row.try_get("body")?))).transpose()
    }

    /// How many letters of each consumer wait.
    pub(crate) async fn waiting(self, db: impl PgExecutor<'_>) -> Result<Vec<(String, i64)>, sqlx::Error> {
        // By the index of those that wait, whatever other index has the order of the groups.
        let statement = "SELECT consumer, count(*) FROM (
                 SELECT consumer FROM {schema}.dead_letters WHERE state = 'WAITING' OFFSET 0
             ) AS waiting GROUP BY consumer";
        sqlx::query_as(self.0.sql(statement)).fetch_all(db).await
    }

    /// When that happened of which the oldest event among the letters that wait tells, by its id; none where none waits.
    pub async fn oldest_event(self, db: impl PgExecutor<'_>) -> Result<Option<OffsetDateTime>, sqlx::Error> {
        // Only a UUIDv7 begins with its time.
        let statement = "SELECT min(id) FROM (
                 SELECT event_id::text AS id FROM {schema}.dead_letters WHERE state = 'WAITING' OFFSET 0
             ) AS waiting WHERE substr(id, 15, 1) = '7'";
        let oldest: Option<String> = sqlx::query_scalar(self.0.sql(statement)).fetch_one(db).await?;
        let time = oldest.and_then(|id| id.parse::<Uuid>().ok()?.get_timestamp());
        Ok(time.and_then(|time| OffsetDateTime::from_unix_timestamp(time.to_unix().0.cast_signed()).ok()))
    }
}

/// PostgreSQL keeps no NUL in a text; a message may hold one wherever it likes, and must be set aside all the same.
fn storable(text: &str) -> String {
    text.replace('\0', "\u{FFFD}")
}

/// Characters of a subject that are kept beside the message. Ours are far shorter, and its index takes no text of any length.
const SHORT: usize = 200;

/// The beginning of a text, as it can be stored.
fn short(text: &str) -> String {
    storable(text.char_indices().nth(SHORT).map_or(text, |(end, _)| &text[..end]))
}
