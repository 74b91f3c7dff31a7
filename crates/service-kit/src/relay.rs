//! Publishes what stands in the outbox, in order, and deletes what the broker has confirmed.
//!
//! One relay per service is at work at a time, whichever instance holds the advisory lock. It is woken by a commit
//! of its own instance and looks by itself every quarter of a second, for the commits of others.

use crate::broker::{self, Broker, BrokerError, RECONNECT_PAUSE};
use crate::db::{self, Database};
use crate::outbox::{MESSAGE_BYTES, Outbox};
use crate::panics::caught;
use crate::traces::{self, Kind, Shared};
use lapin::types::{AMQPValue, FieldTable, ShortString};
use lapin::{BasicProperties, Channel, PublisherConfirm};
use shared_types::event_batches::{EventBatch, media_type};
use shared_types::topology::{EXCHANGE, QUEUES};
use sqlx::postgres::PgRow;
use sqlx::{PgConnection, Row};
use std::collections::HashSet;
use std::pin::pin;
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;

/// Messages published in one go.
const BATCH: i64 = 64;

/// How often to look without being woken.
const POLL: Duration = Duration::from_millis(250);

/// Pause after a round of publishing: what is committed meanwhile shares the next one, with one read, one wait for the
/// broker and one deletion. What comes to an idle relay is published at once.
const PACE: Duration = Duration::from_millis(30);

/// How long the broker may take to receive a batch, and to confirm it.
const CONFIRM_TIMEOUT: Duration = Duration::from_secs(10);

/// How long the database may take to answer the relay: longer than it lets a statement run. One whose host died says nothing.
const PATIENCE: Duration = Duration::from_secs(15);

/// How often the relay looks whether its connection leads to a server that takes writes.
const LOOK: Duration = Duration::from_secs(5);

/// How long the relay may go on at shutdown, for what was committed last.
const LAST_ROUND: Duration = Duration::from_secs(1);

/// The link's name in the log and in the status of the broker.
const LINK: &str = "outbox relay";

/// Runs until `shutdown`, across every loss of the broker and of the database.
pub async fn run(database: Database, broker: Broker, outbox: Outbox, shutdown: CancellationToken) {
    while !shutdown.is_cancelled() {
        let mut relaying = pin!(caught(relay(&database, &broker, outbox, &shutdown)));
        let outcome = match shutdown.run_until_cancelled(&mut relaying).await {
            Some(outcome) => Some(outcome),
            None => tokio::time::timeout(LAST_ROUND, relaying).await.ok(),
        };
        match outcome.map(|outcome| outcome.unwrap_or_else(|panic| Err(BrokerError::Panicked(panic)))) {
            Some(Err(error @ (BrokerError::Database(_) | BrokerError::ReadOnly))) => {
                tracing::debug!(%error, "the relay waits for the database")
            }
            Some(Err(error)) => broker.report(LINK, Err(error.to_string())),
            Some(Ok(())) | None => {}
        }
        shutdown.run_until_cancelled(tokio::time::sleep(RECONNECT_PAUSE)).await;
    }
}

/// Works until something fails. After `shutdown`, for one more round, which publishes what the last requests committed.
async fn relay(
    database: &Database,
    broker: &Broker,
    outbox: Outbox,
    shutdown: &CancellationToken,
) -> Result<(), BrokerError> {
    let (link, channel) = broker.connect(LINK, &QUEUES).await?;
    broker.report(LINK, Ok(()));
    let mut publisher = Publisher { channel, proven: HashSet::new() };
    // Reading, deleting and the lock share one connection: who loses the lock can do neither.
    let mut conn = database.pool().acquire().await?.detach();
    // What is deleted here was published: a deletion that a crash takes back makes it be published again, no more.
    answered(sqlx::query("SET synchronous_commit = off").execute(&mut conn)).await?;
    let (mut at_work, mut is_last, mut looked) = (false, false, Instant::now());
    loop {
        // A primary that was replaced may leave this connection as it is: its outbox is empty for ever.
        if looked.elapsed() >= LOOK {
            looked = Instant::now();
            if !answered(db::takes_writes(&mut conn)).await? {
                return Err(BrokerError::ReadOnly);
            }
        }
        at_work = at_work || answered(lock(&mut conn, outbox)).await?;
        if at_work {
            while publish_batch(&mut conn, &mut publisher, outbox).await? == BATCH {}
        }
        if is_last {
            return Ok(());
        }
        let pausing = async {
            if at_work {
                tokio::time::sleep(PACE).await;
                database.committed_or(POLL).await;
            } else {
                tokio::time::sleep(POLL).await;
            }
        };
        is_last = shutdown.run_until_cancelled(pausing).await.is_none();
        if !link.is_up() {
            return Err(BrokerError::Closed);
        }
    }
}

