//! The total queue: every change was heard at least once, and for each order in the order in which it happened.

use crate::listener::{Heard, HeardEvent};
use crate::observed::Observed;
use shared_types::OrderStatus;
use shared_types::reservations::ReservationStatus;
use std::collections::HashMap;
use verify::records::Order;

/// Events that tell of no change of the order or reservation that they are about.
const NO_CHANGE: [&str; 2] = ["order.stock-lost", "reservation.refused"];

/// What was not heard, heard out of order, or heard without having happened.
pub fn check(observed: &Observed, heard: &Heard) -> Vec<String> {
    let mut findings: Vec<String> =
        heard.unreadable.iter().map(|text| format!("a message is no event: {text}")).collect();
    let mut of_orders = by_subject(heard, "order.");
    for (order, timeline) in &observed.orders {
        let heard = of_orders.remove(order.reference.as_str()).unwrap_or_default();
        let expected = expected(order, timeline);
        if heard != expected {
            findings.push(format!("order {}: {expected:?} happened, {heard:?} was heard", order.id));
        }
    }
    findings.extend(of_orders.into_iter().map(|(subject, heard)| format!("{heard:?} of an unknown order {subject}")));

    let mut of_reservations = by_subject(heard, "reservation.");
    for reservation in &observed.reservations {
        let heard = of_reservations.remove(reservation.id.as_str()).unwrap_or_default();
        let last = match reservation.status {
            // A reservation that was released and is asked for again is held anew.
            ReservationStatus::Held => continue,
            ReservationStatus::Committed => "reservation.committed",
            ReservationStatus::Released => "reservation.released",
        };
        if heard.last() != Some(&last) {
            findings.push(format!("reservation {} is {}, {heard:?} was heard", reservation.id, reservation.status));
        }
    }
    let unknown = of_reservations.into_iter();
    findings.extend(unknown.map(|(subject, heard)| format!("{heard:?} of an unknown reservation {subject}")));
    findings
}

/// Types of the events about each subject, in the order of first arrival.
fn by_subject<'a>(heard: &'a Heard, prefix: &str) -> HashMap<&'a str, Vec<&'a str>> {
    let mut found: HashMap<&str, Vec<&str>> = HashMap::new();
    let told = |it: &&HeardEvent| it.event_type.starts_with(prefix) && !NO_CHANGE.contains(&it.event_type.as_str());
    for HeardEvent { event_type, subject } in heard.events.iter().filter(told) {
        found.entry(subject).or_default().push(event_type);
    }
    found
}

/// The event of each status an order came to. An order that was never placed was never created for others.
fn expected(order: &Order, timeline: &[OrderStatus]) -> Vec<&'static str> {
    let of_status = |status: &OrderStatus| match status {
        OrderStatus::Pending => order.is_placed().then_some("order.created"),
        OrderStatus::Paid => Some("order.paid"),
        OrderStatus::Confirmed => Some("order.confirmed"),
        OrderStatus::Shipped => Some("order.shipped"),
        OrderStatus::Delivered => Some("order.delivered"),
        OrderStatus::Cancelled => Some("order.cancelled"),
    };
    timeline.iter().filter_map(of_status).collect()
}

#[cfg(test)]
mod tests {
    use super::check;
    use crate::checks::tests::made_up::Run;
    use shared_types::OrderStatus::{Cancelled, Confirmed, Pending, Shipped};

    fn run() -> Run {
        let mut run = Run::default();
        run.placed("a", &[(1, 1)], &[Pending, Confirmed, Shipped]);
        run.accepted("b", &[(1, 1)], &[Pending, Cancelled], false);
        for event in ["order.created", "order.confirmed", "order.shipped"] {
            run.hear(event, "r1");
        }
        run.hear("order.cancelled", "r2");
        run.hear("stock.low", "1");
        run.reserved("r1", "COMMITTED");
        run.hear("reservation.committed", "r1");
        run.reserved("r2", "RELEASED");
        run.hear("reservation.released", "r2");
        run
    }

    fn found(run: &Run) -> usize {
        check(&run.observed, &run.heard).len()
    }

    #[test]
    fn what_was_announced_in_order_passes() {
        assert_eq!(check(&run().observed, &run().heard), [""; 0]);
    }

    #[test]
    fn an_event_that_is_missing_is_found() {
        for missing in 0..7 {
            let mut run = run();
            let event = run.heard.events.remove(missing);
            assert_eq!(found(&run), usize::from(event.event_type != "stock.low"), "{event:?}");
        }
    }

    #[test]
    fn events_out_of_order_are_found() {
        for (one, other) in [(0, 1), (1, 2), (0, 2)] {
            let mut run = run();
            run.heard.events.swap(one, other);
            assert_eq!(found(&run), 1);
        }
    }

    #[test]
    fn what_did_not_happen_is_found() {
        for (event, subject) in [
            ("order.cancelled", "r1"),
            ("order.created", "r2"),
            ("order.created", "nobody"),
            ("reservation.released", "r1"),
            ("reservation.committed", "nobody"),
        ] {
            let mut run = run();
            run.hear(event, subject);
            assert_eq!(found(&run), 1, "{event} {subject}");
        }
    }

    #[test]
    fn an_order_that_lost_its_stock_passes() {
        let mut run = run();
        for (event, subject) in [("reservation.refused", "r2"), ("order.stock-lost", "r2")] {
            run.hear(event, subject);
        }
        assert_eq!(found(&run), 0);
    }

    #[test]
    fn two_events_for_one_change_are_found() {
        let mut run = run();
        run.hear("order.shipped", "r1");
        assert_eq!(found(&run), 1);
    }

    #[test]
    fn stock_that_was_released_and_held_anew_passes() {
        let mut run = run();
        run.reserved("r3", "COMMITTED");
        run.hear("reservation.released", "r3");
        run.hear("reservation.committed", "r3");
        assert_eq!(found(&run), 0);
    }
}
