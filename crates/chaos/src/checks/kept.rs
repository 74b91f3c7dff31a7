//! Every order that was answered with 201 or 202 is there, with the answered content.

use crate::history::{History, Placed};
use crate::observed::Observed;
use std::collections::HashMap;
use verify::records::{Order, OrderLine};

/// The answered orders that are not there, or not as they were answered.
pub fn check(history: &History, observed: &Observed) -> Vec<String> {
    let there: HashMap<i64, &Order> = observed.orders.iter().map(|(order, _)| (order.id, order)).collect();
    let mut findings = Vec::new();
    for placement in &history.placements {
        let Placed::Answered(answered) = &placement.outcome else { continue };
        let (status, id) = (answered.status, answered.order.id);
        match there.get(&id) {
            None => findings.push(format!("order {id} ({}) was answered with {status} and is lost", placement.token)),
            Some(now) => findings
                .extend(difference(&answered.order, now).map(|what| {
                    format!("order {id} ({}) was answered with {status}, and now {what}", placement.token)
                })),
        }
    }
    findings
}

/// How an order differs from what was answered, apart from its status, which moves on. What a 202 left open, the
/// names and prices, comes later or never.
pub fn difference(answered: &Order, now: &Order) -> Option<String> {
    let same = answered.id == now.id
        && answered.reference == now.reference
        && answered.customer_name == now.customer_name
        && answered.customer_email == now.customer_email
        && answered.customer_id == now.customer_id;
    if !same {
        return Some(format!("it is another order: {now:?}"));
    }
    let opened = |line: &OrderLine| OrderLine { product_name: None, price: None, subtotal: None, ..line.clone() };
    let lines = |order: &Order| -> Vec<OrderLine> {
        let open = !answered.is_placed();
        let mut lines: Vec<OrderLine> =
            order.items.iter().map(|line| if open { opened(line) } else { line.clone() }).collect();
        lines.sort_by_key(|line| line.product_id);
        lines
    };
    if lines(answered) != lines(now) {
        return Some(format!("its lines are {:?} instead of {:?}", now.items, answered.items));
    }
    if answered.is_placed() && answered.total_amount != now.total_amount {
        return Some(format!("its total is {:?} instead of {:?}", now.total_amount, answered.total_amount));
    }
    None
}

#[cfg(test)]
mod tests {
    use crate::checks::kept::check;
    use crate::checks::tests::made_up::Run;
    use shared_types::OrderStatus::{Cancelled, Confirmed, Pending};

    #[test]
    fn orders_as_they_were_answered_pass() {
        let mut run = Run::default();
        run.placed("a", &[(1, 2)], &[Pending, Confirmed]);
        run.accepted("b", &[(1, 2)], &[Pending, Cancelled], false);
        run.accepted("c", &[(1, 2)], &[Pending, Confirmed], true);
        assert_eq!(check(&run.history, &run.observed), [""; 0]);
    }

    #[test]
    fn a_lost_order_is_found() {
        let mut run = Run::default();
        run.placed("a", &[(1, 2)], &[Pending]);
        run.accepted("b", &[(1, 2)], &[Pending], true);
        run.observed.orders.clear();
        let found = check(&run.history, &run.observed);
        assert_eq!(found.len(), 2);
        assert!(found[0].contains("is lost"), "{found:?}");
    }

    #[test]
    fn other_content_is_found() {
        let mut run = Run::default();
        run.placed("a", &[(1, 2)], &[Pending]);
        run.placed("b", &[(1, 2)], &[Pending]);
        run.placed("c", &[(1, 2)], &[Pending]);
        run.accepted("d", &[(1, 2)], &[Pending], true);
        run.observed.orders[0].0.items[0].quantity = 3;
        run.observed.orders[1].0.total_amount = None;
        run.observed.orders[2].0.reference = "another".to_owned();
        run.observed.orders[3].0.items[0].product_id = 9;
        assert_eq!(check(&run.history, &run.observed).len(), 4);
    }
}
