//! An order that was created commits its reservation; one that was cancelled gives the stock back.

use crate::commands;
use crate::domain::reservations::changes::{Action, Change};
use crate::error::Error;
use service_kit::consumer::Handler;
use shared_types::events::{EventData, OrderCancelled, OrderCreated, RawEvent};
use sqlx::PgConnection;
use time::OffsetDateTime;

/// The handler of `inventory-service.order-events`.
#[derive(Clone, Copy, Debug)]
pub struct OrderEvents;

impl Handler for OrderEvents {
    type Error = Error;

    async fn handle(&self, conn: &mut PgConnection, events: &[RawEvent]) -> Result<(), Error> {
        let changes = events.iter().map(change_for).collect::<Result<Vec<_>, _>>()?;
        let outcomes = commands::reservations::change(conn, OffsetDateTime::now_utc(), &changes).await?;
        for error in outcomes.into_iter().filter_map(Result::err) {
            // Late messages are normal: what the reservation has become meanwhile stands.
            tracing::debug!(%error, "a message changes nothing");
        }
        Ok(())
    }
}

fn change_for(event: &RawEvent) -> Result<Change, Error> {
    let (reference, action) = match event.event_type.as_str() {
        OrderCreated::TYPE => (event.data::<OrderCreated>()?.reference, Action::Commit),
        OrderCancelled::TYPE => (event.data::<OrderCancelled>()?.0.reference, Action::Cancel),
        unknown => return Err(Error::UnknownEvent(unknown.to_owned())),
    };
    Ok(Change { reference, action, traceparent: event.traceparent.clone() })
}
