//! Events written in the transaction of the change they tell of; the relay publishes them afterwards.

use crate::schema::Schema;
use crate::telemetry;
use serde_json::value::{RawValue, to_raw_value};
use shared_types::events::{DATA_VERSION, Envelope, EventData};
use sqlx::PgConnection;
use time::OffsetDateTime;
use uuid::Uuid;

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
    /// Writes the events in the caller's transaction, in this order.
    pub async fn enqueue(
        self,
        conn: &mut PgConnection,
        now: OffsetDateTime,
        events: &[Event],
    ) -> Result<(), OutboxError> {
        if events.is_empty() {
            return Ok(());
        }
        let (mut ids, mut types, mut bodies) = (Vec::new(), Vec::new(), Vec::new());
        for event in events {
            let id = Uuid::now_v7();
            let envelope = Envelope {
                specversion: "1.0".to_owned(),
                id,
                source: self.source.to_owned(),
                event_type: event.event_type.to_owned(),
                subject: event.subject.clone(),
                time: now,
                traceparent: event.traceparent.clone(),
                datacontenttype: "application/json".to_owned(),
                dataversion: DATA_VERSION,
                data: &event.data,
            };
            ids.push(id);
            types.push(event.event_type);
            bodies.push(serde_json::to_vec(&envelope)?);
        }
        sqlx::query(self.schema.sql(
            "INSERT INTO {schema}.outbox (event_id, event_type, body)
             SELECT id, type, body FROM unnest($1::uuid[], $2::text[], $3::bytea[])
                    WITH ORDINALITY AS e (id, type, body, position)
             ORDER BY position",
        ))
        .bind(ids)
        .bind(types)
        .bind(bodies)
        .execute(conn)
        .await?;
        Ok(())
    }
}
