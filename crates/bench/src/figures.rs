//! Results that are held to a goal.

use serde::{Deserialize, Serialize};

/// What is wanted of a figure, or of its ratio to what it is held against.
#[derive(Clone, Copy, PartialEq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Goal {
    AtLeast(f64),
    AtMost(f64),
}

impl Goal {
    /// Whether the value is good enough.
    pub fn is_met_by(self, value: f64) -> bool {
        match self {
            Self::AtLeast(bound) => value >= bound,
            Self::AtMost(bound) => value <= bound,
        }
    }
}

/// One result.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Figure {
    pub name: String,
    pub value: f64,
    /// Of what: `/s`, `ms`.
    pub unit: String,
    /// What it is held against, of the same run and in the same unit.
    pub against: Option<f64>,
    pub against_name: Option<String>,
    /// The value as a multiple of that.
    pub ratio: Option<f64>,
    /// What is wanted of the ratio, or of the value where there is none.
    pub goal: Option<Goal>,
    /// Whether the goal is met.
    pub met: Option<bool>,
}

impl Figure {
    /// A result that nothing is wanted of.
    pub fn new(name: impl Into<String>, value: f64, unit: &str) -> Self {
        let (name, unit) = (name.into(), unit.to_owned());
        Self { name, value, unit, against: None, against_name: None, ratio: None, goal: None, met: None }
    }

    /// Held against another value.
    #[must_use]
    pub fn against(self, name: &str, value: f64) -> Self {
        let ratio = if value > 0.0 { self.value / value } else { 0.0 };
        Self { against: Some(value), against_name: Some(name.to_owned()), ratio: Some(ratio), ..self }
    }

    /// With a goal for the ratio, or for the value where there is none.
    #[must_use]
    pub fn wanted(self, goal: Goal) -> Self {
        let met = goal.is_met_by(self.ratio.unwrap_or(self.value));
        Self { goal: Some(goal), met: Some(met), ..self }
    }
}

#[cfg(test)]
mod tests {
    use super::{Figure, Goal};

    #[test]
    fn a_goal_is_for_the_ratio_where_there_is_one() {
        let figure = Figure::new("orders", 300.0, "/s").against("PostgreSQL alone", 100.0).wanted(Goal::AtLeast(2.0));
        assert_eq!((figure.ratio, figure.met), (Some(3.0), Some(true)));
        let figure = Figure::new("p99", 60.0, "ms").wanted(Goal::AtMost(50.0));
        assert_eq!((figure.ratio, figure.met), (None, Some(false)));
    }

    #[test]
    fn nothing_to_hold_against_is_no_success() {
        let figure = Figure::new("orders", 300.0, "/s").against("nothing", 0.0).wanted(Goal::AtLeast(2.0));
        assert_eq!(figure.met, Some(false));
    }
}
