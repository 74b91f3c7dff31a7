//! Everybody wants the same product: its row can be locked by one transaction at a time.

use super::placing::Placing;
use super::{CONNECTIONS, finish};
use crate::Bench;
use crate::baseline::{self, ALONE, Baseline, Workload};
use crate::error::Result;
use crate::figures::{Figure, Goal};
use crate::load::requests::{HOT, Orders};
use crate::report::Outcome;
use crate::scenario::Scenario;
use crate::shop::Shop;

/// The name of the result that others are held against.
pub const RATE: &str = "orders of one product placed";

/// Measures it.
pub async fn run(bench: &Bench) -> Result<Outcome> {
    let shop = Shop::open(&bench.stage, "hot", 1).await?;
    let mut outcome = Outcome::of(Scenario::Hot);
    let (name, connections) = ("placing orders, one product", CONNECTIONS);
    let placing = Placing { name, orders: Orders::Of(HOT), prefer: "", connections, seconds: bench.settings.seconds };
    let best = Baseline::best(&bench.baseline.hot).clients;
    let load = baseline::around(bench, Workload::Hot, CONNECTIONS, placing.run(&shop));
    let (((load, wrong), as_many), best) = baseline::around(bench, Workload::Hot, best, load).await?;
    let rate = load.answers.per_second();
    let at_best = Figure::new(RATE, rate, "/s").against(ALONE, best.orders_per_second);
    let name = format!("the same, against as many clients ({CONNECTIONS})");
    let at_64 = Figure::new(name, rate, "/s").against(ALONE, as_many.orders_per_second);
    outcome.figures.extend([at_best.wanted(Goal::AtLeast(4.0)), at_64.wanted(Goal::AtLeast(6.0))]);
    outcome.wrong.extend(wrong);
    outcome.add(load);
    finish(bench, shop, outcome).await
}
