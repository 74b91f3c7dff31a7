//! A shop that is busy, not overrun: half of the orders that are possible, at a steady pace.

use super::placing::{miscounted, unconfirmed};
use super::{CONNECTIONS, finish, placement};
use crate::Bench;
use crate::error::Result;
use crate::figures::{Figure, Goal};
use crate::load::requests::Orders;
use crate::load::steady::Steady;
use crate::measure::measure;
use crate::report::ScenarioReport;
use crate::scenario::Scenario;
use crate::shop::Shop;
use std::sync::Arc;

/// Measures it.
pub async fn run(bench: &Bench) -> Result<ScenarioReport> {
    let shop = Shop::open(&bench.stage, "half-load", 1).await?;
    let mut outcome = ScenarioReport::of(Scenario::HalfLoad);
    let per_second = (bench.found(Scenario::Placement, placement::RATE) / 2.0) as u32;
    let load = steady(bench, &shop, Orders::Mixed, per_second);
    let warm_up = Steady { seconds: bench.warm_up_seconds(), ..load.clone() }.run().await?;
    shop.quiet().await?;
    let begun = shop.database.run("SELECT clock_timestamp()").await?;
    let load = measure(&shop, &format!("{per_second} orders a second, two lines"), load.run()).await?;
    shop.quiet().await?;
    outcome.wrong.extend(unconfirmed(&shop, 0.0).await?);
    let written = shop.database.number("SELECT count(*) FROM orders.orders").await?;
    outcome.wrong.extend(miscounted(CONNECTIONS, &[&warm_up, &load.answers], written));
    let p95 = shop.database.number(&until_confirmed(0.95, &begun)).await?;
    outcome.figures.extend([
        Figure::new("orders placed", load.answers.per_second(), "/s"),
        Figure::new("99 of 100 are answered within", load.answers.latency.p99_ms, "ms").wanted(Goal::AtMost(50.0)),
        Figure::new("95 of 100 are confirmed within", p95, "ms").wanted(Goal::AtMost(100.0)),
    ]);
    outcome.add(load);
    finish(bench, shop, outcome).await
}

/// Orders at a steady pace, whether or not the answers keep up.
pub fn steady(bench: &Bench, shop: &Shop<'_>, orders: Orders, per_second: u32) -> Steady {
    Steady {
        url: format!("{}/api/orders", shop.order_url(0)),
        bodies: Arc::new(orders.bodies()),
        connections: CONNECTIONS,
        per_second,
        seconds: bench.settings.seconds,
    }
}

/// The query for the milliseconds from PENDING to CONFIRMED that this share of the orders took at most.
fn until_confirmed(share: f64, since: &str) -> String {
    format!(
        "SELECT COALESCE(percentile_cont({share}) WITHIN GROUP
                         (ORDER BY 1000 * extract(epoch FROM confirmed.at - placed.at)), 0)
         FROM orders.order_status_history placed
         JOIN orders.order_status_history confirmed ON confirmed.order_id = placed.order_id
         WHERE placed.status = 'PENDING' AND confirmed.status = 'CONFIRMED' AND placed.at >= '{since}'"
    )
}
