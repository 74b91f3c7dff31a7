//! Every order's timeline is a legal life, and shows what was answered when its status was to change.

use crate::history::{ChangeSeen, History, Placed, StatusChange};
use crate::observed::Observed;
use shared_types::OrderStatus::{self, Cancelled, Delivered, Pending, Shipped};
use shared_types::order_status::Transition;
use std::collections::{HashMap, HashSet};
use verify::records::Order;

/// Lives that are not allowed, and answers that the timelines do not show.
pub fn check(history: &History, observed: &Observed) -> Vec<String> {
    let mut findings: Vec<String> = observed
        .orders
        .iter()
        .filter_map(|(order, timeline)| Some(format!("order {}: {}", order.id, illegal(order, timeline)?)))
        .collect();
    let timelines: HashMap<i64, &Vec<OrderStatus>> =
        observed.orders.iter().map(|(order, timeline)| (order.id, timeline)).collect();
    let accepted = accepted(history);
    for change in &history.status_changes {
        // An order that is lost is another check's finding.
        let Some(timeline) = timelines.get(&change.order) else { continue };
        // That an order is not placed yet forbids to ship it, and leaves no trace.
        let too_early =
            change.outcome == ChangeSeen::Refused && change.to != Cancelled && accepted.contains(&change.order);
        if !too_early && !shows(timeline, change) {
            let StatusChange { order, to, outcome } = change;
            findings.push(format!("order {order}: the change to {to} was answered ({outcome:?}), it has {timeline:?}"));
        }
    }
    findings
}

fn illegal(order: &Order, timeline: &[OrderStatus]) -> Option<String> {
    if timeline.first() != Some(&Pending) || timeline.last() != Some(&order.status) {
        return Some(format!("it is {} with the timeline {timeline:?}", order.status));
    }
    let legal = |step: &[OrderStatus]| step[0].transition(step[1]) == Ok(Transition::To(step[1]));
    let all_legal = timeline.windows(2).all(legal);
    (!all_legal).then(|| format!("the timeline {timeline:?} is not allowed"))
}

/// Numbers of the orders that were to be placed later.
fn accepted(history: &History) -> HashSet<i64> {
    let answered = history.placements.iter().filter_map(|placement| match &placement.outcome {
        Placed::Answered(answered) => Some(answered),
        Placed::Refused | Placed::Unknown => None,
    });
    answered.filter(|answered| answered.status == 202).map(|answered| answered.order.id).collect()
}

/// Whether a timeline is what the answer to a change lets expect: a refusal needs a status that forbids the change.
fn shows(timeline: &[OrderStatus], change: &StatusChange) -> bool {
    let has = |status| timeline.contains(&status);
    match (change.outcome, change.to) {
        (ChangeSeen::Unknown, _) => true,
        (ChangeSeen::Done, to) => has(to),
        (ChangeSeen::Refused, Cancelled) => has(Shipped) || has(Delivered),
        (ChangeSeen::Refused, Shipped) => has(Cancelled) || has(Delivered),
        (ChangeSeen::Refused, Delivered) => has(Cancelled),
        (ChangeSeen::Refused, _) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::check;
    use crate::checks::tests::made_up::Run;
    use crate::history::{ChangeSeen, StatusChange};
    use shared_types::OrderStatus::{self, Cancelled, Confirmed, Delivered, Pending, Shipped};

    fn found(timeline: &[OrderStatus], to: OrderStatus, outcome: ChangeSeen) -> usize {
        let mut run = Run::default();
        run.placed("a", &[(1, 1)], timeline);
        run.history.status_changes.push(StatusChange { order: 1, to, outcome });
        check(&run.history, &run.observed).len()
    }

    #[test]
    fn answers_that_the_timeline_shows_pass() {
        assert_eq!(found(&[Pending, Cancelled], Cancelled, ChangeSeen::Done), 0);
        assert_eq!(found(&[Pending, Confirmed, Shipped], Shipped, ChangeSeen::Done), 0);
        assert_eq!(found(&[Pending, Shipped, Delivered], Cancelled, ChangeSeen::Refused), 0);
        assert_eq!(found(&[Pending, Confirmed], Cancelled, ChangeSeen::Unknown), 0);
    }

    #[test]
    fn an_answered_change_that_is_lost_is_found() {
        assert_eq!(found(&[Pending, Confirmed], Cancelled, ChangeSeen::Done), 1);
        assert_eq!(found(&[Pending, Confirmed], Shipped, ChangeSeen::Done), 1);
        assert_eq!(found(&[Pending, Confirmed], Cancelled, ChangeSeen::Refused), 1);
        assert_eq!(found(&[Pending, Confirmed], Delivered, ChangeSeen::Refused), 1);
    }

    #[test]
    fn an_order_that_is_not_placed_yet_may_refuse_to_be_shipped_but_not_to_be_cancelled() {
        for (to, findings) in [(Shipped, 0), (Delivered, 0), (Cancelled, 1)] {
            let mut run = Run::default();
            run.accepted("a", &[(1, 1)], &[Pending, Confirmed], true);
            run.history.status_changes.push(StatusChange { order: 1, to, outcome: ChangeSeen::Refused });
            assert_eq!(check(&run.history, &run.observed).len(), findings);
        }
    }

    #[test]
    fn a_life_that_is_not_allowed_is_found() {
        for timeline in [&[Confirmed][..], &[Pending, Cancelled, Confirmed], &[Pending, Pending], &[]] {
            assert_eq!(found(timeline, Cancelled, ChangeSeen::Unknown), 1, "{timeline:?}");
        }
        let mut run = Run::default();
        run.placed("a", &[(1, 1)], &[Pending, Confirmed]);
        run.observed.orders[0].0.status = Shipped;
        assert_eq!(check(&run.history, &run.observed).len(), 1);
    }
}
