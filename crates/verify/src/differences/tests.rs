//! Every kind of difference is suspected, nothing else is, and both follow from the rules of `compare`.

use super::{Suspect, find};
use crate::compare;
use crate::digest::Digests;
use crate::kept::{KeptOrder, KeptReservation};
use crate::records::{Order, Reservation};
use crate::rows::{OrderRow, ReservationRow};
use shared_types::Reference;
use time::macros::datetime;
use uuid::Uuid;

const NOW: time::OffsetDateTime = datetime!(2026-01-31 12:01 UTC);
const LINES: &str = r#"{"productId": 1, "productName": "Mug", "quantity": 3, "price": 0.10, "subtotal": 0.30}"#;
const UNPRICED: &str = r#"{"productId": 1, "productName": null, "quantity": 3, "price": null, "subtotal": null}"#;
const RESERVED: &str = r#"{"productId": 1, "sku": "M", "name": "Mug", "quantity": 3, "unitPrice": 0.10}"#;

/// No order is archived.
const ALL: Reference = Reference(Uuid::nil());

fn reference(number: u128) -> Reference {
    Reference(Uuid::from_u128(number))
}

/// An order as a page has it; its number is that of its reference.
fn order(number: u128, status: &str, total: &str, lines: &str) -> String {
    format!(
        r#"{{"id": {number}, "reference": "{}", "customerName": "Ada \"A\"", "customerEmail": "ada@example.com",
             "status": "{status}", "totalAmount": {total}, "items": [{lines}]}}"#,
        reference(number)
    )
}

fn reservation(number: u128, status: &str, second: u8, direct: bool, lines: &str) -> String {
    format!(
        r#"{{"id": "{}", "status": "{status}", "items": [{lines}], "createdAt": "2026-01-31T12:00:{second:02}.5Z",
             "direct": {direct}}}"#,
        reference(number)
    )
}

fn confirmed(number: u128) -> String {
    order(number, "CONFIRMED", "0.30", LINES)
}

fn committed(number: u128) -> String {
    reservation(number, "COMMITTED", 30, false, RESERVED)
}

