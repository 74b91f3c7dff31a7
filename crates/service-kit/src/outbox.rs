//! Events written in the transaction of the change they tell of; the relay publishes them afterwards.
//!
//! A row is a message. The events of one type that a transaction announces one after the other share it: the broker and
//! the database are paid by the message, not by the event.

use crate::schema::Schema;
use crate::telemetry;
use crate::traces::{Kind, Span};
use serde_json::value::{RawValue, to_raw_value};
use shared_types::event_batches::EventBatch;
use shared_types::events::{DATA_VERSION, Envelope, EventData};
use shared_types::topology::EXCHANGE;
use sqlx::{PgConnection, PgExecutor};
use time::OffsetDateTime;
use uuid::Uuid;

/// Bytes of a message to which no further event is added: whoever reads it holds it in memory as a whole.
pub(crate) const MESSAGE_BYTES: usize = 128 * 1024;

/// An event that has happened but is not written yet.
#[derive(Clone, Debug)]
pub struct Event {
    event_type: &'static str,
    subject: String,
    data: Box<RawValue>,
    traceparent: Option<String>,
}

impl Event {
    /// The event with this data, caused by the request at hand.
    pub fn new<Data: EventData>(data: &Data) -> Result<Self, serde_json::Error> {
        Ok(Self {
            event_type: Data::TYPE,
            subject: data.subject(),
            data: to_raw_value(data)?,
            traceparent: telemetry::current_traceparent(),
        })
    }

    /// Names the request that caused it, where that is not the one at hand (in a batch).
    #[must_use]
    pub fn caused_by(self, traceparent: Option<String>) -> Self {
        Self { traceparent, ..self }
    }
}

