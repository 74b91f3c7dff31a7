//! Measures the whole system, load generator included, on the cores of one machine, against what PostgreSQL does there
//! with one plain pair of transactions for each order.
//!
//! Every result is a ratio to something measured in the same run, so that it means the same on any machine. A fast
//! wrong answer is a failure: every scenario ends with the services compared item by item.

pub mod against;
pub mod baseline;
pub mod chart;
pub mod constant_route;
pub mod database;
pub mod error;
pub mod figures;
pub mod load;
pub mod machine;
pub mod measure;
pub mod metrics;
pub mod percentiles;
pub mod pgbench;
pub mod report;
pub mod scenario;
pub mod scenarios;
pub mod shop;
pub mod stage;
pub mod table;
pub mod turns;
pub mod usage;

pub use error::BenchError;
pub use report::Report;
pub use scenario::Scenario;

use baseline::Baseline;
use error::Result;
use machine::Machine;
use report::ScenarioReport;
use stage::Stage;
use std::path::PathBuf;
use testbed::step::Steps;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// What a run is to be like.
#[derive(Clone, Debug)]
pub struct Settings {
    /// What is measured; all where none is named.
    pub scenarios: Vec<Scenario>,
    /// How long each load lasts.
    pub seconds: u32,
    /// Only see that everything works: of every list of cases the first and the last, and no rest in between.
    pub smoke: bool,
    /// The report to take the baseline from, instead of measuring it.
    pub baseline_from: Option<PathBuf>,
    /// Folder for servers, logs and requests.
    pub run_dir: PathBuf,
    /// The binary of order-service.
    pub order_service: PathBuf,
    /// The binary of inventory-service.
    pub inventory_service: PathBuf,
    /// The binary of account-service.
    pub account_service: PathBuf,
    /// Orders in the tables where there are many.
    pub orders: u32,
    /// The binary of this program, which has the constant route in it.
    pub bench: PathBuf,
}

/// A run that is under way.
#[derive(Debug)]
pub struct Bench {
    /// What was asked for.
    pub settings: Settings,
    /// What it stands on.
    pub stage: Stage,
    /// What PostgreSQL does alone.
    pub baseline: Baseline,
    /// What the scenarios before found out.
    pub done: Vec<ScenarioReport>,
    pub steps: Steps,
}

impl Settings {
    /// The cases of a list to try.
    pub fn some_of<T: Copy>(&self, all: &[T]) -> Vec<T> {
        let ends = [all.first(), all.last()];
        if self.smoke { ends.into_iter().flatten().copied().collect() } else { all.to_vec() }
    }
}

impl Bench {
    /// How long a load of the usual length runs before it is measured, in seconds.
    pub fn warm_up_seconds(&self) -> u32 {
        warm_up_of(self.settings.seconds).max(1)
    }

    /// How often two loads take turns, see [`turns::in_turns`].
    pub fn turns(&self) -> usize {
        if self.settings.smoke { 1 } else { 15 }
    }

    /// How long each of these turns lasts, in seconds.
    pub fn turn_seconds(&self) -> u32 {
        (self.settings.seconds / 10).max(1)
    }

    /// How long each of the two measurements of a reference lasts, see [`baseline::around`], in seconds.
    pub fn half_of_the_seconds(&self) -> u32 {
        (self.settings.seconds / 2).max(1)
    }

    /// A result of a scenario that ran before; 0 where there is none.
    pub fn found(&self, scenario: Scenario, figure: &str) -> f64 {
        self.done.iter().find(|outcome| outcome.scenario == scenario).map_or(0.0, |outcome| outcome.value(figure))
    }
}

/// How long a load that lasts so many seconds runs before it is measured, in seconds; not at all before a short turn,
/// which the turns before have warmed up.
pub fn warm_up_of(seconds: u32) -> u32 {
    (seconds / 3).min(5)
}

/// Carries out a run. An error means that nothing can be said; what is wrong with the services is in the report.
pub async fn run(settings: Settings) -> Result<Report> {
    let steps = Steps::begin("measuring; the machine should have nothing else to do");
    let date = OffsetDateTime::now_utc().format(&Rfc3339).unwrap_or_default();
    let stage = Stage::open(&settings).await?;
    let machine = look_at_machine(&stage).await?;
    steps.say(&format!("PostgreSQL {} and RabbitMQ {} are up", machine.postgresql, machine.rabbitmq));
    let mut bench = Bench { settings, stage, baseline: Baseline::default(), done: Vec::new(), steps };
    bench.baseline = match &bench.settings.baseline_from {
        Some(path) => read_baseline(path)?,
        None => baseline::run(&bench).await?,
    };
    for scenario in Scenario::plan(&bench.settings.scenarios) {
        bench.steps.say(&format!("{scenario} …"));
        // What one scenario cannot do says nothing about the others.
        let failed =
            |error: BenchError| ScenarioReport { wrong: vec![error.to_string()], ..ScenarioReport::of(scenario) };
        let outcome = scenarios::run(&bench, scenario).await.unwrap_or_else(failed);
        bench.steps.say(&format!("{scenario}:\n{}", table::of_outcome(&outcome)));
        bench.done.push(outcome);
    }
    let Bench { settings, baseline, done: scenarios, .. } = bench;
    let baseline_from = settings.baseline_from.map(|path| path.display().to_string());
    let (commit, seconds) = (machine::commit(), settings.seconds);
    Ok(Report { date, commit, machine, seconds, baseline, baseline_from, scenarios })
}

async fn look_at_machine(stage: &Stage) -> Result<Machine> {
    let database = stage.database("bench_version").await?;
    let postgresql = database.run("SHOW server_version").await?;
    database.delete().await?;
    let overview = format!("{}/api/overview", stage.rabbitmq.management_url());
    let overview = stage.http.get(overview).send().await?.error_for_status()?.text().await?;
    let overview: serde_json::Value = serde_json::from_str(&overview).unwrap_or_default();
    let rabbitmq = overview["rabbitmq_version"].as_str().unwrap_or("unknown").to_owned();
    Ok(Machine::look(postgresql, rabbitmq))
}

fn read_baseline(path: &PathBuf) -> Result<Baseline> {
    let text = std::fs::read_to_string(path).map_err(BenchError::file(path))?;
    let report: Report = serde_json::from_str(&text)
        .map_err(|error| BenchError::GaveUp(format!("{} is no report: {error}", path.display())))?;
    Ok(report.baseline)
}
