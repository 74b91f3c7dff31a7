//! The rules between one order and its reservation. Pure: what is compared was fetched by others.

use crate::records::{Order, OrderLine, Reservation};
use crate::report::Breach;
use rust_decimal::Decimal;
use serde_json::Number;
use shared_types::OrderStatus;
use shared_types::reservations::ReservationStatus;
use std::collections::BTreeMap;
use time::{Duration, OffsetDateTime};

/// How long stock may be held for an order that is not known (promise P3).
const LONGEST_HOLD: Duration = Duration::seconds(60);

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

fn decimal(number: &Number) -> Option<Decimal> {
    Decimal::from_str_exact(&number.to_string()).ok()
}

/// Subtotal = price × quantity and total = sum of the subtotals; an order that is not placed has none of them.
fn amounts(order: &Order) -> Option<Breach> {
    let wrong = |detail: String| Some(breach("P2", "totals-are-sums", order.id, detail));
    let Some(total) = &order.total_amount else {
        let priced = order.items.iter().any(|line| line.price.is_some() || line.subtotal.is_some());
        return if priced { wrong("lines have prices, the order has no total".to_owned()) } else { None };
    };
    let mut sum = Decimal::ZERO;
    for line in &order.items {
        let (Some(price), Some(subtotal)) = (&line.price, &line.subtotal) else {
            return wrong(format!("product {} has no price", line.product_id));
        };
        let exact = decimal(price).and_then(|price| price.checked_mul(Decimal::from(line.quantity)));
        match (exact, decimal(subtotal)) {
            (Some(exact), Some(written)) if exact == written => sum += written,
            _ => return wrong(format!("product {}: {} × {price} is not {subtotal}", line.product_id, line.quantity)),
        }
    }
    if decimal(total) == Some(sum) { None } else { wrong(format!("total {total}, its lines are {sum}")) }
}

/// An order that is not cancelled has all of its stock; a cancelled one has none.
fn stock_of(order: &Order, reservation: Option<&Reservation>) -> Option<Breach> {
    use ReservationStatus::{Committed, Held, Released};
    let wrong = |detail: String| {
        let mut breach = breach("P3", "order-has-its-stock", order.id, detail);
        breach.ids.push(order.reference.clone());
        Some(breach)
    };
    let status = reservation.map(|reservation| reservation.status);
    let named = status.map_or("missing", ReservationStatus::as_str);
    let agrees = match (order.status, order.is_placed(), status) {
        (OrderStatus::Cancelled, _, status) => matches!(status, None | Some(Released)),
        (OrderStatus::Pending, true, status) => matches!(status, Some(Held | Committed)),
        // Accepted and waiting to be placed: its stock may be held already, or not yet, or not any more.
        (OrderStatus::Pending, false, status) => status != Some(Committed),
        (_, true, status) => status == Some(Committed),
        (_, false, _) => return wrong(format!("it is {} and was never placed", order.status)),
    };
    if !agrees {
        return wrong(format!("the order is {}, its reservation {named}", order.status));
    }
    let reserved = reservation.filter(|_| order.status != OrderStatus::Cancelled)?;
    let (of_order, of_reservation) = (lines_of_order(order), lines_of_reservation(reserved));
    if order.is_placed() && of_order != of_reservation {
        return wrong(format!("ordered {of_order:?}, reserved {of_reservation:?}"));
    }
    None
}

/// Product → pieces and price, digit by digit.
type Lines = BTreeMap<i64, (i64, String)>;

fn lines_of_order(order: &Order) -> Lines {
    let price = |line: &OrderLine| line.price.as_ref().map(ToString::to_string).unwrap_or_default();
    order.items.iter().map(|line| (line.product_id, (line.quantity, price(line)))).collect()
}

fn lines_of_reservation(reservation: &Reservation) -> Lines {
    let line = |line: &crate::records::ReservedLine| (line.product_id, (line.quantity, line.unit_price.to_string()));
    reservation.items.iter().map(line).collect()
}

fn without_order(order: Option<&Order>, reservation: &Reservation) -> Option<Breach> {
    let sold = reservation.status == ReservationStatus::Committed && !reservation.direct;
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
