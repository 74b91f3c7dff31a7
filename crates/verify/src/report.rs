//! What was found, and how a person reads it.

use serde::Deserialize;
use std::fmt;

/// Something that must hold and does not.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
pub struct Breach {
    /// Name of what must hold: `stock-is-sum-of-movements`.
    pub invariant: String,
    /// The promise it belongs to: `P1`.
    pub promise: String,
    /// Numbers or references of what is at fault.
    #[serde(default)]
    pub ids: Vec<String>,
    #[serde(default)]
    pub detail: String,
}

impl fmt::Display for Breach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} [{}]: {}", self.promise, self.invariant, self.ids.join(", "), self.detail)
    }
}

/// The outcome of one look at both services.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Report {
    /// What does not hold.
    pub breaches: Vec<Breach>,
    pub orders: usize,
    pub reservations: usize,
    /// Orders and reservations that had to be looked at more than once.
    pub looked_at_again: usize,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for breach in &self.breaches {
            writeln!(f, "{breach}")?;
        }
        let Self { orders, reservations, looked_at_again, .. } = self;
        writeln!(
            f,
            "{orders} orders and {reservations} reservations compared, {looked_at_again} of them more than once"
        )?;
        match self.breaches.len() {
            0 => write!(f, "everything holds"),
            1 => write!(f, "1 breach"),
            count => write!(f, "{count} breaches"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Breach, Report};

    #[test]
    fn a_report_has_a_line_for_each_breach_and_a_verdict() {
        let mut report = Report { orders: 2, reservations: 1, ..Report::default() };
        assert!(report.to_string().ends_with("everything holds"));
        report.breaches.push(Breach {
            invariant: "order-has-its-stock".to_owned(),
            promise: "P3".to_owned(),
            ids: vec!["5".to_owned(), "7".to_owned()],
            detail: "no reservation".to_owned(),
        });
        let text = report.to_string();
        assert_eq!(text.lines().next(), Some("P3 order-has-its-stock [5, 7]: no reservation"));
        assert_eq!(text.lines().last(), Some("1 breach"));
    }
}