/// What the database answers, if it does in time; else the connection is given up.
async fn answered<T>(asking: impl Future<Output = Result<T, sqlx::Error>>) -> Result<T, BrokerError> {
    Ok(tokio::time::timeout(PATIENCE, asking).await.unwrap_or(Err(sqlx::Error::PoolTimedOut))?)
}

/// Tries to take the service's relay lock, which belongs to the session and goes with it.
async fn lock(conn: &mut PgConnection, outbox: Outbox) -> Result<bool, sqlx::Error> {
    let name = format!("{} relay", outbox.schema.0);
    sqlx::query_scalar("SELECT pg_try_advisory_lock(hashtext($1))").bind(name).fetch_one(conn).await
}

/// The channel of one connection, and the routing keys under which it has had a message confirmed.
struct Publisher {
    channel: Channel,
    proven: HashSet<String>,
}

/// What the broker has confirmed of a batch.
#[derive(Default)]
struct Published {
    rows: Vec<i64>,
    messages: u64,
    events: u64,
}

async fn publish_batch(conn: &mut PgConnection, publisher: &mut Publisher, outbox: Outbox) -> Result<i64, BrokerError> {
    let statement = "SELECT id, event_type, events, body, queue FROM {schema}.outbox ORDER BY id LIMIT $1";
    let rows = answered(sqlx::query(outbox.schema.sql(statement)).bind(BATCH).fetch_all(&mut *conn)).await?;
    if rows.is_empty() {
        return Ok(0);
    }
    let mut published = Published::default();
    let outcome = publisher.publish_all(messages(&rows)?, &mut published).await;
    let statement = "DELETE FROM {schema}.outbox WHERE id = ANY($1)";
    answered(sqlx::query(outbox.schema.sql(statement)).bind(&published.rows).execute(conn)).await?;
    metrics::counter!("outbox_published_total").increment(published.events);
    metrics::counter!("outbox_messages_published_total").increment(published.messages);
    outcome?;
    Ok(i64::try_from(published.rows.len()).unwrap_or(BATCH))
}

impl Publisher {
    /// Publishes messages without waiting for each, except for the first under a routing key: that one is confirmed before
    /// the next one leaves. A queue that has no leader, as after the broker died, refuses the first message of a channel
    /// and may take the second: an event would overtake the one before it.
    async fn publish_all(&mut self, messages: Vec<Message<'_>>, published: &mut Published) -> Result<(), BrokerError> {
        let mut together = Vec::with_capacity(messages.len());
        for message in messages {
            let routing_key = message.queue.unwrap_or(message.event_type);
            let is_proven = self.proven.contains(routing_key);
            if !is_proven {
                self.proven.insert(routing_key.to_owned());
            }
            together.push(message);
            if !is_proven {
                self.publish_together(std::mem::take(&mut together), published).await?;
            }
        }
        self.publish_together(together, published).await
    }

