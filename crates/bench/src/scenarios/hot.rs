//! Everybody wants the same product: its row can be locked by one transaction at a time.

use super::placing::Placing;
use super::{CONNECTIONS, finish};
use crate::Bench;
use crate::baseline::{ALONE, Alone, Baseline, Workload};
use crate::error::Result;
use crate::figures::{Figure, Goal};
use crate::load::requests::{HOT, Orders, Way};
use crate::report::ScenarioReport;
use crate::scenario::Scenario;
use crate::shop::Shop;
use crate::turns::in_turns;

/// The name of the result that others are held against.
pub const RATE: &str = "orders of one product placed";

/// Turns are longer by this: pgbench connects anew for each.
const TURN: u32 = 2;

/// Measures it.
pub async fn run(bench: &Bench) -> Result<ScenarioReport> {
    let shop = Shop::open(&bench.stage, "hot", 1).await?;
    let mut outcome = ScenarioReport::of(Scenario::Hot);
    let (name, connections) = ("placing orders, one product", CONNECTIONS);
    let placing = |seconds| Placing { name, orders: Orders::Of(HOT), way: Way::Plain, connections, seconds };
    let (_, wrong) = placing(bench.warm_up_seconds()).run(&shop).await?;
    outcome.wrong.extend(wrong);
    let best = Baseline::best(&bench.baseline.hot).clients;
    let alone = Alone::open(bench, Workload::Hot, best).await?;
    let as_many = async || alone.measure(CONNECTIONS, bench.half_of_the_seconds()).await;
    let before = as_many().await?;
    let turn = placing(TURN * bench.turn_seconds());
    let reference = async || Ok((alone.measure(best, turn.seconds).await?.orders_per_second, Vec::new()));
    let (turn, wrong) = in_turns(&bench.steps, bench.turns(), reference, async || turn.run(&shop).await).await?;
    let as_many = before.mean(&as_many().await?);
    alone.close().await?;
    let rate = turn.load.answers.per_second();
    let at_best = Figure::new(RATE, rate, "/s").against(ALONE, turn.reference);
    let name = format!("the same, against as many clients ({CONNECTIONS})");
    let at_64 = Figure::new(name, rate, "/s").against(ALONE, as_many.orders_per_second);
    outcome.figures.extend([at_best.wanted(Goal::AtLeast(4.0)), at_64.wanted(Goal::AtLeast(6.0))]);
    outcome.wrong.extend(wrong);
    outcome.loads.push(turn.load);
    finish(bench, shop, outcome).await
}
