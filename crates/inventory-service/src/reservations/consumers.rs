//! EDGE: an order that was created commits its reservation, or is told that its stock is gone; one that was cancelled
//! gives the stock back, and one that was shipped takes its pieces off the shelf.

use super::commands::{change, commit, moved_by_change, refuse, ship};
use super::domain::changes::{Action, Change};
use super::error::Error;
use super::state::Reservations;
use crate::products::Products;
use service_kit::consumer::Handler;
use service_kit::fault::Fault;
use service_kit::workers::Workers;
use shared_types::events::{
    EventData, OrderCancelled, OrderCreated, OrderDelivered, OrderShipped, OrderSnapshot, RawEvent,
};
use shared_types::topology::{INVENTORY_ORDER_EVENTS, INVENTORY_SHIPMENTS};
use shared_types::{ProductId, Reference};
use sqlx::PgConnection;
use std::sync::Arc;
use time::OffsetDateTime;

/// Starts what hears of orders.
pub fn consumers(workers: &Workers, reservations: &Arc<Reservations>) {
    workers.consume(INVENTORY_ORDER_EVENTS, OrderEvents { products: reservations.products.clone() });
    workers.consume(INVENTORY_SHIPMENTS, Shipments { products: reservations.products.clone() });
}

/// Commits and cancels the reservations of orders.
#[derive(Clone, Debug)]
struct OrderEvents {
    /// Told of the stock that comes back.
    products: Arc<Products>,
}

impl Handler for OrderEvents {
    type Error = Error;
    /// The products whose stock moved.
    type Effect = Vec<ProductId>;

    async fn handle(&self, conn: &mut PgConnection, events: &[RawEvent]) -> Result<Vec<ProductId>, Error> {
        let now = OffsetDateTime::now_utc();
        let changes = events.iter().map(change_for).collect::<Result<Vec<_>, _>>()?;
        if changes.iter().all(|change| change.action == Action::Commit) {
            commit(conn, now, &changes).await?;
            return Ok(Vec::new());
        }
        let outcomes = change(conn, now, &changes).await?;
        let (mut moved, mut late) = (Vec::new(), Vec::new());
        for (outcome, change) in outcomes.into_iter().zip(&changes) {
            match outcome {
                Ok(reservation) => moved.extend(moved_by_change(&reservation)),
                // Late messages are normal: what the reservation has become meanwhile stands.
                Err(error) => {
                    tracing::debug!(%error, "a message changes nothing");
                    late.push(change);
                }
            }
        }
        late.retain(|change| change.action == Action::Commit);
        refuse(conn, now, &late).await?;
        Ok(moved)
    }

    fn committed(&self, moved: Vec<ProductId>) {
        self.products.changed(moved);
    }
}

/// What is needed of an event about an order is the same in all of them: its reference.
fn change_for(event: &RawEvent) -> Result<Change, Error> {
    let action = match event.event_type.as_str() {
        OrderCreated::TYPE => Action::Commit,
        OrderCancelled::TYPE => Action::Cancel,
        unknown => return Err(Fault::UnexpectedEvent(unknown.to_owned()).into()),
    };
    let OrderSnapshot { reference, .. } = event.data()?;
    Ok(Change { reference, action, traceparent: event.traceparent.clone() })
}

/// Takes the pieces of orders that left the house off what is reserved.
#[derive(Clone, Debug)]
struct Shipments {
    /// Told of what changes.
    products: Arc<Products>,
}

impl Handler for Shipments {
    type Error = Error;
    /// The products of which pieces were shipped.
    type Effect = Vec<ProductId>;

    async fn handle(&self, conn: &mut PgConnection, events: &[RawEvent]) -> Result<Vec<ProductId>, Error> {
        let references = events.iter().map(shipped).collect::<Result<Vec<_>, _>>()?;
        ship(conn, &references).await
    }

    fn committed(&self, moved: Vec<ProductId>) {
        self.products.changed(moved);
    }
}

/// An order may be delivered without having been shipped before; the first of both counts.
fn shipped(event: &RawEvent) -> Result<Reference, Error> {
    match event.event_type.as_str() {
        OrderShipped::TYPE | OrderDelivered::TYPE => {}
        unknown => return Err(Fault::UnexpectedEvent(unknown.to_owned()).into()),
    }
    let OrderSnapshot { reference, .. } = event.data()?;
    Ok(reference)
}