    /// Publishes messages one behind the other, then waits for their confirms.
    async fn publish_together(&self, messages: Vec<Message<'_>>, published: &mut Published) -> Result<(), BrokerError> {
        let mut sent: Vec<(Vec<i64>, u16, PublisherConfirm, Shared)> = Vec::with_capacity(messages.len());
        let publishing = async {
            for Message { rows, event_type, queue, events } in messages {
                let count = events.events();
                let (confirm, sending) = publish(&self.channel, event_type, queue, events).await?;
                sent.push((rows, count, confirm, sending));
            }
            Ok(())
        };
        tokio::time::timeout(CONFIRM_TIMEOUT, publishing).await.unwrap_or(Err(BrokerError::Timeout))?;
        let confirming = async {
            for (rows, count, confirm, mut sending) in sent {
                // A message behind one that was refused is sent again after it, so that the order stands.
                if confirm.await?.is_nack() {
                    return Err(BrokerError::Refused);
                }
                sending.succeed();
                published.rows.extend(rows);
                published.messages += 1;
                published.events += u64::from(count);
            }
            Ok(())
        };
        tokio::time::timeout(CONFIRM_TIMEOUT, confirming).await.unwrap_or(Err(BrokerError::Timeout))
    }
}

/// What is published as one: a row of the outbox, or several that follow each other and have the same type.
struct Message<'r> {
    rows: Vec<i64>,
    event_type: &'r str,
    queue: Option<&'r str>,
    events: EventBatch,
}

impl Message<'_> {
    /// Whether a row that follows can join. A dead letter goes alone.
    fn has_room_for(&self, event_type: &str, queue: Option<&str>, body: &[u8]) -> bool {
        let one_kind = self.event_type == event_type && self.queue.is_none() && queue.is_none();
        one_kind && self.events.bytes() + body.len() <= MESSAGE_BYTES
    }
}

/// Puts rows together into as few messages as their order allows: the broker is paid by the message.
fn messages(rows: &[PgRow]) -> Result<Vec<Message<'_>>, sqlx::Error> {
    let mut messages: Vec<Message<'_>> = Vec::new();
    for row in rows {
        let (event_type, queue, body) = (row.try_get("event_type")?, row.try_get("queue")?, row.try_get("body")?);
        let (id, count) = (row.try_get("id")?, u16::try_from(row.try_get::<i32, _>("events")?).unwrap_or(u16::MAX));
        match messages.last_mut() {
            Some(message) if message.has_room_for(event_type, queue, body) => {
                message.rows.push(id);
                message.events.append(body, count);
            }
            _ => {
                let mut events = EventBatch::default();
                events.append(body, count);
                messages.push(Message { rows: vec![id], event_type, queue, events });
            }
        }
    }
    Ok(messages)
}

async fn publish(
    channel: &Channel,
    event_type: &str,
    queue: Option<&str>,
    events: EventBatch,
) -> Result<(PublisherConfirm, Shared), BrokerError> {
    let mut properties = BasicProperties::default().with_content_type(media_type(events.events().into()).into());
    // A letter that cannot be read so keeps its type, unless that is longer than AMQP can carry.
    if let Ok(kind) = ShortString::try_new(event_type) {
        properties = properties.with_type(kind);
    }
    // A dead letter goes back to the one queue it came from; what has happened is told to everybody.
    let (exchange, routing_key) = queue.map_or((EXCHANGE, event_type), |queue| ("", queue));
    let (count, body) = (events.events(), events.into_body());
    let sending = sending(&body, exchange, routing_key, count);
    if let Some(traceparent) = sending.traceparent() {
        let mut headers = FieldTable::default();
        headers.insert("traceparent".into(), AMQPValue::LongString(traceparent.into()));
        properties = properties.with_headers(headers);
    }
    Ok((broker::publish(channel, exchange, routing_key, &body, properties).await?, sending))
}

/// The sending of a message, in each trace of its events that is recorded; failed until the broker confirms it. The traces
/// are in the events: only where traces are recorded at all is a message searched for them.
fn sending(message: &[u8], exchange: &str, routing_key: &str, events: u16) -> Shared {
    if !traces::are_on() {
        return Shared::default();
    }
    let parents = traces::sampled_within(message).map(Some);
    let mut sending = Shared::under(parents, Kind::Client, || format!("send {exchange}"));
    sending.text("messaging.system", "rabbitmq");
    sending.text("messaging.operation.type", "send");
    sending.text("messaging.destination.name", exchange);
    sending.text("messaging.rabbitmq.destination.routing_key", routing_key);
    sending.number("messaging.batch.message_count", events.into());
    sending.fail(|| "the broker did not confirm it".into());
    sending
}
