//! What the turns say: the ratio of new to old in each, the one in the middle, and how far they lie apart.

use crate::percentiles::of_sorted;
use std::fmt;

/// What is wanted of the middle ratio.
const GOAL: f64 = 0.97;

/// One load, measured on both builds in each turn.
#[derive(Clone, PartialEq, Debug)]
pub struct Compared {
    pub name: String,
    /// Answers per second of the new build and of the old one, turn by turn.
    pub rates: Vec<(f64, f64)>,
}

/// A whole comparison.
#[derive(Clone, PartialEq, Debug)]
pub struct Comparison {
    /// The commit of this build; with `+` where files differ from it.
    pub new: String,
    /// The commit it was held against.
    pub old: String,
    pub compared: Vec<Compared>,
    /// What was wrong, in words; empty when all answers and all that was left behind were right.
    pub wrong: Vec<String>,
}

impl Compared {
    /// New over old in each turn, sorted.
    fn ratios(&self) -> Vec<f64> {
        let mut ratios: Vec<f64> =
            self.rates.iter().map(|(new, old)| if *old > 0.0 { new / old } else { 0.0 }).collect();
        ratios.sort_by(f64::total_cmp);
        ratios
    }

    /// The ratio in the middle.
    pub fn median(&self) -> f64 {
        of_sorted(&self.ratios(), 0.5)
    }

    fn misses_goal(&self) -> bool {
        self.median() < GOAL
    }

    fn middle_rate(&self, pick: fn(&(f64, f64)) -> f64) -> f64 {
        crate::percentiles::median(self.rates.iter().map(pick).collect())
    }
}

impl fmt::Display for Compared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ratios = self.ratios();
        let [least, lower, middle, upper, most] = [0.0, 0.25, 0.5, 0.75, 1.0].map(|share| of_sorted(&ratios, share));
        let (new, old) = (self.middle_rate(|it| it.0), self.middle_rate(|it| it.1));
        let verdict = if self.misses_goal() { "MISSED" } else { "met" };
        write!(
            f,
            "{:<30} {new:>8.0} {old:>8.0} {middle:>7.3}  {lower:.3}–{upper:.3}  {least:.3}–{most:.3}  ≥ {GOAL} {verdict}",
            self.name
        )
    }
}

impl fmt::Display for Comparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let turns = self.compared.first().map_or(0, |it| it.rates.len());
        writeln!(f, "new: {}, old: {}, {turns} turns of each", self.new, self.old)?;
        let head = ("new/s", "old/s", "new/old", "half of them", "all of them", "goal");
        writeln!(f, "{:<30} {:>8} {:>8} {:>7}  {}  {}  {}", "", head.0, head.1, head.2, head.3, head.4, head.5)?;
        self.compared.iter().try_for_each(|it| writeln!(f, "{it}"))?;
        self.wrong.iter().take(20).try_for_each(|wrong| writeln!(f, "WRONG: {wrong}"))?;
        let missed: Vec<&str> = self.compared.iter().filter(|it| it.misses_goal()).map(|it| it.name.as_str()).collect();
        match missed.as_slice() {
            [] => write!(f, "every goal met"),
            missed => write!(f, "goals missed: {}", missed.join(", ")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Compared, Comparison};

    fn compared(name: &str, rates: &[(f64, f64)]) -> Compared {
        Compared { name: name.to_owned(), rates: rates.to_vec() }
    }

    #[test]
    fn the_ratio_in_the_middle_decides_and_not_that_of_the_middle_rates() {
        let it = compared("orders", &[(100.0, 100.0), (50.0, 51.0), (30.0, 60.0)]);
        assert_eq!(it.median(), 50.0 / 51.0);
        assert!(it.to_string().contains("0.500–1.000"), "{it}");
    }

    #[test]
    fn says_which_goals_are_missed() {
        let of = |compared| Comparison { new: "a".to_owned(), old: "b".to_owned(), compared, wrong: Vec::new() };
        let (slower, as_fast) = (compared("slower", &[(96.0, 100.0)]), compared("as fast", &[(97.0, 100.0)]));
        assert!(of(vec![slower, as_fast.clone()]).to_string().ends_with("goals missed: slower"));
        assert!(of(vec![as_fast]).to_string().ends_with("every goal met"));
    }
}
