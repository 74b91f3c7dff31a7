//! The statements that send what is queued: claim, note what came of it, queue again.

use super::named;
use crate::notifications::domain::log::Texts;
use crate::notifications::domain::{Channel, Kind, Status};
use shared_types::OrderId;
use sqlx::PgConnection;
use std::time::Duration;
use time::OffsetDateTime;
use uuid::Uuid;

/// A message that one worker is to send now.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Claimed {
    /// Its number.
    pub id: i64,
    /// The event that made it.
    pub event_id: Uuid,
    /// The order; none for stock.
    pub order_id: Option<OrderId>,
    /// What it is about.
    pub kind: Kind,
    /// To whom.
    pub recipient: String,
    /// What the order does not hold, in JSON.
    pub facts: Option<String>,
    /// How often it was attempted before.
    pub attempts: u32,
    /// How often somebody had it sent again.
    pub resends: i32,
    /// When it is another's turn.
    pub leased_until: OffsetDateTime,
}

/// What came of an attempt.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Tried {
    /// The message.
    pub id: i64,
    /// The claim under which it was attempted.
    pub leased_until: OffsetDateTime,
    /// What came of it.
    pub outcome: Outcome,
}

/// What came of an attempt.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Outcome {
    /// The provider has it.
    Sent {
        /// What the provider calls it.
        provider_id: Option<String>,
        /// As it was sent.
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

impl Outcome {
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

/// Takes up to `limit` messages of a channel that are due, those first that have been so for longest. For the time of
/// `lease` no other worker gets them; afterwards they are due again, unless something became of them.
pub async fn claim(
    conn: &mut PgConnection,
    channel: Channel,
    limit: i64,
    lease: Duration,
) -> Result<Vec<Claimed>, sqlx::Error> {
    let rows = sqlx::query!(
        r#"WITH due AS MATERIALIZED (
               SELECT ctid AS place FROM orders.notifications
               WHERE channel = $1 AND status = 'QUEUED' AND next_attempt_at <= statement_timestamp()
               ORDER BY next_attempt_at LIMIT $2 FOR UPDATE SKIP LOCKED
           )
           UPDATE orders.notifications
           SET next_attempt_at = clock_timestamp() + $3::bigint * INTERVAL '1 millisecond'
           WHERE ctid = ANY(ARRAY(SELECT place FROM due))
           RETURNING id, event_id, order_id, kind, recipient AS "recipient!", facts::text AS facts,
                     attempts, resends, next_attempt_at AS "leased_until!""#,
        channel.as_str(),
        limit,
        milliseconds(lease)
    )
    .fetch_all(conn)
    .await?;
    let mut claimed = rows
        .into_iter()
        .map(|row| {
            Ok(Claimed {
                id: row.id,
                event_id: row.event_id,
                order_id: row.order_id.map(OrderId),
                kind: named(&row.kind)?,
                recipient: row.recipient,
                facts: row.facts,
                attempts: u32::try_from(row.attempts).unwrap_or_default(),
                resends: row.resends,
                leased_until: row.leased_until,
            })
        })
        .collect::<Result<Vec<_>, sqlx::Error>>()?;
    claimed.sort_by_key(|message| message.id);
    Ok(claimed)
}

/// Notes what came of the attempts. What the provider took counts in any case; anything else only as long as the claim
/// under which it was attempted holds. A message that was erased meanwhile stays as it is.
pub async fn record(conn: &mut PgConnection, tried: &[Tried]) -> Result<(), sqlx::Error> {
    let ids: Vec<i64> = tried.iter().map(|it| it.id).collect();
    let leases: Vec<OffsetDateTime> = tried.iter().map(|it| it.leased_until).collect();
    let statuses: Vec<String> = tried.iter().map(|it| it.outcome.status().to_string()).collect();
    let counted: Vec<i32> = tried.iter().map(|it| i32::from(!matches!(it.outcome, Outcome::Waiting { .. }))).collect();
    let errors: Vec<Option<String>> = tried.iter().map(|it| it.outcome.error()).collect();
    let delays: Vec<Option<i64>> = tried.iter().map(|it| it.outcome.delay()).collect();
    let sent = |of: fn(&Option<String>, &Texts) -> Option<String>| -> Vec<Option<String>> {
        let each = tried.iter().map(|it| match &it.outcome {
            Outcome::Sent { provider_id, texts } => of(provider_id, texts),
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
