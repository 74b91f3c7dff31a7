//! EDGE: events about reservations.

use crate::orders::commands::confirm;
use crate::orders::error::Error;
use service_kit::consumer::Handler;
use service_kit::fault::Fault;
use service_kit::workers::Workers;
use shared_types::Reference;
use shared_types::events::{EventData, RawEvent, ReservationChanged, ReservationCommitted};
use shared_types::topology::ORDER_RESERVATION_EVENTS;
use sqlx::PgConnection;
use std::collections::HashMap;
use time::OffsetDateTime;

/// Starts what hears of reservations.
pub fn consumers(workers: &Workers) {
    workers.consume(ORDER_RESERVATION_EVENTS, ReservationEvents);
}

/// Confirms the order whose stock is committed.
#[derive(Clone, Copy, Debug)]
struct ReservationEvents;

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
                other => return Err(Fault::UnexpectedEvent(other.to_owned()).into()),
            }
        }
        confirm::confirm(conn, OffsetDateTime::now_utc(), &committed).await
    }
}
