//! The books of both sides: what order-service says was taken and given back for each payment, and what the providers say.

use crate::error::ChaosError;
use crate::stage::Stage;
use payment_sandbox::Totals;

/// A payment, in hundredths.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Line {
    pub payment: i64,
    pub order: i64,
    /// The name by which the provider knows it.
    pub reference: String,
    pub method: String,
    pub status: String,
    /// What it is for.
    pub amount: u64,
    /// What is taken and given back, in order-service's books.
    pub ours: Totals,
    /// The same in the provider's; none of a payment at the door.
    pub theirs: Totals,
}

/// All payments of a run.
#[derive(Clone, Debug, Default)]
pub struct Books {
    pub lines: Vec<Line>,
    /// Names under which a provider took money, and which no payment has.
    pub unknown: Vec<String>,
    /// Calls that no provider allows.
    pub breaches: Vec<String>,
    /// What order-service asks of the providers, or is still to ask.
    pub open: usize,
}

const LINES: &str = "SELECT id, order_id, reference, method, status, (amount * 100)::bigint, (captured * 100)::bigint,
                            (refunded * 100)::bigint
                     FROM orders.payments ORDER BY id";

const OPEN: &str = "SELECT count(*) FROM orders.payment_operations o JOIN orders.payments p ON p.id = o.payment_id
                    WHERE o.status IN ('PREPARED', 'SENT', 'UNKNOWN')
                       OR (o.status = 'ACCEPTED' AND p.method <> 'CASH_ON_DELIVERY')";

impl Line {
    /// Whether people take the money, of whom no provider knows.
    pub fn at_the_door(&self) -> bool {
        self.method == "CASH_ON_DELIVERY"
    }

    /// What is not the same on both sides.
    pub fn difference(&self) -> Option<String> {
        let Self { payment, ours, theirs, .. } = self;
        let differs = !self.at_the_door() && ours != theirs;
        differs.then(|| format!("payment {payment}: {ours:?} in our books, {theirs:?} in the provider's"))
    }
}

impl Books {
    /// Reads both.
    pub async fn read(stage: &Stage) -> Result<Self, ChaosError> {
        let (printed, open) = (stage.sql(LINES).await?, stage.sql(OPEN).await?);
        let mut theirs = stage.sandbox.all_totals();
        let mut lines: Vec<Line> = printed.lines().filter_map(line).collect();
        for line in &mut lines {
            line.theirs = theirs.remove(&line.reference).unwrap_or_default();
        }
        let unknown = theirs.into_iter().filter(|(_, totals)| totals.captured > 0).map(|(reference, _)| reference);
        let (unknown, breaches) = (unknown.collect(), stage.sandbox.breaches());
        Ok(Self { lines, unknown, breaches, open: open.parse().unwrap_or(usize::MAX) })
    }

    /// What keeps both sides from being at rest.
    pub fn unrest(&self) -> Option<String> {
        let differences: Vec<String> = self.lines.iter().filter_map(Line::difference).collect();
        let (open, differ, unknown) = (self.open, differences.len(), self.unknown.len());
        let first = differences.first().cloned().unwrap_or_default();
        let at_rest = open + differ + unknown == 0;
        (!at_rest).then(|| {
            format!(
                "{open} operations on money are open, {differ} payments differ, {unknown} are unknown here; {first}"
            )
        })
    }
}

fn line(printed: &str) -> Option<Line> {
    let fields: Vec<&str> = printed.split('|').collect();
    let [payment, order, reference, method, status, amount, captured, refunded] = fields[..] else { return None };
    Some(Line {
        payment: payment.parse().ok()?,
        order: order.parse().ok()?,
        reference: reference.to_owned(),
        method: method.to_owned(),
        status: status.to_owned(),
        amount: amount.parse().ok()?,
        ours: Totals { captured: captured.parse().ok()?, refunded: refunded.parse().ok()? },
        theirs: Totals::default(),
    })
}

#[cfg(test)]
mod tests {
    use super::{Totals, line};

    #[test]
    fn a_line_is_read_as_it_is_printed() {
        let read = line("7|3|0193|CARD|PART_REFUNDED|5998|5998|1").unwrap();
        assert_eq!((read.payment, read.order, read.reference.as_str(), read.amount), (7, 3, "0193", 5998));
        assert_eq!(read.ours, Totals { captured: 5998, refunded: 1 });
        assert!(read.difference().unwrap().contains("payment 7"));
        assert_eq!(line("7|3"), None);
    }
}
