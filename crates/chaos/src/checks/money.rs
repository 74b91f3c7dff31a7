//! Money that was taken or given back stands there once, no money that was refused, and none that nobody asked for.
//!
//! That the sums are right is asked of the service, by its invariants.

use crate::history::{ChangeSeen, History};
use crate::observed::Observed;
use std::collections::{BTreeMap, HashSet};

/// Money lost, moved twice, or moved unasked. Every request has a token as its reason.
pub fn check(history: &History, observed: &Observed) -> Vec<String> {
    let mut done: BTreeMap<(i64, &str), usize> = BTreeMap::new();
    for (payment, operations) in &observed.payments {
        for reason in operations.iter().filter(|it| it.status == "SUCCEEDED").filter_map(|it| it.reason.as_deref()) {
            *done.entry((*payment, reason)).or_default() += 1;
        }
    }
    let mut findings = Vec::new();
    for asked in &history.money {
        let times = done.get(&(asked.payment, asked.token.as_str())).copied().unwrap_or_default();
        let allowed = match asked.outcome {
            ChangeSeen::Done => times == 1,
            ChangeSeen::Refused => times == 0,
            ChangeSeen::Unknown => times <= 1,
        };
        if !allowed {
            let (payment, token) = (asked.payment, &asked.token);
            findings.push(format!("payment {payment}: {token} was {:?} and was done {times} times", asked.outcome));
        }
    }
    let asked: HashSet<(i64, &str)> = history.money.iter().map(|it| (it.payment, it.token.as_str())).collect();
    let unasked = done.keys().filter(|moved| !asked.contains(*moved));
    findings.extend(unasked.map(|(payment, reason)| format!("payment {payment}: nobody asked for {reason}")));
    findings
}

#[cfg(test)]
mod tests {
    use super::check;
    use crate::checks::tests::made_up::Run;
    use crate::history::{ChangeSeen, MoneySeen};
    use crate::observed::MoneyOperation;

    fn run(outcome: ChangeSeen, times: usize) -> Run {
        let mut run = Run::default();
        run.history.money.push(MoneySeen { payment: 7, token: "a".to_owned(), outcome });
        let operation = MoneyOperation { status: "SUCCEEDED".to_owned(), reason: Some("a".to_owned()) };
        let waits = MoneyOperation { status: "ACCEPTED".to_owned(), reason: None };
        let mut operations = vec![operation; times];
        operations.push(waits);
        run.observed.payments.insert(7, operations);
        run
    }

    fn findings(run: &Run) -> Vec<String> {
        check(&run.history, &run.observed)
    }

    #[test]
    fn money_that_was_answered_is_there_once() {
        for (outcome, times) in
            [(ChangeSeen::Done, 1), (ChangeSeen::Refused, 0), (ChangeSeen::Unknown, 0), (ChangeSeen::Unknown, 1)]
        {
            assert_eq!(findings(&run(outcome, times)), [""; 0], "{outcome:?} {times}");
        }
    }

    #[test]
    fn lost_doubled_and_unasked_money_is_found() {
        for (outcome, times) in
            [(ChangeSeen::Done, 0), (ChangeSeen::Done, 2), (ChangeSeen::Refused, 1), (ChangeSeen::Unknown, 2)]
        {
            assert_eq!(findings(&run(outcome, times)).len(), 1, "{outcome:?} {times}");
        }
        let mut unasked = run(ChangeSeen::Done, 1);
        unasked.history.money.clear();
        assert_eq!(findings(&unasked), ["payment 7: nobody asked for a"]);
    }
}
