//! Two processes of each service on the same cores: they gain nothing there, and must lose nothing either.

use super::placing::{Placing, counted};
use super::{CONNECTIONS, finish};
use crate::Bench;
use crate::error::Result;
use crate::figures::{Figure, Goal};
use crate::load::Answers;
use crate::load::requests::{HOT, Orders, PREPARED, Way};
use crate::load::wrk::Wrk;
use crate::report::ScenarioReport;
use crate::scenario::Scenario;
use crate::shop::Shop;
use crate::turns::{Counted, Turn, in_turns, rated};
use crate::warm_up_of;

/// As fast as one instance, give or take what two runs differ by anyway.
const GOAL: Goal = Goal::AtLeast(0.95);

/// Pieces of the hot product that are gone and not in an order, or the reverse.
const INEXACT: &str =
    "SELECT (SELECT sum(delta) FROM inventory.stock_movements WHERE product_id = 1 AND reason = 'RECEIPT')
           - (SELECT stock_quantity FROM inventory.products WHERE id = 1)
           - (SELECT COALESCE(sum(quantity), 0) FROM orders.order_items WHERE product_id = 1)";

/// Measures it.
pub async fn run(bench: &Bench) -> Result<ScenarioReport> {
    let shop = Shop::open(&bench.stage, "two-instances", 2).await?;
    let one = Shop::open(&bench.stage, "one-instance", 1).await?;
    let mut outcome = ScenarioReport::of(Scenario::TwoInstances);
    let name = "placing orders, two lines";
    let seconds = bench.turn_seconds();
    let alone = async || Ok(rated(both(&one, Orders::Mixed, name, seconds).await?));
    let together = async || both(&shop, Orders::Mixed, name, seconds).await;
    let (Turn { load, reference }, wrong) = in_turns(&bench.steps, bench.turns(), alone, together).await?;
    outcome.wrong.extend(wrong);
    let figure = Figure::new(format!("{name}, two of each"), load.answers.per_second(), "/s");
    outcome.figures.push(figure.against("one of each", reference).wanted(GOAL));
    outcome.loads.push(load);
    outcome.wrong.extend(one.breaches().await?);
    one.close().await?;
    let name = "placing orders, one product";
    let (load, wrong) = both(&shop, Orders::Of(HOT), name, bench.settings.seconds).await?;
    outcome.wrong.extend(wrong);
    outcome.figures.push(Figure::new(format!("{name}, two of each"), load.answers.per_second(), "/s"));
    outcome.add(load);
    let inexact = shop.database.number(INEXACT).await?;
    outcome
        .figures
        .push(Figure::new("pieces of the product sold and not ordered", inexact, "").wanted(Goal::AtMost(0.0)));
    if inexact != 0.0 {
        outcome.wrong.push(format!("the stock of the hot product is wrong by {inexact}"));
    }
    finish(bench, shop, outcome).await
}

/// Warms both instances up and measures them at once; or the only one, with as many load generators.
async fn both(shop: &Shop<'_>, orders: Orders, name: &str, seconds: u32) -> Result<Counted> {
    let connections = CONNECTIONS / 2;
    let placing = Placing { name, orders, way: Way::Plain, connections, seconds };
    let warm_up = on_both(shop, placing.load(shop, warm_up_of(seconds))?);
    let load = on_both(shop, placing.load(shop, seconds)?);
    counted(shop, name, CONNECTIONS, warm_up, load).await
}

/// The same load on the first and the last instance at once.
async fn on_both(shop: &Shop<'_>, load: Wrk<'_>) -> Result<Answers> {
    let other = Wrk { url: shop.last_order_url(), first: PREPARED / 2, ..load.clone() };
    let (one, other) = tokio::join!(load.run(), other.run());
    Ok(one?.and(&other?))
}
