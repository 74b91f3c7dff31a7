//! An order belongs to the customer whose token it was placed with, and to nobody where there was none.

use crate::history::History;
use crate::observed::Observed;
use std::collections::HashMap;

/// The orders that are somebody else's.
pub fn check(history: &History, observed: &Observed) -> Vec<String> {
    let owners: HashMap<&str, &Option<String>> =
        history.placements.iter().map(|placement| (placement.token.as_str(), &placement.owner)).collect();
    let mut findings = Vec::new();
    for (order, _) in &observed.orders {
        // One that nobody asked for is another check's finding.
        let Some(owner) = owners.get(order.customer_name.as_str()) else { continue };
        if **owner != order.customer_id {
            let (id, token, now) = (order.id, &order.customer_name, &order.customer_id);
            findings.push(format!("order {id} ({token}) of {owner:?} is an order of {now:?}"));
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::check;
    use crate::checks::tests::made_up::Run;
    use shared_types::OrderStatus::Pending;

    fn run() -> Run {
        let mut run = Run::default();
        for token in ["a", "b"] {
            run.placed(token, &[(1, 2)], &[Pending]);
        }
        run.history.placements[0].owner = Some("ada".to_owned());
        run.observed.orders[0].0.customer_id = Some("ada".to_owned());
        run
    }

    #[test]
    fn orders_of_who_placed_them_pass() {
        assert_eq!(check(&run().history, &run().observed), [""; 0]);
    }

    #[test]
    fn an_order_of_another_or_of_nobody_is_found() {
        for (place, owner) in [(0, None), (0, Some("bob")), (1, Some("ada"))] {
            let mut run = run();
            run.observed.orders[place].0.customer_id = owner.map(str::to_owned);
            assert_eq!(check(&run.history, &run.observed).len(), 1, "{place} {owner:?}");
        }
    }
}
