//! Writes what became of orders that were accepted: placed, cancelled, or to be tried again.

use super::place::{self, Placed};
use super::status_event;
use crate::orders::domain::{OrderItem, placement_deadline, total};
use crate::orders::error::Error;
use crate::orders::store::accepted::{self, Filling, Unplaced};
use crate::orders::store::{self, NewStatus};
use crate::schema::OUTBOX;
use shared_types::reservations::Reservation;
use shared_types::{OrderId, OrderStatus};
use sqlx::PgConnection;
use std::collections::{HashMap, HashSet};
use time::OffsetDateTime;

/// An order, and what came of asking for its stock.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Tried {
    /// The order.
    pub id: OrderId,
    /// What came of it.
    pub outcome: Outcome,
}

/// What came of asking for an order's stock.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Outcome {
    /// It is held.
    Held(Reservation),
    /// It will never be: why, for the customer.
    Refused(String),
    /// It may be another time: why not now.
    Unavailable(String),
}

/// How many orders came to what.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Count {
    /// Placed.
    pub placed: usize,
    /// Cancelled because they were refused.
    pub refused: usize,
    /// Cancelled because they had waited for too long.
    pub given_up: usize,
    /// Put off.
    pub retried: usize,
}

/// Writes the outcomes. Orders that were placed or cancelled meanwhile stay as they are.
pub async fn place_accepted(conn: &mut PgConnection, now: OffsetDateTime, tried: &[Tried]) -> Result<Count, Error> {
    let ids: Vec<OrderId> = tried.iter().map(|tried| tried.id).collect();
    let outcomes: HashMap<OrderId, &Outcome> = tried.iter().map(|tried| (tried.id, &tried.outcome)).collect();
    let (mut held, mut cancelled, mut later) = (Vec::new(), Vec::new(), Vec::new());
    let mut count = Count::default();
    for order in accepted::lock_unplaced(conn, &ids).await? {
        match outcomes.get(&order.order.id) {
            Some(Outcome::Held(reservation)) => held.push((order, reservation)),
            Some(Outcome::Refused(reason)) => cancelled.push((order, reason.clone())),
            Some(Outcome::Unavailable(reason)) => later.push((order, reason.clone())),
            None => {}
        }
    }
    count.refused = cancelled.len();
    let (placed, late) = fill_in(conn, now, held).await?;
    count.placed = placed.len();
    later.extend(late.into_iter().map(|order| (order, "its stock was held for too long".to_owned())));
    let (overdue, later): (Vec<_>, Vec<_>) = later.into_iter().partition(|(order, _)| order.overdue);
    count.given_up = overdue.len();
    count.retried = later.len();
    cancelled.extend(overdue.into_iter().map(|(order, reason)| {
        let reason = format!("gave up after {} s: {reason}", order.waited);
        (order, reason)
    }));
    cancel(conn, now, &cancelled).await?;
    let done: Vec<OrderId> = placed.into_iter().chain(cancelled.iter().map(|(order, _)| order.order.id)).collect();
    accepted::remove(conn, &done).await?;
    accepted::put_off(conn, &later.iter().map(|(order, _)| order.order.id).collect::<Vec<_>>()).await?;
    Ok(count)
}

/// Gives the orders their prices and announces them; gives which those are, and the orders whose deadline has passed.
async fn fill_in(
    conn: &mut PgConnection,
    now: OffsetDateTime,
    held: Vec<(Unplaced, &Reservation)>,
) -> Result<(Vec<OrderId>, Vec<Unplaced>), Error> {
    if held.is_empty() {
        return Ok((Vec::new(), Vec::new()));
    }
    let filling = |(order, reservation): &(Unplaced, &Reservation)| Filling {
        id: order.order.id,
        total_amount: total(reservation),
        deadline: placement_deadline(reservation),
    };
    let filled = accepted::fill_in(conn, &held.iter().map(filling).collect::<Vec<_>>()).await?;
    let filled: HashSet<OrderId> = filled.into_iter().collect();
    let (held, late): (Vec<_>, Vec<_>) = held.into_iter().partition(|(order, _)| filled.contains(&order.order.id));
    let items = |(order, reservation): &(Unplaced, &Reservation)| {
        let id = order.order.id;
        reservation.items.iter().map(move |line| (id, OrderItem::reserved(line))).collect::<Vec<_>>()
    };
    accepted::fill_in_items(conn, &held.iter().flat_map(items).collect::<Vec<_>>()).await?;
    let ids: Vec<OrderId> = held.iter().map(|(order, _)| order.order.id).collect();
    let orders = store::find_all(&mut *conn, &ids).await?;
    let placed = orders.iter().zip(&held).map(|(order, (unplaced, reservation))| Placed {
        order,
        stock: reservation.status,
        traceparent: unplaced.traceparent.as_ref(),
    });
    place::announce(conn, now, &placed.collect::<Vec<_>>()).await?;
    Ok((ids, late.into_iter().map(|(order, _)| order).collect()))
}

async fn cancel(conn: &mut PgConnection, now: OffsetDateTime, orders: &[(Unplaced, String)]) -> Result<(), Error> {
    let status = OrderStatus::Cancelled;
    let (mut changes, mut events) = (Vec::new(), Vec::new());
    for (Unplaced { order, traceparent, .. }, reason) in orders {
        let reason = Some(reason.clone());
        events.push(status_event(order, status, reason.clone())?.caused_by(traceparent.clone()));
        changes.push(NewStatus { id: order.id, status, actor: "order-service", reason });
    }
    store::set_statuses(conn, &changes).await?;
    OUTBOX.enqueue(conn, now, &events).await?;
    metrics::counter!("order_status_changes_total", "status" => status.as_str()).increment(changes.len() as u64);
    Ok(())
}
