//! Orders of two random products, from many connections at once.

use super::placing::Placing;
use super::{CONNECTIONS, finish};
use crate::Bench;
use crate::baseline::{self, ALONE, Baseline, Workload};
use crate::error::Result;
use crate::figures::{Figure, Goal};
use crate::load::requests::{Orders, Way};
use crate::report::ScenarioReport;
use crate::scenario::Scenario;
use crate::shop::Shop;

/// The name of the result that others are held against.
pub const RATE: &str = "orders placed";

/// Measures it.
pub async fn run(bench: &Bench) -> Result<ScenarioReport> {
    let shop = Shop::open(&bench.stage, "placement", 1).await?;
    let mut outcome = ScenarioReport::of(Scenario::Placement);
    let name = "placing orders, two lines";
    let placing = Placing {
        name,
        orders: Orders::Mixed,
        way: Way::Plain,
        connections: CONNECTIONS,
        seconds: bench.settings.seconds,
    };
    let best = Baseline::best(&bench.baseline.mixed).clients;
    let load = placing.run(&shop);
    let ((load, wrong), alone) = baseline::around(bench, Workload::Mixed, best, load).await?;
    let figure = Figure::new(RATE, load.answers.per_second(), "/s");
    outcome.figures.push(figure.against(ALONE, alone.orders_per_second).wanted(Goal::AtLeast(2.0)));
    outcome.wrong.extend(wrong);
    outcome.add(load);
    finish(bench, shop, outcome).await
}
