//! The books of order-service are the providers', payment by payment, and what clients were told of their money holds.

use crate::books::Line;
use crate::history::History;
use crate::observed::Observed;
use shared_types::OrderStatus::{self, Cancelled, Paid};
use std::collections::{HashMap, HashSet};
use verify::records::Order;

/// Money that only one side knows of, that nobody paid, or that somebody was told of and is not there.
pub fn check(history: &History, observed: &Observed) -> Vec<String> {
    let books = &observed.books;
    let by_provider = || books.lines.iter().filter(|line| !line.at_the_door());
    let unasked = |line: &&Line| line.ours.captured > 0 && !history.tried.contains(&line.order);
    let unasked = by_provider().filter(unasked).map(|line| format!("payment {}: nobody paid it", line.payment));
    let is_missing = |line: &&Line| history.told_paid.contains(&line.payment) && line.ours.captured != line.amount;
    let missing = books.lines.iter().filter(is_missing);
    let missing = missing.map(|line| format!("payment {}: told to be paid, and it is {}", line.payment, line.status));
    let needless = history.unpaid.iter().filter(|order| !by_provider().any(|line| line.order == **order));
    let needless = needless.map(|order| format!("order {order}: it was to be paid first, and nobody asked for that"));
    let unknown =
        books.unknown.iter().map(|name| format!("a provider took money for {name}, which is no payment here"));
    let breaches = books.breaches.iter().map(|breach| format!("a provider does not allow: {breach}"));
    let differences = books.lines.iter().filter_map(Line::difference);
    let differences = differences.chain(unearned(observed)).chain(unpaid(observed));
    differences.chain(unknown).chain(breaches).chain(missing).chain(unasked).chain(needless).collect()
}

/// Money that is kept for an order that did not go on by it.
fn unearned(observed: &Observed) -> impl Iterator<Item = String> {
    let orders: HashMap<i64, &(Order, Vec<OrderStatus>)> =
        observed.orders.iter().map(|order| (order.0.id, order)).collect();
    let kept =
        observed.books.lines.iter().filter(|line| !line.at_the_door() && line.ours.captured > line.ours.refunded);
    kept.filter_map(move |line| {
        let goes_on =
            |(order, timeline): &(Order, Vec<OrderStatus>)| order.status != Cancelled && timeline.contains(&Paid);
        let kept_for = orders.get(&line.order).copied();
        let wrong = !kept_for.is_some_and(goes_on);
        wrong.then(|| format!("payment {}: its money is kept for {kept_for:?}", line.payment))
    })
}

/// Orders that went on as if they were paid, and nothing was taken for them.
fn unpaid(observed: &Observed) -> impl Iterator<Item = String> {
    let taken = observed.books.lines.iter().filter(|line| !line.at_the_door() && line.ours.captured > 0);
    let taken: HashSet<i64> = taken.map(|line| line.order).collect();
    let paid = observed.orders.iter().filter(|(_, timeline)| timeline.contains(&Paid));
    let unpaid = paid.filter(move |(order, _)| !taken.contains(&order.id));
    unpaid.map(|(order, _)| format!("order {} was PAID, and nothing was taken for it", order.id))
}

#[cfg(test)]
mod tests {
    use super::check;
    use crate::books::Line;
    use crate::checks::tests::made_up::Run;
    use payment_sandbox::Totals;
    use shared_types::OrderStatus::{Cancelled, Confirmed, Paid, Pending};

    fn run() -> Run {
        let totals = Totals { captured: 200, refunded: 50 };
        let (reference, method, status) = ("a".to_owned(), "CARD".to_owned(), "PART_REFUNDED".to_owned());
        let line = Line { payment: 7, order: 1, reference, method, status, amount: 200, ours: totals, theirs: totals };
        let door =
            Line { payment: 8, method: "CASH_ON_DELIVERY".to_owned(), theirs: Totals::default(), ..line.clone() };
        let mut run = Run::default();
        run.placed("a", &[(1, 1)], &[Pending, Paid, Confirmed]);
        run.observed.books.lines = vec![line, door];
        run.history.tried.insert(1);
        run.history.told_paid.insert(7);
        run.history.unpaid.insert(1);
        run
    }

    #[test]
    fn equal_books_pass() {
        assert_eq!(check(&run().history, &run().observed), [""; 0]);
    }

    #[test]
    fn what_only_one_side_knows_is_found() {
        for theirs in [Totals { captured: 400, refunded: 50 }, Totals { captured: 200, refunded: 100 }] {
            let mut run = run();
            run.observed.books.lines[0].theirs = theirs;
            assert_eq!(check(&run.history, &run.observed).len(), 1, "{theirs:?}");
        }
        let mut run = run();
        run.observed.books.unknown.push("pi_1".to_owned());
        run.observed.books.breaches.push("POST /v1/refunds: no key".to_owned());
        assert_eq!(check(&run.history, &run.observed).len(), 2);
    }

    #[test]
    fn money_that_was_told_of_and_is_not_there_is_found() {
        let mut run = run();
        let line = &mut run.observed.books.lines[0];
        (line.ours, line.theirs) = (Totals::default(), Totals::default());
        let found = check(&run.history, &run.observed);
        assert_eq!(found[0], "order 1 was PAID, and nothing was taken for it");
        assert_eq!(found[1..], ["payment 7: told to be paid, and it is PART_REFUNDED"]);
    }

    #[test]
    fn money_that_is_kept_for_an_order_that_does_not_go_on_is_found() {
        for timeline in [&[Pending, Paid, Cancelled][..], &[Pending, Confirmed]] {
            let mut run = run();
            run.observed.orders.clear();
            run.placed("a", &[(1, 1)], timeline);
            assert_eq!(check(&run.history, &run.observed).len(), 1, "{timeline:?}");
            let line = &mut run.observed.books.lines[0];
            (line.ours.refunded, line.theirs.refunded) = (200, 200);
            assert_eq!(check(&run.history, &run.observed), [""; 0], "it went back");
        }
    }

    #[test]
    fn money_that_nobody_paid_is_found() {
        let mut run = run();
        run.history.tried.clear();
        assert_eq!(check(&run.history, &run.observed), ["payment 7: nobody paid it"]);
    }

    #[test]
    fn an_order_that_had_not_to_be_paid_first_and_was_to_wait_for_it_is_found() {
        let mut run = run();
        run.history.unpaid.insert(2);
        assert_eq!(check(&run.history, &run.observed).len(), 1);
    }
}