/// Why an event could not be written.
#[derive(Debug, thiserror::Error)]
pub enum OutboxError {
    /// It has no JSON form.
    #[error(transparent)]
    Json(#[from] serde_json::Error),
    /// The database failed.
    #[error(transparent)]
    Database(#[from] sqlx::Error),
}

/// The outbox of one service.
#[derive(Clone, Copy, Debug)]
pub struct Outbox {
    /// Where its table is.
    pub schema: Schema,
    /// CloudEvents `source`: `/order-service`.
    pub source: &'static str,
}

impl Outbox {
    /// Writes the events in the caller's transaction, to be published in this order.
    pub async fn enqueue(
        self,
        conn: &mut PgConnection,
        now: OffsetDateTime,
        events: &[Event],
    ) -> Result<(), OutboxError> {
        if events.is_empty() {
            return Ok(());
        }
        let (types, counts, bodies) = columns(self.messages(now, events)?);
        sqlx::query(self.schema.sql(
            "INSERT INTO {schema}.outbox (event_type, events, body)
             SELECT type, events, body FROM unnest($1::text[], $2::integer[], $3::bytea[])
                    WITH ORDINALITY AS m (type, events, body, position)
             ORDER BY position",
        ))
        .bind(types)
        .bind(counts)
        .bind(bodies)
        .execute(conn)
        .await?;
        Ok(())
    }

    /// When the oldest message was written that is not published yet.
    pub async fn oldest(self, db: impl PgExecutor<'_>) -> Result<Option<OffsetDateTime>, sqlx::Error> {
        let statement = "SELECT created_at FROM {schema}.outbox ORDER BY id LIMIT 1";
        sqlx::query_scalar(self.schema.sql(statement)).fetch_optional(db).await
    }

    /// How many messages are not published yet; more than 10,000 are not counted.
    pub async fn waiting(self, db: impl PgExecutor<'_>) -> Result<i64, sqlx::Error> {
        let statement = "SELECT COUNT(*) FROM (SELECT FROM {schema}.outbox LIMIT 10000) AS counted";
        sqlx::query_scalar(self.schema.sql(statement)).fetch_one(db).await
    }

    /// The trace context that an event carries: of the span of its making, where its trace is recorded.
    fn traceparent(self, event: &Event, id: Uuid) -> Option<String> {
        let span = Span::under(event.traceparent.as_deref(), Kind::Producer, || format!("create {}", event.event_type));
        let Some(mut span) = span else { return event.traceparent.clone() };
        span.text("messaging.system", "rabbitmq");
        span.text("messaging.operation.type", "create");
        span.text("messaging.destination.name", EXCHANGE);
        span.text("messaging.rabbitmq.destination.routing_key", event.event_type);
        span.text("cloudevents.event_id", id.to_string());
        span.text("cloudevents.event_subject", event.subject.as_str());
        Some(span.traceparent())
    }

    /// Puts the events together into as few messages as their order allows.
    fn messages(self, now: OffsetDateTime, events: &[Event]) -> Result<Vec<Message>, serde_json::Error> {
        let mut messages: Vec<Message> = Vec::new();
        for event in events {
            let id = Uuid::now_v7();
            let envelope = Envelope {
                specversion: "1.0".to_owned(),
                id,
                source: self.source.to_owned(),
                event_type: event.event_type.to_owned(),
                subject: event.subject.clone(),
                time: now,
                traceparent: self.traceparent(event, id),
                datacontenttype: "application/json".to_owned(),
                dataversion: DATA_VERSION,
                data: &event.data,
            };
            match messages.last_mut() {
                Some((event_type, batch)) if *event_type == event.event_type && batch.bytes() < MESSAGE_BYTES => {
                    batch.write(&envelope)?;
                }
                _ => messages.push((event.event_type, EventBatch::of(&envelope)?)),
            }
        }
        Ok(messages)
    }
}

/// The type of its events, and the events.
type Message = (&'static str, EventBatch);

fn columns(messages: Vec<Message>) -> (Vec<&'static str>, Vec<i32>, Vec<Vec<u8>>) {
    let (mut types, mut counts, mut bodies) = (Vec::new(), Vec::new(), Vec::new());
    for (event_type, batch) in messages {
        types.push(event_type);
        counts.push(i32::from(batch.events()));
        bodies.push(batch.into_body());
    }
    (types, counts, bodies)
}

#[cfg(test)]
mod tests {
    use super::{Event, MESSAGE_BYTES, Outbox};
    use crate::schema::Schema;
    use shared_types::Reference;
    use shared_types::event_batches::split;
    use shared_types::events::{EventData, OrderCancelled, OrderConfirmed, OrderSnapshot, RawEvent};
    use time::OffsetDateTime;

    const OUTBOX: Outbox = Outbox { schema: Schema("orders"), source: "/order-service" };

    fn changed(id: i64, reason: &str) -> OrderSnapshot {
        let order = serde_json::json!({"orderId": id, "reference": Reference::random(), "reason": reason});
        serde_json::from_value(order).unwrap()
    }

    /// The type and the numbers of the orders of each message.
    fn messages(events: &[Event]) -> Vec<(&'static str, Vec<i64>)> {
        let messages = OUTBOX.messages(OffsetDateTime::UNIX_EPOCH, events).unwrap();
        let orders = |body: &[u8]| {
            let event = |event| RawEvent::parse(event).unwrap().data::<OrderSnapshot>().unwrap().order_id.0;
            split(body).into_iter().map(event).collect()
        };
        messages.into_iter().map(|(event_type, batch)| (event_type, orders(&batch.into_body()))).collect()
    }

    #[test]
    fn events_of_one_type_that_follow_each_other_share_a_message() {
        let confirmed = |id| Event::new(&OrderConfirmed(changed(id, ""))).unwrap();
        let cancelled = |id| Event::new(&OrderCancelled(changed(id, ""))).unwrap();
        let events = [confirmed(1), confirmed(2), cancelled(1), confirmed(3)];
        let (on, off) = (OrderConfirmed::TYPE, OrderCancelled::TYPE);
        assert_eq!(messages(&events), [(on, vec![1, 2]), (off, vec![1]), (on, vec![3])], "never past one another");
        assert!(messages(&[]).is_empty());
    }

    #[test]
    fn a_message_does_not_grow_without_bound() {
        let reason = "x".repeat(MESSAGE_BYTES / 4);
        let events: Vec<Event> =
            (1..=10).map(|id| Event::new(&OrderConfirmed(changed(id, &reason))).unwrap()).collect();
        let messages = messages(&events);
        assert_eq!(messages.iter().map(|(_, orders)| orders.len()).collect::<Vec<_>>(), [4, 4, 2]);
        assert_eq!(
            messages.into_iter().flat_map(|(_, orders)| orders).collect::<Vec<_>>(),
            (1..=10).collect::<Vec<_>>()
        );
    }
}
