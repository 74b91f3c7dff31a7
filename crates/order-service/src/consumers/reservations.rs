//! EDGE: events about reservations.

use crate::commands::orders::confirm;
use crate::error::Error;
use service_kit::consumer::Handler;
use shared_types::Reference;
use shared_types::events::{EventData, RawEvent, ReservationChanged, ReservationCommitted};
use sqlx::PgConnection;
use std::collections::HashMap;
use time::OffsetDateTime;

/// Confirms the order whose stock is committed.
#[derive(Clone, Copy, Debug)]
pub struct ReservationEvents;

impl Handler for ReservationEvents {
    type Error = Error;
    type Effect = ();

    async fn handle(&self, conn: &mut PgConnection, events: &[RawEvent]) -> Result<(), Error> {
        let mut committed: HashMap<Reference, Option<String>> = HashMap::new();
        for event in events {
            match event.event_type.as_str() {
                ReservationCommitted::TYPE => {
                    committed.insert(event.data::<ReservationChanged>()?.reference, event.traceparent.clone());
                }
                other => return Err(Error::UnexpectedEvent(other.to_owned())),
            }
        }
        confirm::confirm(conn, OffsetDateTime::now_utc(), &committed).await
    }
}