/// The lists as they are kept, from their texts.
fn kept(orders: &[String], reservations: &[String]) -> (Vec<KeptOrder>, Vec<KeptReservation>) {
    let digests = Digests::default();
    let order = |text: &String| KeptOrder::of(&serde_json::from_str::<OrderRow<'_>>(text).unwrap(), &digests);
    let reservation = |text: &String| {
        KeptReservation::of(&serde_json::from_str::<ReservationRow<'_>>(text).unwrap(), &digests).unwrap()
    };
    (orders.iter().map(order).collect(), reservations.iter().map(reservation).collect())
}

/// Who is suspected, by the number of the reference, with the number of the order.
fn suspects(orders: &[String], reservations: &[String]) -> Vec<(u128, Option<i64>)> {
    let (orders, reservations) = kept(orders, reservations);
    let found = find(orders, &reservations, ALL, NOW);
    assert!(found.twins.is_empty(), "{found:?}");
    found.suspects.iter().map(|Suspect { reference, order }| (reference.0.as_u128(), *order)).collect()
}

#[test]
fn what_agrees_is_not_suspected_whatever_order_it_comes_in() {
    let orders = [9, 2, 7, 1].map(confirmed);
    assert_eq!(suspects(&orders, &[1, 2, 7, 9].map(committed)), []);
    assert_eq!(suspects(&[], &[]), []);
}

#[test]
fn an_order_without_reservation() {
    for missing in [1, 2, 3] {
        let there: Vec<String> = (1..=3).filter(|number| *number != missing).map(committed).collect();
        assert_eq!(suspects(&[3, 2, 1].map(confirmed), &there), [(missing, Some(missing as i64))]);
    }
}

#[test]
fn a_reservation_without_order() {
    for missing in [1, 2, 3] {
        let there: Vec<String> = (1..=3).filter(|number| *number != missing).map(confirmed).collect();
        assert_eq!(suspects(&there, &[1, 2, 3].map(committed)), [(missing, None)]);
    }
    assert_eq!(suspects(&[], &[reservation(1, "COMMITTED", 30, true, RESERVED)]), [], "sold without an order");
}

#[test]
fn other_lines_another_quantity_and_another_price() {
    for (what, other) in [("\"productId\": 1", "\"productId\": 2"), ("3", "4"), ("0.10", "0.1"), ("0.10", "0.11")] {
        let other = reservation(2, "COMMITTED", 30, false, &RESERVED.replace(what, other));
        let reservations = [committed(1), other, committed(3)];
        assert_eq!(suspects(&[3, 2, 1].map(confirmed), &reservations), [(2, Some(2))], "{what}");
    }
    for lines in [String::new(), format!("{RESERVED}, {RESERVED}")] {
        let other = reservation(1, "COMMITTED", 30, false, &lines);
        assert_eq!(suspects(&[confirmed(1)], &[other]), [(1, Some(1))], "{lines}");
    }
}

#[test]
fn another_status() {
    let reservations = [committed(1), reservation(2, "RELEASED", 30, false, RESERVED), committed(3)];
    assert_eq!(suspects(&[3, 2, 1].map(confirmed), &reservations), [(2, Some(2))]);
    let cancelled = order(3, "CANCELLED", "0.30", LINES);
    assert_eq!(suspects(&[cancelled], &[committed(3)]), [(3, Some(3))]);
}

#[test]
fn amounts_that_do_not_add_up() {
    assert_eq!(suspects(&[order(1, "CONFIRMED", "0.31", LINES)], &[committed(1)]), [(1, Some(1))]);
}

#[test]
fn orders_that_share_a_reference_are_named_and_each_is_compared() {
    let twin = confirmed(2).replace("\"id\": 2", "\"id\": 8");
    let other = confirmed(2).replace("\"id\": 2", "\"id\": 5").replace("CONFIRMED", "CANCELLED");
    let (orders, reservations) = kept(&[other, twin, confirmed(3), confirmed(2)], &[2, 3].map(committed));
    let found = find(orders, &reservations, ALL, NOW);
    let expected = "P4 order-is-there-once [2, 5, 8, 00000000-0000-0000-0000-000000000002]: \
                    3 orders have the same reference";
    assert_eq!(found.twins.iter().map(ToString::to_string).collect::<Vec<_>>(), [expected]);
    assert_eq!(found.suspects, [Suspect { reference: reference(2), order: Some(5) }]);
}

#[test]
fn a_hold_is_as_old_as_it_is_when_everything_was_read() {
    let held = reservation(1, "HELD", 30, false, RESERVED);
    assert_eq!(suspects(&[], std::slice::from_ref(&held)), []);
    let (_, reservations) = kept(&[], &[held]);
    let later = find(Vec::new(), &reservations, ALL, NOW + time::Duration::seconds(30));
    assert_eq!(later.suspects, [Suspect { reference: reference(1), order: None }]);
}

#[test]
fn the_first_look_suspects_whoever_breaks_a_rule_and_nobody_else() {
    let mut orders = vec![None];
    for status in ["PENDING", "CONFIRMED", "SHIPPED", "DELIVERED", "CANCELLED"] {
        for (total, lines) in [("0.30", LINES), ("0.31", LINES), ("null", UNPRICED), ("null", LINES)] {
            orders.push(Some(order(1, status, total, lines)));
        }
    }
    let mut reservations = vec![None];
    let other = RESERVED.replace('3', "2");
    for status in ["HELD", "COMMITTED", "RELEASED"] {
        for (direct, lines) in [(false, RESERVED), (true, RESERVED), (false, other.as_str())] {
            reservations.push(Some(reservation(1, status, 30, direct, lines)));
        }
    }
    let mut broken = 0;
    let later = NOW + time::Duration::minutes(2);
    for (order, reservation) in orders.iter().flat_map(|order| reservations.iter().map(move |one| (order, one))) {
        for now in [NOW, later] {
            let parsed: Option<Order> = order.as_ref().map(|text| serde_json::from_str(text).unwrap());
            let reserved: Option<Reservation> = reservation.as_ref().map(|text| serde_json::from_str(text).unwrap());
            let breaks = !compare::breaches(parsed.as_ref(), reserved.as_ref(), now).is_empty();
            let (kept_orders, kept) = kept(order.as_slice(), reservation.as_slice());
            let suspected = !find(kept_orders, &kept, ALL, now).suspects.is_empty();
            assert_eq!(suspected, breaks, "{order:?} {reservation:?} at {now}");
            broken += usize::from(breaks);
        }
    }
    assert!((100..400).contains(&broken), "{broken} of 420 are broken");
}
