//! No order is there twice, none that was refused, and none that nobody asked for.

use crate::history::{History, Lines, Placed, Placement};
use crate::observed::Observed;
use std::collections::{BTreeMap, HashMap};
use verify::records::Order;

/// Doubled orders and ghosts. Every request carries a token as its customer's name.
pub fn check(history: &History, observed: &Observed) -> Vec<String> {
    let asked: HashMap<&str, &Placement> =
        history.placements.iter().map(|placement| (placement.token.as_str(), placement)).collect();
    let mut by_token: BTreeMap<&str, Vec<&Order>> = BTreeMap::new();
    let mut by_reference: BTreeMap<&str, Vec<i64>> = BTreeMap::new();
    for (order, _) in &observed.orders {
        by_token.entry(&order.customer_name).or_default().push(order);
        by_reference.entry(&order.reference).or_default().push(order.id);
    }
    let mut findings = Vec::new();
    for (reference, ids) in by_reference.iter().filter(|(_, ids)| ids.len() > 1) {
        findings.push(format!("orders {ids:?} have the same reference {reference}"));
    }
    for (token, orders) in by_token {
        let ids: Vec<i64> = orders.iter().map(|order| order.id).collect();
        let Some(placement) = asked.get(token) else {
            findings.push(format!("orders {ids:?} ({token}) were asked for by nobody"));
            continue;
        };
        if ids.len() > 1 {
            findings.push(format!("{token} asked once and has the orders {ids:?}"));
        }
        if matches!(placement.outcome, Placed::Refused) {
            findings.push(format!("{token} was refused and has the orders {ids:?}"));
        }
        for order in orders.iter().filter(|order| lines(order) != sorted(&placement.lines)) {
            findings.push(format!("order {} ({token}) is not what was asked for: {:?}", order.id, order.items));
        }
    }
    findings
}

fn lines(order: &Order) -> Lines {
    sorted(&order.items.iter().map(|line| (line.product_id, line.quantity)).collect())
}

fn sorted(lines: &Lines) -> Lines {
    let mut lines = lines.clone();
    lines.sort_unstable();
    lines
}

#[cfg(test)]
mod tests {
    use super::check;
    use crate::checks::tests::made_up::Run;
    use crate::history::Placed;
    use shared_types::OrderStatus::Pending;

    #[test]
    fn one_order_for_one_request_passes_also_when_its_answer_was_lost() {
        let mut run = Run::default();
        run.placed("a", &[(1, 2), (3, 1)], &[Pending]);
        run.placed("b", &[(1, 2)], &[Pending]);
        run.history.placements[1].outcome = Placed::Unknown;
        run.history.place("c", &vec![(1, 1)], None);
        assert_eq!(check(&run.history, &run.observed), [""; 0]);
    }

    #[test]
    fn a_doubled_order_is_found() {
        let mut run = Run::default();
        run.placed("a", &[(1, 2)], &[Pending]);
        let mut double = run.observed.orders[0].clone();
        (double.0.id, double.0.reference) = (99, "other".to_owned());
        run.observed.orders.push(double.clone());
        assert_eq!(check(&run.history, &run.observed), ["a asked once and has the orders [1, 99]"]);
        run.observed.orders[1].0.reference = run.observed.orders[0].0.reference.clone();
        assert_eq!(check(&run.history, &run.observed).len(), 2);
    }

    #[test]
    fn a_ghost_is_found() {
        let mut run = Run::default();
        run.placed("a", &[(1, 2)], &[Pending]);
        run.placed("b", &[(1, 2)], &[Pending]);
        run.history.placements[1].outcome = Placed::Refused;
        run.history.placements.remove(0);
        let found = check(&run.history, &run.observed);
        assert_eq!(found, ["orders [1] (a) were asked for by nobody", "b was refused and has the orders [2]"]);
    }

    #[test]
    fn an_order_of_something_else_is_found() {
        let mut run = Run::default();
        run.placed("a", &[(1, 2)], &[Pending]);
        run.history.placements[0].lines = vec![(1, 3)];
        assert_eq!(check(&run.history, &run.observed).len(), 1);
    }
}
