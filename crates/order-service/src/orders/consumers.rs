//! EDGE: events about reservations.

use crate::orders::commands::{confirm, lose_stock};
use crate::orders::error::Error;
use service_kit::consumer::Handler;
use service_kit::fault::Fault;
use service_kit::workers::Workers;
use shared_types::Reference;
use shared_types::events::{
    EventData, RawEvent, ReservationChanged, ReservationCommitted, ReservationRefused, ReservationReleased,
};
use shared_types::topology::ORDER_RESERVATION_EVENTS;
use sqlx::PgConnection;
use std::collections::HashMap;
use time::OffsetDateTime;

/// Starts what hears of reservations.
pub fn consumers(workers: &Workers) {
    workers.consume(ORDER_RESERVATION_EVENTS, ReservationEvents);
}

/// Confirms the order whose stock is committed, and cancels the one whose stock is gone.
#[derive(Clone, Copy, Debug)]
struct ReservationEvents;

impl Handler for ReservationEvents {
    type Error = Error;
    type Effect = ();

    async fn handle(&self, conn: &mut PgConnection, events: &[RawEvent]) -> Result<(), Error> {
        let mut committed: HashMap<Reference, Option<String>> = HashMap::new();
        let mut lost: HashMap<Reference, Option<OffsetDateTime>> = HashMap::new();
        for event in events {
            let ReservationChanged { reference } = event.data()?;
            match event.event_type.as_str() {
                ReservationCommitted::TYPE => {
                    committed.insert(reference, event.traceparent.clone());
                }
                ReservationReleased::TYPE => {
                    lost.entry(reference).or_insert(Some(event.time));
                }
                ReservationRefused::TYPE => {
                    lost.insert(reference, None);
                }
                other => return Err(Fault::UnexpectedEvent(other.to_owned()).into()),
            }
        }
        let now = OffsetDateTime::now_utc();
        confirm::confirm(conn, now, &committed).await?;
        lose_stock::lose_stock(conn, now, &lost).await
    }
}
