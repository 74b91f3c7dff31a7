//! An order that was created commits its reservation; one that was cancelled gives the stock back.

use crate::commands;
use crate::domain::reservations::changes::{Action, Change};
use crate::error::Error;
use crate::product_cache::ProductCache;
use service_kit::consumer::Handler;
use shared_types::events::{EventData, OrderCancelled, OrderCreated, RawEvent};
use shared_types::reservations::{Reservation, ReservationStatus};
use sqlx::PgConnection;
use time::OffsetDateTime;

/// The handler of `inventory-service.order-events`.
#[derive(Clone, Debug)]
pub struct OrderEvents {
    /// Told of the stock that comes back.
    pub products: ProductCache,
}

impl Handler for OrderEvents {
    type Error = Error;
    type Effect = Vec<Reservation>;

    async fn handle(&self, conn: &mut PgConnection, events: &[RawEvent]) -> Result<Vec<Reservation>, Error> {
        let changes = events.iter().map(change_for).collect::<Result<Vec<_>, _>>()?;
        let outcomes = commands::reservations::change(conn, OffsetDateTime::now_utc(), &changes).await?;
        let mut changed = Vec::new();
        for outcome in outcomes {
            match outcome {
                Ok(reservation) => changed.push(reservation),
                // Late messages are normal: what the reservation has become meanwhile stands.
                Err(error) => tracing::debug!(%error, "a message changes nothing"),
            }
        }
        Ok(changed)
    }

    fn committed(&self, changed: Vec<Reservation>) {
        let released = changed.iter().filter(|reservation| reservation.status == ReservationStatus::Released);
        self.products.changed(released.flat_map(Reservation::products));
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
