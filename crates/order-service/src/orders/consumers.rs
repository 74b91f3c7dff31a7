//! EDGE: events about reservations.

use crate::orders::commands::{confirm, lose_stock};
use crate::orders::error::Error;
use service_kit::access::Scope;
use service_kit::consumer::Handler;
use service_kit::fault::Fault;
use service_kit::workers::Workers;
use shared_types::Reference;
use shared_types::events::{
    EventData, RawEvent, ReservationChanged, ReservationCommitted, ReservationRefused, ReservationReleased,
};
use shared_types::topology::{ORDER_LOST_STOCK, ORDER_RESERVATION_EVENTS};
use sqlx::PgConnection;
use std::collections::HashMap;
use time::OffsetDateTime;

/// Starts what hears of reservations.
pub fn consumers(workers: &Workers) {
    workers.consume(ORDER_RESERVATION_EVENTS, ReservationEvents);
    workers.consume(ORDER_LOST_STOCK, LostStock);
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
            if event.event_type != ReservationCommitted::TYPE {
                return Err(Fault::UnexpectedEvent(event.event_type.clone()).into());
            }
            let ReservationChanged { reference } = event.data()?;
            committed.insert(reference, event.traceparent.clone());
        }
        confirm::confirm(conn, OffsetDateTime::now_utc(), &committed).await
    }
}

/// Cancels the order whose stock is gone.
#[derive(Clone, Copy, Debug)]
struct LostStock;

impl Handler for LostStock {
    type Error = Error;
    type Effect = ();

    async fn handle(&self, conn: &mut PgConnection, events: &[RawEvent]) -> Result<(), Error> {
        let mut lost: HashMap<Reference, Option<OffsetDateTime>> = HashMap::new();
        for event in events {
            let ReservationChanged { reference } = event.data()?;
            match event.event_type.as_str() {
                ReservationReleased::TYPE => {
                    lost.entry(reference).or_insert(Some(event.time));
                }
                ReservationRefused::TYPE => {
                    lost.insert(reference, None);
                }
                other => return Err(Fault::UnexpectedEvent(other.to_owned()).into()),
            }
        }
        lose_stock::lose_stock(conn, OffsetDateTime::now_utc(), Scope::system(), &lost).await
    }
}
