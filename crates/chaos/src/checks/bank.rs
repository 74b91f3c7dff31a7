//! The bank: what was there, plus what came in, less what went out and what live orders have, is what is there now.

use crate::history::{ChangeSeen, History};
use crate::observed::Observed;
use shared_types::OrderStatus;
use std::collections::BTreeMap;

/// The products whose stock does not add up, and the changes of stock of which nothing definite is known.
pub fn check(history: &History, observed: &Observed) -> Vec<String> {
    let mut findings = Vec::new();
    let mut expected: BTreeMap<i64, i64> = history.products.iter().map(|product| (product.id, product.stock)).collect();
    for change in &history.stock_changes {
        match change.outcome {
            ChangeSeen::Done => *expected.entry(change.product).or_default() += change.delta,
            ChangeSeen::Refused => {}
            ChangeSeen::Unknown => findings.push(format!("whether {} was done is not known", change.key)),
        }
    }
    let live = observed.orders.iter().map(|(order, _)| order);
    for order in live.filter(|order| order.status != OrderStatus::Cancelled && order.is_placed()) {
        for line in &order.items {
            *expected.entry(line.product_id).or_default() -= line.quantity;
        }
    }
    for (product, wanted) in expected {
        match observed.stock.get(&product) {
            Some(stock) if *stock == wanted => {}
            stock => findings.push(format!("product {product} has a stock of {stock:?}, it should be {wanted}")),
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::check;
    use crate::checks::tests::made_up::Run;
    use crate::history::{ChangeSeen, Product};
    use shared_types::OrderStatus::{Cancelled, Confirmed, Delivered, Pending, Shipped};

    fn run() -> Run {
        let mut run = Run::default();
        run.history.products = vec![Product { id: 1, stock: 100 }, Product { id: 2, stock: 10 }];
        run.placed("a", &[(1, 2)], &[Pending, Confirmed, Shipped, Delivered]);
        run.placed("b", &[(1, 3), (2, 1)], &[Pending]);
        run.placed("c", &[(1, 50)], &[Pending, Cancelled]);
        run.accepted("d", &[(1, 50)], &[Pending, Cancelled], false);
        for (delta, outcome) in [(7, ChangeSeen::Done), (-4, ChangeSeen::Done), (-30, ChangeSeen::Refused)] {
            let place = run.history.change_stock(2, delta, "key");
            run.history.stock_changes[place].outcome = outcome;
        }
        run.observed.stock = [(1, 95), (2, 12)].into();
        run
    }

    #[test]
    fn what_adds_up_passes() {
        let run = run();
        assert_eq!(check(&run.history, &run.observed), [""; 0]);
    }

    #[test]
    fn wrong_stock_is_found() {
        let mut run = run();
        run.observed.stock.insert(1, 96);
        let found = check(&run.history, &run.observed);
        assert_eq!(found, ["product 1 has a stock of Some(96), it should be 95"]);
        run.observed.stock.remove(&1);
        assert_eq!(check(&run.history, &run.observed).len(), 1);
    }

    #[test]
    fn a_restock_that_was_done_twice_or_not_at_all_is_found() {
        for stock in [5, 19] {
            let mut run = run();
            run.observed.stock.insert(2, stock);
            assert_eq!(check(&run.history, &run.observed).len(), 1);
        }
    }

    #[test]
    fn a_change_that_nothing_is_known_of_is_found() {
        let mut run = run();
        run.history.change_stock(1, 1, "open");
        assert_eq!(check(&run.history, &run.observed), ["whether open was done is not known"]);
    }
}
