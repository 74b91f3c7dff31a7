//! The statements that send what is queued: the queue of each channel, the record of an outcome, queueing again.

use crate::notifications::domain::log::Kept;
use crate::notifications::domain::texts::Texts;
use crate::notifications::domain::{Channel, Status};
use service_kit::work_queue::Table;
use sqlx::{FromRow, PgConnection};
use std::time::Duration;
use time::OffsetDateTime;
use uuid::Uuid;

/// A message is due only when no earlier one about the same order waits: mails about an order leave in the order of its
/// events, which their ids, UUIDv7s, tell. One that failed or was skipped holds up nobody.
macro_rules! due {
    ($channel:literal) => {
        concat!(
            "q.channel = '",
            $channel,
            "' AND q.status = 'QUEUED' AND NOT EXISTS (
            SELECT FROM orders.notifications e
            WHERE e.order_id = q.order_id AND e.event_id < q.event_id AND e.channel = q.channel
              AND CASE e.status WHEN 'QUEUED' THEN TRUE ELSE FALSE END OFFSET 0)"
        )
    };
}

/// The queue of a channel.
pub fn table(channel: Channel) -> Table {
    Table {
        name: "orders.notifications",
        key: "id",
        due: match channel {
            Channel::Email => due!("EMAIL"),
            Channel::Sms => due!("SMS"),
        },
        columns: concat!(
            "q.event_id, q.kind, q.recipient, q.data, q.attempts, q.resends, q.traceparent, ",
            placed_data!("q")
        ),
        give_up_at: None,
    }
}

/// What a claim gives of a message.
#[derive(Clone, PartialEq, Eq, Debug, FromRow)]
pub struct Queued {
    /// The event that made it.
    pub event_id: Uuid,
    /// The name of its kind, which may be one that only a newer build knows.
    pub kind: String,
    /// To whom.
    pub recipient: String,
    data: Option<String>,
    placed_data: Option<String>,
    /// How often it was attempted before.
    pub attempts: i32,
    /// How often somebody had it sent again.
    pub resends: i32,
    /// The trace context of the event, where that trace is recorded.
    pub traceparent: Option<String>,
}

impl Queued {
    /// What its text is made of.
    pub fn kept(&self) -> Kept {
        Kept { data: self.data.clone(), placed_data: self.placed_data.clone() }
    }
}

/// What came of an attempt.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Tried {
    /// The message.
    pub id: i64,
    /// The claim under which it was attempted.
    pub leased_until: OffsetDateTime,
    /// What came of it.
    pub outcome: AttemptOutcome,
}

/// What came of an attempt.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum AttemptOutcome {
    /// The provider has it.
    Sent {
        /// What the provider calls it.
        provider_id: Option<String>,
        /// As it was sent; a code in it is hidden.
        texts: Texts,
    },
    /// It will never be sent.
    Failed {
        /// Why.
        error: String,
    },
    /// It is attempted again after a time.
    PutOff {
        /// Why.
        error: String,
        /// The time.
        delay: Duration,
    },
    /// It was not its fault: it is due again after a time, as if it had not been attempted.
    Waiting {
        /// Why.
        error: Option<String>,
        /// The time.
        delay: Duration,
    },
}

impl AttemptOutcome {
    /// What the message comes to.
    fn status(&self) -> Status {
        match self {
            Self::Sent { .. } => Status::Sent,
            Self::Failed { .. } => Status::Failed,
            Self::PutOff { .. } | Self::Waiting { .. } => Status::Queued,
        }
    }

    fn error(&self) -> Option<String> {
        match self {
            Self::Sent { .. } => None,
            Self::Failed { error } | Self::PutOff { error, .. } => Some(error.clone()),
            Self::Waiting { error, .. } => error.clone(),
        }
    }

    fn delay(&self) -> Option<i64> {
        match self {
            Self::Sent { .. } | Self::Failed { .. } => None,
            Self::PutOff { delay, .. } | Self::Waiting { delay, .. } => Some(milliseconds(*delay)),
        }
    }
}

