//! Writes what became of orders that were accepted: placed, cancelled, or to be tried again.

use super::SERVICE;
use super::place::{self, PlacedOrder};
use crate::orders::domain::{Explanation, OrderItem, placement_deadline, total};
use crate::orders::error::Error;
use crate::orders::store::accepted::{self, PlacedTotal, UnplacedOrder};
use crate::orders::store::{self, NewStatus};
use crate::schema::OUTBOX;
use service_kit::access::Scope;
use service_kit::outbox::Event;
use shared_types::events::{OrderCancelled, OrderSnapshot};
use shared_types::reservations::Reservation;
use shared_types::{OrderId, OrderStatus};
use sqlx::PgConnection;
use std::collections::{HashMap, HashSet};
use time::OffsetDateTime;

/// An order, and what came of asking for its stock.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Attempt {
    pub id: OrderId,
    /// What came of it.
    pub outcome: StockAnswer,
}

/// What came of asking for an order's stock.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum StockAnswer {
    Reserved(Reservation),
    /// It will never be: why.
    Refused(Explanation),
    /// It may be another time: why not now, for operators.
    Unavailable(String),
}

/// What the customer of an order is told that was given up.
const NOT_IN_TIME: &str = "We are sorry: we could not place your order in time.";

/// What the customer of an order is told that would cost something else than was shown.
const PRICES_CHANGED: &str = "The price has changed since you ordered.";

/// How many orders came to what.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct AttemptCounts {
    pub placed: usize,
    /// Cancelled because they were refused.
    pub refused: usize,
    /// Cancelled because they had waited for too long.
    pub given_up: usize,
    pub retried: usize,
}

/// Writes the outcomes. Orders that were placed or cancelled meanwhile stay as they are.
pub async fn place_accepted(
    conn: &mut PgConnection,
    now: OffsetDateTime,
    scope: Scope,
    tried: &[Attempt],
) -> Result<AttemptCounts, Error> {
    let ids: Vec<OrderId> = tried.iter().map(|tried| tried.id).collect();
    let outcomes: HashMap<OrderId, &StockAnswer> = tried.iter().map(|tried| (tried.id, &tried.outcome)).collect();
    let (mut held, mut cancelled, mut later) = (Vec::new(), Vec::new(), Vec::new());
    let mut count = AttemptCounts::default();
    for order in accepted::lock_unplaced(conn, scope, &ids).await? {
        match outcomes.get(&order.order.id) {
            Some(StockAnswer::Reserved(reservation)) => match changed_prices(&order, reservation) {
                // Its stock goes back when inventory-service hears that it is cancelled.
                Some(explanation) => cancelled.push((order, explanation)),
                None => held.push((order, reservation)),
            },
            Some(StockAnswer::Refused(explanation)) => cancelled.push((order, explanation.clone())),
            Some(StockAnswer::Unavailable(reason)) => later.push((order, reason.clone())),
            None => {}
        }
    }
    count.refused = cancelled.len();
    let (placed, late) = set_totals(conn, now, scope, held).await?;
    count.placed = placed.len();
    later.extend(late.into_iter().map(|order| (order, "its stock was held for too long".to_owned())));
    let (overdue, later): (Vec<_>, Vec<_>) = later.into_iter().partition(|(order, _)| order.overdue);
    count.given_up = overdue.len();
    count.retried = later.len();
    cancelled.extend(overdue.into_iter().map(|(order, reason)| {
        let explanation = Explanation::new(NOT_IN_TIME, format!("gave up after {} s: {reason}", order.waited));
        (order, explanation)
    }));
    cancel(conn, now, &cancelled).await?;
    let done: Vec<OrderId> = placed.into_iter().chain(cancelled.iter().map(|(order, _)| order.order.id)).collect();
    accepted::remove(conn, &done).await?;
    accepted::put_off(conn, &later.iter().map(|(order, _)| order.order.id).collect::<Vec<_>>()).await?;
    Ok(count)
}

/// Gives the orders their prices and announces them; gives which those are, and the orders whose deadline has passed.
async fn set_totals(
    conn: &mut PgConnection,
    now: OffsetDateTime,
    scope: Scope,
    held: Vec<(UnplacedOrder, &Reservation)>,
) -> Result<(Vec<OrderId>, Vec<UnplacedOrder>), Error> {
    if held.is_empty() {
        return Ok((Vec::new(), Vec::new()));
    }
    let filling = |(order, reservation): &(UnplacedOrder, &Reservation)| PlacedTotal {
        id: order.order.id,
        total_amount: total(reservation),
        deadline: placement_deadline(reservation),
    };
    let filled = accepted::set_totals(conn, &held.iter().map(filling).collect::<Vec<_>>()).await?;
    let filled: HashSet<OrderId> = filled.into_iter().collect();
    let (held, late): (Vec<_>, Vec<_>) = held.into_iter().partition(|(order, _)| filled.contains(&order.order.id));
    let items = |(order, reservation): &(UnplacedOrder, &Reservation)| {
        let id = order.order.id;
        reservation.items.iter().map(move |line| (id, OrderItem::reserved(line))).collect::<Vec<_>>()
    };
    accepted::set_prices(conn, &held.iter().flat_map(items).collect::<Vec<_>>()).await?;
    let ids: Vec<OrderId> = held.iter().map(|(order, _)| order.order.id).collect();
    let orders = store::find_all(&mut *conn, scope, &ids).await?;
    let placed = orders.iter().zip(&held).map(|(order, (unplaced, reservation))| PlacedOrder {
        order,
        stock: reservation.status,
        traceparent: unplaced.traceparent.as_ref(),
    });
    place::announce(conn, now, &placed.collect::<Vec<_>>()).await?;
    Ok((ids, late.into_iter().map(|(order, _)| order).collect()))
}

/// Why the order is not placed with this reservation, if its prices are not the expected ones.
fn changed_prices(order: &UnplacedOrder, reservation: &Reservation) -> Option<Explanation> {
    let changed = order.guard.as_ref()?.check(reservation).err()?;
    Some(Explanation::new(PRICES_CHANGED, Error::TotalChanged(changed).to_string()))
}

async fn cancel(
    conn: &mut PgConnection,
    now: OffsetDateTime,
    orders: &[(UnplacedOrder, Explanation)],
) -> Result<(), Error> {
    let status = OrderStatus::Cancelled;
    let (mut changes, mut events) = (Vec::new(), Vec::new());
    for (UnplacedOrder { order, traceparent, .. }, explanation) in orders {
        let snapshot = OrderSnapshot { given_up: Some(true), ..order.snapshot(explanation.reason.clone()) };
        events.push(Event::new(&OrderCancelled(snapshot))?.caused_by(traceparent.clone()));
        let explanation = explanation.clone();
        changes.push(NewStatus { id: order.id, status, actor: SERVICE, explanation });
    }
    store::set_statuses(conn, &changes).await?;
    OUTBOX.enqueue(conn, now, &events).await?;
    metrics::counter!("order_status_changes_total", "status" => status.as_str()).increment(changes.len() as u64);
    Ok(())
}
