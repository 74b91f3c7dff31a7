//! The rules between one order and its reservation. Pure: what is compared was fetched by others.

use crate::amounts;
use crate::records::{Order, Reservation};
use crate::report::Breach;
use serde_json::Number;
use shared_types::OrderStatus;
use shared_types::reservations::ReservationStatus;
use std::fmt;
use time::{Duration, OffsetDateTime};

/// How long stock may be held for an order that is not known (promise P3).
pub const LONGEST_HOLD: Duration = Duration::seconds(60);

/// Everything about the two that must not be.
pub fn breaches(order: Option<&Order>, reservation: Option<&Reservation>, now: OffsetDateTime) -> Vec<Breach> {
    let mut found = Vec::new();
    if let Some(order) = order {
        found.extend(amounts(order));
        found.extend(stock_of(order, reservation));
    }
    if let Some(reservation) = reservation {
        found.extend(without_order(order, reservation));
        found.extend(held_too_long(reservation, now));
    }
    found
}

fn breach(promise: &str, invariant: &str, id: impl ToString, detail: String) -> Breach {
    let ids = vec![id.to_string()];
    Breach { invariant: invariant.to_owned(), promise: promise.to_owned(), ids, detail }
}

fn amounts(order: &Order) -> Option<Breach> {
    let lines = order.items.iter().map(|line| amounts::Line {
        product_id: line.product_id,
        quantity: line.quantity,
        price: line.price.as_ref().map(Number::as_str),
        subtotal: line.subtotal.as_ref().map(Number::as_str),
    });
    let fault = amounts::fault(order.total_amount.as_ref().map(Number::as_str), lines);
    fault.map(|detail| breach("P2", "totals-are-sums", order.id, detail))
}

/// Whether an order may stand here while its reservation stands there. An order is `placed` once its stock was held
/// and its prices are known.
pub fn statuses_agree(order: OrderStatus, placed: bool, reservation: Option<ReservationStatus>) -> bool {
    use ReservationStatus::{Committed, Held, Released};
    match (order, placed, reservation) {
        (OrderStatus::Cancelled, _, status) => matches!(status, None | Some(Released)),
        (OrderStatus::Pending | OrderStatus::Paid, true, status) => matches!(status, Some(Held | Committed)),
        // Accepted and waiting to be placed: its stock may be held already, or not yet, or not any more.
        (OrderStatus::Pending, false, status) => status != Some(Committed),
        (_, true, status) => status == Some(Committed),
        (_, false, _) => false,
    }
}

/// Whether such a reservation must have an order.
pub fn needs_order(status: ReservationStatus, direct: bool) -> bool {
    status == ReservationStatus::Committed && !direct
}

/// An order that is not cancelled has all of its stock; a cancelled one has none.
fn stock_of(order: &Order, reservation: Option<&Reservation>) -> Option<Breach> {
    let wrong = |detail: String| {
        let mut breach = breach("P3", "order-has-its-stock", order.id, detail);
        breach.ids.push(order.reference.clone());
        Some(breach)
    };
    let status = reservation.map(|reservation| reservation.status);
    if !statuses_agree(order.status, order.is_placed(), status) {
        if !order.is_placed() && !matches!(order.status, OrderStatus::Pending | OrderStatus::Cancelled) {
            return wrong(format!("it is {} and was never placed", order.status));
        }
        let named = status.map_or("missing", ReservationStatus::as_str);
        return wrong(format!("the order is {}, its reservation {named}", order.status));
    }
    let reserved = reservation.filter(|_| order.status != OrderStatus::Cancelled)?;
    let (of_order, of_reservation) = (lines_of_order(order), lines_of_reservation(reserved));
    if order.is_placed() && of_order != of_reservation {
        return wrong(format!("ordered {of_order:?}, reserved {of_reservation:?}"));
    }
    None
}

/// Product, pieces and price, digit by digit, by product.
#[derive(PartialEq, Eq)]
struct Lines<'a>(Vec<(i64, i64, &'a str)>);

impl<'a> Lines<'a> {
    fn of(lines: impl Iterator<Item = (i64, i64, &'a str)>) -> Self {
        let mut lines: Vec<_> = lines.collect();
        lines.sort_unstable();
        Self(lines)
    }
}

impl fmt::Debug for Lines<'_> {
    /// As a person reads it: product → pieces and price.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.0.iter().map(|(product, pieces, price)| (product, (pieces, price)))).finish()
    }
}

fn lines_of_order(order: &Order) -> Lines<'_> {
    Lines::of(order.items.iter().map(|line| {
        let price = line.price.as_ref().map_or("", Number::as_str);
        (line.product_id, line.quantity, price)
    }))
}

fn lines_of_reservation(reservation: &Reservation) -> Lines<'_> {
    Lines::of(reservation.items.iter().map(|line| (line.product_id, line.quantity, line.unit_price.as_str())))
}

fn without_order(order: Option<&Order>, reservation: &Reservation) -> Option<Breach> {
    let sold = needs_order(reservation.status, reservation.direct);
    let detail = || "the stock is committed, and there is no such order".to_owned();
    (sold && order.is_none()).then(|| breach("P3", "stock-has-its-order", &reservation.id, detail()))
}

fn held_too_long(reservation: &Reservation, now: OffsetDateTime) -> Option<Breach> {
    let age = now - reservation.created_at;
    let too_long = reservation.status == ReservationStatus::Held && age > LONGEST_HOLD;
    let detail = || format!("HELD for {} s", age.whole_seconds());
    too_long.then(|| breach("P3", "nothing-stays-held", &reservation.id, detail()))
}

#[cfg(test)]
mod tests;