/// Notes what came of the attempts. What the provider took counts in any case; anything else only as long as the claim
/// under which it was attempted holds. A message that was erased meanwhile stays as it is.
pub async fn record(conn: &mut PgConnection, tried: &[Tried]) -> Result<(), sqlx::Error> {
    let ids: Vec<i64> = tried.iter().map(|it| it.id).collect();
    let leases: Vec<OffsetDateTime> = tried.iter().map(|it| it.leased_until).collect();
    let statuses: Vec<String> = tried.iter().map(|it| it.outcome.status().to_string()).collect();
    let counted: Vec<i32> =
        tried.iter().map(|it| i32::from(!matches!(it.outcome, AttemptOutcome::Waiting { .. }))).collect();
    let errors: Vec<Option<String>> = tried.iter().map(|it| it.outcome.error()).collect();
    let delays: Vec<Option<i64>> = tried.iter().map(|it| it.outcome.delay()).collect();
    let sent = |of: fn(&Option<String>, &Texts) -> Option<String>| -> Vec<Option<String>> {
        let each = tried.iter().map(|it| match &it.outcome {
            AttemptOutcome::Sent { provider_id, texts } => of(provider_id, texts),
            _ => None,
        });
        each.collect()
    };
    let provider_ids = sent(|provider_id, _| provider_id.clone());
    let subjects = sent(|_, texts| texts.subject.clone());
    let texts = sent(|_, texts| texts.text.clone());
    let htmls = sent(|_, texts| texts.html.clone());
    sqlx::query!(
        "UPDATE orders.notifications n
         SET status = t.status, attempts = n.attempts + t.counted, last_error = COALESCE(t.error, n.last_error),
             reason = CASE WHEN t.status = 'FAILED' THEN t.error END, provider_id = t.provider_id,
             subject = t.subject, body_text = t.body_text, body_html = t.body_html,
             sent_at = CASE WHEN t.status = 'SENT' THEN clock_timestamp() END,
             next_attempt_at = clock_timestamp() + t.delay * INTERVAL '1 millisecond'
         FROM unnest($1::bigint[], $2::timestamptz[], $3::text[], $4::integer[], $5::text[], $6::bigint[], $7::text[],
                     $8::text[], $9::text[], $10::text[])
              AS t (id, leased_until, status, counted, error, delay, provider_id, subject, body_text, body_html)
         WHERE n.id = ANY($1) AND n.id = t.id AND CASE n.status WHEN 'QUEUED' THEN TRUE ELSE FALSE END
           AND (t.status = 'SENT' OR n.next_attempt_at = t.leased_until)",
        &ids,
        &leases,
        &statuses,
        &counted,
        &errors as &[Option<String>],
        &delays as &[Option<i64>],
        &provider_ids as &[Option<String>],
        &subjects as &[Option<String>],
        &texts as &[Option<String>],
        &htmls as &[Option<String>]
    )
    .execute(&mut *conn)
    .await?;
    let put_off = tried.iter().filter(|it| matches!(it.outcome, AttemptOutcome::PutOff { .. }));
    let put_off: Vec<i64> = put_off.map(|it| it.id).collect();
    if put_off.is_empty() { Ok(()) } else { put_off_followers(conn, &put_off).await }
}

/// Puts messages off together with the earlier ones that they have to wait for. Otherwise they would stay at the head of
/// the queue, and every claim would go through them.
async fn put_off_followers(conn: &mut PgConnection, ids: &[i64]) -> Result<(), sqlx::Error> {
    let followers = sqlx::query!(
        r#"SELECT f.id AS "id!", h.next_attempt_at AS "at!"
           FROM (SELECT order_id, event_id, channel, next_attempt_at FROM orders.notifications
                 WHERE id = ANY($1) AND next_attempt_at IS NOT NULL OFFSET 0) h
           CROSS JOIN LATERAL (
               SELECT id FROM orders.notifications
               WHERE order_id = h.order_id AND event_id > h.event_id AND channel = h.channel
                 AND CASE status WHEN 'QUEUED' THEN next_attempt_at < h.next_attempt_at ELSE FALSE END OFFSET 0) f"#,
        ids
    )
    .fetch_all(&mut *conn)
    .await?;
    let (ids, times): (Vec<i64>, Vec<OffsetDateTime>) = followers.into_iter().map(|row| (row.id, row.at)).unzip();
    sqlx::query!(
        "UPDATE orders.notifications n SET next_attempt_at = f.at
         FROM unnest($1::bigint[], $2::timestamptz[]) AS f (id, at)
         WHERE n.id = ANY($1) AND n.id = f.id AND CASE n.status WHEN 'QUEUED' THEN TRUE ELSE FALSE END",
        &ids,
        &times
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Locks a message until the end of the transaction.
pub async fn lock(conn: &mut PgConnection, id: i64) -> Result<(), sqlx::Error> {
    sqlx::query!("SELECT id FROM orders.notifications WHERE id = $1 FOR UPDATE", id).fetch_optional(conn).await?;
    Ok(())
}

/// Queues a locked message again, as if it were new; its texts are made anew.
pub async fn queue_again(conn: &mut PgConnection, id: i64, recipient: &str) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "UPDATE orders.notifications
         SET status = 'QUEUED', recipient = $2, reason = NULL, attempts = 0, last_error = NULL, provider_id = NULL,
             resends = resends + 1, subject = NULL, body_text = NULL, body_html = NULL, sent_at = NULL,
             delivered_at = NULL, next_attempt_at = clock_timestamp()
         WHERE id = $1",
        id,
        recipient
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// How many messages of a channel wait, and since when the oldest does.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Waiting {
    /// How many.
    pub count: i64,
    /// Seconds that the oldest has waited.
    pub oldest_seconds: i64,
}

/// What waits to be sent by a channel.
pub async fn count_queued(conn: &mut PgConnection, channel: Channel) -> Result<Waiting, sqlx::Error> {
    sqlx::query_as!(
        Waiting,
        r#"SELECT COUNT(*) AS "count!",
                  COALESCE(EXTRACT(EPOCH FROM clock_timestamp() - MIN(created_at)), 0)::bigint AS "oldest_seconds!"
           FROM orders.notifications WHERE channel = $1 AND status = 'QUEUED'"#,
        channel.as_str()
    )
    .fetch_one(conn)
    .await
}

fn milliseconds(time: Duration) -> i64 {
    i64::try_from(time.as_millis()).unwrap_or(i64::MAX)
}
