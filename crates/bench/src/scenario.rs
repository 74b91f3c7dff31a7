//! Which scenarios there are, and what they need.

use clap::ValueEnum;
use serde::{Deserialize, Serialize};
use std::fmt;

/// One thing to measure. They run in this order.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Scenario {
    /// Orders of two random products, 64 connections
    Placement,
    /// The same for longer: orders confirmed, and nothing piles up
    Sustained,
    /// Everybody wants the same product
    Hot,
    /// The product that everybody wants has no stock
    SoldOut,
    /// One customer alone
    Single,
    /// Half of the orders that are possible, at a steady pace
    HalfLoad,
    /// Products and orders are read
    Reads,
    /// Orders placed and read with a customer's token, and without
    Tokens,
    /// People log in, alone and while others order
    Logins,
    /// Orders paid by card, and a provider that hangs
    Paid,
    /// Orders accepted at once and placed later
    #[value(name = "async")]
    #[serde(rename = "async")]
    Asynchronous,
    /// E-mail that waited for the mail server is sent
    Mail,
    /// Stock that was reserved and abandoned goes back
    Settling,
    /// Two processes of each service
    TwoInstances,
    /// Memory, idling and starting
    Resources,
    /// Throughput and times to answer over the load offered
    Curve,
    /// With millions of orders in the tables
    Large,
}

impl Scenario {
    /// All of them.
    pub fn all() -> Vec<Self> {
        Self::value_variants().to_vec()
    }

    /// Those whose results it needs.
    fn needs(self) -> &'static [Self] {
        match self {
            Self::SoldOut => &[Self::Hot],
            Self::HalfLoad | Self::Logins => &[Self::Placement],
            Self::Curve => &[Self::Placement, Self::Hot],
            _ => &[],
        }
    }

    /// The chosen ones (all where none is) and what they need, in their order.
    pub fn plan(chosen: &[Self]) -> Vec<Self> {
        let mut plan = if chosen.is_empty() { Self::all() } else { chosen.to_vec() };
        let needed: Vec<Self> = plan.iter().flat_map(|scenario| scenario.needs()).copied().collect();
        plan.extend(needed);
        plan.sort_unstable();
        plan.dedup();
        plan
    }
}

impl fmt::Display for Scenario {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.to_possible_value().as_ref().map_or("", |value| value.get_name()))
    }
}

#[cfg(test)]
mod tests {
    use super::Scenario;

    #[test]
    fn what_is_needed_runs_before() {
        assert_eq!(Scenario::plan(&[Scenario::SoldOut]), [Scenario::Hot, Scenario::SoldOut]);
        assert_eq!(Scenario::plan(&[]), Scenario::all());
        assert_eq!(Scenario::plan(&[Scenario::Reads, Scenario::Reads]), [Scenario::Reads]);
    }

    #[test]
    fn has_the_name_it_is_asked_for_by() {
        assert_eq!(Scenario::SoldOut.to_string(), "sold-out");
        assert_eq!(Scenario::Asynchronous.to_string(), "async");
    }
}
