//! Everything a run found out, as it is written to `bench.json`.

use crate::baseline::Baseline;
use crate::figures::Figure;
use crate::machine::Machine;
use crate::measure::Load;
use crate::scenario::Scenario;
use serde::{Deserialize, Serialize};

/// A whole run.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// When it began, in UTC (RFC 3339).
    pub date: String,
    /// The commit of the checkout; with `+` where files differed from it.
    pub commit: String,
    pub machine: Machine,
    /// How long each load lasted, in seconds.
    pub seconds: u32,
    /// What PostgreSQL does alone.
    pub baseline: Baseline,
    /// Where the baseline is from, if not from this run.
    pub baseline_from: Option<String>,
    /// Each scenario that ran.
    pub scenarios: Vec<ScenarioReport>,
}

/// What one scenario found out.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ScenarioReport {
    pub scenario: Scenario,
    pub figures: Vec<Figure>,
    /// The loads it put on.
    pub loads: Vec<Load>,
    /// What was seen while they lasted.
    pub series: Vec<Series>,
    /// What was wrong, in words; empty when all answers and all that was left behind were right.
    pub wrong: Vec<String>,
}

/// Something seen again and again: over time in seconds, or over the load offered.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Series {
    pub name: String,
    /// When, or at what load, and how much.
    pub points: Vec<(f64, f64)>,
}

impl ScenarioReport {
    /// Nothing yet.
    pub fn of(scenario: Scenario) -> Self {
        Self { scenario, figures: Vec::new(), loads: Vec::new(), series: Vec::new(), wrong: Vec::new() }
    }

    /// Keeps a load, and what was wrong with it.
    pub fn add(&mut self, load: Load) {
        self.wrong.extend(load.failures());
        self.loads.push(load);
    }

    /// The value of a result; 0 where there is none.
    pub fn value(&self, name: &str) -> f64 {
        self.figures.iter().find(|figure| figure.name == name).map_or(0.0, |figure| figure.value)
    }
}

impl Report {
    /// Whether nothing was wrong.
    pub fn is_right(&self) -> bool {
        self.scenarios.iter().all(|outcome| outcome.wrong.is_empty())
    }

    /// Results that miss their goal.
    pub fn missed(&self) -> usize {
        let figures = self.scenarios.iter().flat_map(|outcome| &outcome.figures);
        figures.filter(|figure| figure.met == Some(false)).count()
    }
}
