//! Throughput and times to answer over the load that is offered, from little to more than is possible.

use super::half_load::steady;
use super::placing::unconfirmed;
use super::{finish, hot, placement};
use crate::Bench;
use crate::error::Result;
use crate::load::requests::{HOT, Orders};
use crate::measure::measure;
use crate::report::{ScenarioReport, Series};
use crate::scenario::Scenario;
use crate::shop::Shop;

/// Percent of what one closed loop achieved.
const LEVELS: [u32; 7] = [10, 25, 50, 75, 90, 100, 110];

/// What each series shows, over the orders offered per second.
pub const SHOWN: [&str; 3] = ["orders placed per second", "p50 in ms", "p99 in ms"];

/// Both kinds of orders, as the series are called.
pub const KINDS: [&str; 2] = ["mixed", "hot"];

/// Measures it.
pub async fn run(bench: &Bench) -> Result<ScenarioReport> {
    let shop = Shop::open(&bench.stage, "curve", 1).await?;
    let mut outcome = ScenarioReport::of(Scenario::Curve);
    let peaks = [bench.found(Scenario::Placement, placement::RATE), bench.found(Scenario::Hot, hot::RATE)];
    for ((kind, orders), peak) in KINDS.into_iter().zip([Orders::Mixed, Orders::Of(HOT)]).zip(peaks) {
        let mut series = SHOWN.map(|shown| Series { name: format!("{kind}: {shown}"), points: Vec::new() });
        for level in bench.settings.some_of(&LEVELS) {
            let offered = (peak * f64::from(level) / 100.0) as u32;
            let load = steady(bench, &shop, orders, offered);
            let load = measure(&shop, &format!("{kind}, {level} % of the peak"), load.run()).await?;
            let (answers, latency) = (&load.answers, &load.answers.latency);
            let values = [answers.per_second(), latency.p50_ms, latency.p99_ms];
            series.iter_mut().zip(values).for_each(|(it, value)| it.points.push((offered.into(), value)));
            outcome.add(load);
            // What one level left behind must not weigh on the next.
            shop.quiet().await?;
        }
        outcome.series.extend(series);
    }
    outcome.wrong.extend(unconfirmed(&shop, 0.0).await?);
    finish(bench, shop, outcome).await
}
