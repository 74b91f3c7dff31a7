//! What takes tokens back: the other services are told by an event, and this one records it in the same transaction.

use crate::schema::{OUTBOX, SCHEMA};
use serde_json::value::to_raw_value;
use service_kit::access::tokens::record_revocations;
use service_kit::fault::Fault;
use service_kit::outbox::Event;
use shared_types::events::{DATA_VERSION, EventData, RawEvent};
use sqlx::PgConnection;
use time::OffsetDateTime;
use uuid::Uuid;

/// Announces what takes tokens back, and records it: every instance of this service refuses them within two seconds.
pub async fn announce<Data: EventData>(
    conn: &mut PgConnection,
    now: OffsetDateTime,
    revoked: &[Data],
) -> Result<(), Fault> {
    let events: Vec<Event> = revoked.iter().map(Event::new).collect::<Result<_, _>>()?;
    let recorded: Vec<RawEvent> = revoked.iter().map(|data| as_heard(now, data)).collect::<Result<_, _>>()?;
    record_revocations(conn, SCHEMA, &recorded).await?;
    Ok(OUTBOX.enqueue(conn, now, &events).await?)
}

/// The event as the other services hear it.
fn as_heard<Data: EventData>(now: OffsetDateTime, data: &Data) -> Result<RawEvent, serde_json::Error> {
    Ok(RawEvent {
        specversion: "1.0".to_owned(),
        id: Uuid::now_v7(),
        source: OUTBOX.source.to_owned(),
        event_type: Data::TYPE.to_owned(),
        subject: data.subject(),
        time: now,
        traceparent: None,
        datacontenttype: "application/json".to_owned(),
        dataversion: DATA_VERSION,
        data: to_raw_value(data)?,
    })
}
