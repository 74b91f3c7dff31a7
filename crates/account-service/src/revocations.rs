//! What takes tokens back: the other services are told by an event, and this one records it in the same transaction.

use crate::schema::{OUTBOX, SCHEMA};
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use serde_json::value::to_raw_value;
use service_kit::access::tokens::{Verifier, record_revocations};
use service_kit::db::Database;
use service_kit::fault::Fault;
use service_kit::outbox::Event;
use shared_types::events::{DATA_VERSION, EventData, RawEvent};
use sqlx::PgConnection;
use std::cell::Cell;
use time::OffsetDateTime;
use uuid::Uuid;

tokio::task_local! {
    /// Whether the request that is served has taken tokens back.
    static ANNOUNCED: Cell<bool>;
}

/// Serves a request. If it takes tokens back, this instance refuses them before it answers.
pub async fn refuse_at_once(
    State((verifier, database)): State<(Verifier, Database)>,
    request: Request,
    next: Next,
) -> Response {
    let served = async {
        let response = next.run(request).await;
        (response, ANNOUNCED.with(Cell::get))
    };
    let (response, announced) = ANNOUNCED.scope(Cell::new(false), served).await;
    // Its transaction is over: what was rolled back is not found. What cannot be read now is seen within a second.
    if announced && let Err(error) = verifier.look_now(&database, SCHEMA).await {
        tracing::warn!(%error, "what was taken back could not be read");
    }
    response
}

/// Announces what takes tokens back, and records it: every instance of this service refuses them within two seconds, and the
/// one that serves the request at once ([`refuse_at_once`]).
pub async fn announce<Data: EventData>(
    conn: &mut PgConnection,
    now: OffsetDateTime,
    revoked: &[Data],
) -> Result<(), Fault> {
    let events: Vec<Event> = revoked.iter().map(Event::new).collect::<Result<_, _>>()?;
    let recorded: Vec<RawEvent> = revoked.iter().map(|data| as_heard(now, data)).collect::<Result<_, _>>()?;
    record_revocations(conn, SCHEMA, &recorded).await?;
    // Outside of a request, as at the terminal, there is no caller who could know.
    let _ = ANNOUNCED.try_with(|announced| announced.set(true));
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
