//! Finds, in what is kept of both lists, the few that must be looked at again. No rule stands here but those of
//! `compare`; who seems to break one is suspected, and judged by a second look.

use crate::compare;
use crate::kept::{KeptOrder, KeptReservation};
use crate::report::Breach;
use shared_types::reservations::ReservationStatus;
use shared_types::{OrderStatus, Reference};
use time::OffsetDateTime;

/// An order, a reservation or both that do not seem to be as they must.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Suspect {
    /// The reference of the order, and the key of the reservation.
    pub reference: Reference,
    /// The number of the order, if one was seen.
    pub order: Option<i64>,
}

/// What was found.
#[derive(Debug, Default)]
pub struct Differences {
    /// To be looked at again.
    pub suspects: Vec<Suspect>,
    /// Orders that share a reference: neither it nor a number ever changes, so there is nothing to look at again.
    pub twins: Vec<Breach>,
}

/// Compares all orders with all reservations, which come sorted by id.
pub fn find(
    mut orders: Vec<KeptOrder>,
    reservations: &[KeptReservation],
    since: Reference,
    now: OffsetDateTime,
) -> Differences {
    orders.sort_unstable_by_key(|order| (order.reference, order.id));
    let mut found = Differences::default();
    let mut rest = reservations.iter().peekable();
    for twins in orders.chunk_by(|one, other| one.reference == other.reference) {
        let reference = twins[0].reference;
        while let Some(lone) = rest.next_if(|reservation| reservation.id < reference) {
            found.suspects.extend(alone(lone, since, now));
        }
        let reservation = rest.next_if(|reservation| reservation.id == reference);
        found.suspects.extend(twins.iter().filter_map(|order| suspected(order, reservation, now)));
        found.twins.extend((twins.len() > 1).then(|| shared(twins)));
    }
    found.suspects.extend(rest.filter_map(|lone| alone(lone, since, now)));
    found
}

fn suspected(order: &KeptOrder, reservation: Option<&KeptReservation>, now: OffsetDateTime) -> Option<Suspect> {
    let held = reservation.is_some_and(|reservation| may_be_held_too_long(reservation, now));
    let suspect = Suspect { reference: order.reference, order: Some(order.id) };
    (order.miscounted || differ(order, reservation) || held).then_some(suspect)
}

/// A reservation of which no order is known. Orders with references before `since` are archived.
fn alone(reservation: &KeptReservation, since: Reference, now: OffsetDateTime) -> Option<Suspect> {
    let sold = reservation.id >= since && compare::needs_order(reservation.status, reservation.direct);
    let suspect = Suspect { reference: reservation.id, order: None };
    (sold || may_be_held_too_long(reservation, now)).then_some(suspect)
}

fn differ(order: &KeptOrder, reservation: Option<&KeptReservation>) -> bool {
    let status = reservation.map(|reservation| reservation.status);
    if !compare::statuses_agree(order.status, order.placed, status) {
        return true;
    }
    let reserved = reservation.filter(|_| order.placed && order.status != OrderStatus::Cancelled);
    reserved.is_some_and(|reserved| reserved.lines != order.lines)
}

/// Counts the seconds up on both sides: who is suspected too early is found to be well.
fn may_be_held_too_long(reservation: &KeptReservation, now: OffsetDateTime) -> bool {
    let age = now.unix_timestamp() + 1 - i64::from(reservation.held_at);
    reservation.status == ReservationStatus::Held && age > compare::LONGEST_HOLD.whole_seconds()
}

fn shared(twins: &[KeptOrder]) -> Breach {
    let reference = twins[0].reference.to_string();
    let ids = twins.iter().map(|order| order.id.to_string()).chain([reference]).collect();
    let detail = format!("{} orders have the same reference", twins.len());
    Breach { invariant: "order-is-there-once".to_owned(), promise: "P4".to_owned(), ids, detail }
}

#[cfg(test)]
mod tests;
