//! One customer alone: what an order costs where there is nobody to share a batch with.

use super::finish;
use super::placing::Placing;
use crate::Bench;
use crate::baseline::{self, ALONE, Workload};
use crate::error::Result;
use crate::figures::{Figure, Goal};
use crate::load::requests::{Orders, Way};
use crate::report::ScenarioReport;
use crate::scenario::Scenario;
use crate::shop::Shop;

/// Measures it.
pub async fn run(bench: &Bench) -> Result<ScenarioReport> {
    let shop = Shop::open(&bench.stage, "single", 1).await?;
    let mut outcome = ScenarioReport::of(Scenario::Single);
    let (name, seconds) = ("placing orders, one connection", bench.settings.seconds);
    let placing = Placing { name, orders: Orders::Mixed, way: Way::Plain, connections: 1, seconds };
    let load = placing.run(&shop);
    let ((load, wrong), alone) = baseline::around(bench, Workload::Mixed, 1, load).await?;
    let figure = Figure::new("half of the orders take at most", load.answers.latency.p50_ms, "ms");
    outcome.figures.push(figure.against(ALONE, alone.p50_ms).wanted(Goal::AtMost(4.0)));
    outcome.wrong.extend(wrong);
    outcome.add(load);
    finish(bench, shop, outcome).await
}
