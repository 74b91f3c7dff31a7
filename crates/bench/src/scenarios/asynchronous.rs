//! `Prefer: respond-async`: orders are taken down at once, and placed when it is their turn.

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

/// From the first order that was accepted to the last that was confirmed.
const SETTLED: &str = "SELECT count(*) FILTER (WHERE status = 'CONFIRMED')
           / extract(epoch FROM max(at) FILTER (WHERE status = 'CONFIRMED') - min(at))
    FROM orders.order_status_history";

/// Measures it.
pub async fn run(bench: &Bench) -> Result<ScenarioReport> {
    let shop = Shop::open(&bench.stage, "async", 1).await?;
    let mut outcome = ScenarioReport::of(Scenario::Asynchronous);
    let placing = Placing {
        name: "accepting orders, two lines",
        orders: Orders::Mixed,
        way: Way::Asynchronous,
        connections: CONNECTIONS,
        seconds: bench.settings.seconds,
    };
    let best = Baseline::best(&bench.baseline.mixed).clients;
    let load = placing.run(&shop);
    let ((load, wrong), alone) = baseline::around(bench, Workload::Mixed, best, load).await?;
    let alone = alone.orders_per_second;
    outcome.wrong.extend(wrong);
    if load.statuses.keys().any(|status| status != "202") {
        outcome.wrong.push(format!("every answer should have been 202: {:?}", load.statuses));
    }
    let settled = shop.database.number(SETTLED).await?;
    let accepted = Figure::new("orders accepted (202)", load.answers.per_second(), "/s").against(ALONE, alone);
    let settled = Figure::new("orders confirmed, from first to last", settled, "/s").against(ALONE, alone);
    outcome.figures.extend([accepted, settled].map(|figure| figure.wanted(Goal::AtLeast(1.5))));
    outcome.add(load);
    finish(bench, shop, outcome).await
}
