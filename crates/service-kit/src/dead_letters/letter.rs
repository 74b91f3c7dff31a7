//! A letter as operators see it.

use serde::{Deserialize, Serialize};
use shared_types::events::RawEvent;
use sqlx::Row;
use sqlx::postgres::PgRow;
use time::OffsetDateTime;
use utoipa::ToSchema;
use uuid::Uuid;

/// What became of a letter.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "UPPERCASE")]
pub enum LetterState {
    /// Nobody has decided yet, or its replay waits its turn.
    Waiting,
    /// It was sent again.
    Replayed,
    /// Somebody decided that it needs nothing any more.
    Discarded,
}

impl LetterState {
    /// Every state.
    pub const ALL: [Self; 3] = [Self::Waiting, Self::Replayed, Self::Discarded];

    /// As the table and the API write it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Waiting => "WAITING",
            Self::Replayed => "REPLAYED",
            Self::Discarded => "DISCARDED",
        }
    }

    /// The state of this name.
    pub fn of(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.name() == name)
    }
}

/// A message that was set aside.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct DeadLetter {
    /// Its number.
    #[schema(example = 1)]
    pub id: i64,
    /// What became of it.
    pub state: LetterState,
    /// The queue whose consumer could not deal with it.
    #[schema(example = "inventory-service.order-events")]
    pub consumer: String,
    /// Id of the event, where the message can be read so far.
    pub event_id: Option<Uuid>,
    /// Type of the event, or else what the message was sent as.
    #[schema(example = "order.created")]
    pub event_type: String,
    /// What the event is about, where the message can be read so far: the reference of an order, the number of a product.
    #[schema(example = "01936f5e-7c3a-7b1e-8a4e-3f1d2c5b6a70")]
    pub subject: Option<String>,
    /// Why it was set aside.
    #[schema(example = "cannot be parsed: missing field `reference`")]
    pub reason: String,
    /// How often it was tried.
    #[schema(example = 6)]
    pub attempts: i32,
    /// When it was set aside, for the last time.
    #[serde(with = "shared_types::times")]
    pub dead_lettered_at: OffsetDateTime,
    /// When it will be sent again, where its replay waits its turn.
    #[serde(with = "shared_types::times::option", skip_serializing_if = "Option::is_none")]
    pub replay_due_at: Option<OffsetDateTime>,
    /// When it was sent again.
    #[serde(with = "shared_types::times::option")]
    pub replayed_at: Option<OffsetDateTime>,
    /// Who decided that it needs nothing any more, and why.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub discarded: Option<Intervention>,
    /// Who edited the message last, and why.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub edited: Option<Intervention>,
    /// The message as it came, where it was edited.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub original_body: Option<String>,
    /// The message that a replay sends. Bytes that are no text are shown as U+FFFD, and sent again as they were.
    pub body: String,
}

/// What somebody did to a letter.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, ToSchema)]
pub struct Intervention {
    /// When.
    #[serde(with = "shared_types::times")]
    pub at: OffsetDateTime,
    /// Who: `operator`, or `user:` or `key:` and an id.
    #[schema(example = "operator")]
    pub by: String,
    /// Why.
    #[schema(example = "The order was cancelled by telephone")]
    pub reason: String,
}

impl DeadLetter {
    /// The trace context of its event, where it can be read and has one.
    pub fn traceparent(&self) -> Option<String> {
        serde_json::from_str::<RawEvent>(&self.body).ok()?.traceparent
    }

    pub(super) fn read(row: &PgRow) -> Result<Self, sqlx::Error> {
        let state: &str = row.try_get("state")?;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Ok(Self {
            id: row.try_get("id")?,
            state: LetterState::of(state).ok_or_else(|| sqlx::Error::Decode(state.into()))?,
            consumer: row.try_get("consumer")?,
            event_id: row.try_get("event_id")?,
            event_type: row.try_get("event_type")?,
            subject: row.try_get("subject")?,
            reason: row.try_get("reason")?,
            attempts: row.try_get("attempts")?,
            dead_lettered_at: row.try_get("dead_lettered_at")?,
            replay_due_at: row.try_get("replay_due_at")?,
            replayed_at: row.try_get("replayed_at")?,
            discarded: intervention(row, ["discarded_at", "discarded_by", "discard_reason"])?,
            edited: intervention(row, ["edited_at", "edited_by", "edit_reason"])?,
            original_body: row.try_get::<Option<&[u8]>, _>("original_body")?.map(text),
            body: text(row.try_get("body")?),
        })
    }
}

fn intervention(row: &PgRow, [at, by, reason]: [&str; 3]) -> Result<Option<Intervention>, sqlx::Error> {
    let Some(at) = row.try_get(at)? else { return Ok(None) };
    Ok(Some(Intervention { at, by: row.try_get(by)?, reason: row.try_get(reason)? }))
}
