//! Writes a batch of orders whose stock is reserved, and announces what is placed.

use super::write::{self, Placement};
use super::{confirm, status_event};
use crate::orders::domain::Order;
use crate::orders::error::Error;
use crate::schema::OUTBOX;
use service_kit::answer::Answer;
use shared_types::reservations::ReservationStatus;
use shared_types::{OrderStatus, Reference};
use sqlx::PgConnection;
use std::collections::HashMap;
use time::OffsetDateTime;

/// An order that has its stock and is written in this transaction.
#[derive(Clone, Copy, Debug)]
pub(super) struct PlacedOrder<'a> {
    pub order: &'a Order,
    /// Where its reservation stands.
    pub stock: ReservationStatus,
    /// Trace context of the request.
    pub traceparent: Option<&'a String>,
}

/// Writes the orders, whose stock is reserved, with everything that belongs to them; gives the answer of each order that
/// was written. Left out are those whose deadline has passed and those that exist already.
pub async fn place(
    conn: &mut PgConnection,
    now: OffsetDateTime,
    placements: &[Placement<'_>],
) -> Result<HashMap<Reference, Answer>, Error> {
    let written = write::write(conn, now, placements).await?;
    let placed = written.iter().filter_map(|written| {
        let stock = written.placement.reservation.as_ref()?.status;
        Some(PlacedOrder { order: &written.order, stock, traceparent: written.placement.traceparent.as_ref() })
    });
    announce(conn, now, &placed.collect::<Vec<_>>()).await?;
    Ok(write::answers(written))
}

/// Announces the orders, which is what commits their stock.
///
/// Stock that is committed already (somebody did it by hand) will not be announced again: its orders are confirmed
/// at once.
pub(super) async fn announce(
    conn: &mut PgConnection,
    now: OffsetDateTime,
    placed: &[PlacedOrder<'_>],
) -> Result<(), Error> {
    let event = |placed: &PlacedOrder<'_>| {
        Ok(status_event(placed.order, OrderStatus::Pending, None)?.caused_by(placed.traceparent.cloned()))
    };
    let events = placed.iter().map(event).collect::<Result<Vec<_>, Error>>()?;
    OUTBOX.enqueue(conn, now, &events).await?;
    metrics::counter!("orders_placed_total").increment(placed.len() as u64);
    let to_confirm = placed.iter().filter(|placed| !placed.order.payment_is_due()).count();
    metrics::counter!("orders_to_confirm_total").increment(to_confirm as u64);
    let committed = placed.iter().filter(|placed| placed.stock == ReservationStatus::Committed);
    let committed: HashMap<Reference, Option<String>> =
        committed.map(|placed| (placed.order.reference, placed.traceparent.cloned())).collect();
    if committed.is_empty() { Ok(()) } else { confirm::confirm(conn, now, &committed).await }
}
