//! What it costs that every request has a customer's token on it: orders placed and read with one and without, in turns.

use super::placing::{Placing, counted};
use super::reads::{ORDERS_READ, get, orders};
use super::{CONNECTIONS, finish, placement};
use crate::error::Result;
use crate::figures::{Figure, Goal};
use crate::load::logins::register;
use crate::load::requests::{Orders, PREPARED, Way};
use crate::load::wrk::Wrk;
use crate::report::ScenarioReport;
use crate::scenario::Scenario;
use crate::shop::Shop;
use crate::turns::{Counted, Turn, in_turns, rated};
use crate::{Bench, warm_up_of};

const WITHOUT: &str = "without a token";

/// Measures it.
pub async fn run(bench: &Bench) -> Result<ScenarioReport> {
    let shop = Shop::open_with_accounts(&bench.stage, "tokens").await?;
    let mut outcome = ScenarioReport::of(Scenario::Tokens);
    let customers = register(shop.account_url(), 1).await?;
    let token = customers.first().map(|customer| customer.token.as_str());
    let seconds = bench.turn_seconds();

    let name = "placing orders, two lines, with a token";
    let without = async || Ok(rated(place(&shop, WITHOUT, seconds, None).await?));
    let with = async || place(&shop, name, seconds, token).await;
    outcome.wrong.extend(place(&shop, name, bench.warm_up_seconds(), token).await?.1);
    let (Turn { load, reference }, wrong) = in_turns(&bench.steps, bench.turns(), without, with).await?;
    let figure = Figure::new(format!("{} with a token", placement::RATE), load.answers.per_second(), "/s");
    outcome.figures.push(figure.against(WITHOUT, reference).wanted(Goal::AtLeast(0.97)));
    outcome.loads.push(load);
    outcome.wrong.extend(wrong);

    // The customer's own, which a program of this machine reads as well.
    let own = format!("SELECT id FROM orders.orders WHERE customer_id IS NOT NULL ORDER BY id DESC LIMIT {PREPARED}");
    let paths = orders(&shop, &own).await?;
    let name = "reading orders with a token";
    let read = async |name, token| get(&shop, shop.order_url(0), name, paths.clone(), seconds, token).await;
    let without = async || Ok(rated(read(WITHOUT, None).await?));
    let with = async || read(name, token).await;
    let (Turn { load, reference }, wrong) = in_turns(&bench.steps, bench.turns(), without, with).await?;
    let figure = Figure::new(format!("{ORDERS_READ} with a token"), load.answers.per_second(), "/s");
    outcome.figures.push(figure.against(WITHOUT, reference).wanted(Goal::AtLeast(0.95)));
    outcome.loads.push(load);
    outcome.wrong.extend(wrong);
    finish(bench, shop, outcome).await
}

/// Warms up and places orders for so many seconds, as the customer with this token.
async fn place(shop: &Shop<'_>, name: &str, seconds: u32, token: Option<&str>) -> Result<Counted> {
    let connections = CONNECTIONS;
    let placing = Placing { name, orders: Orders::Mixed, way: Way::Plain, connections, seconds };
    let load = Wrk { token, ..placing.load(shop, seconds)? };
    let warm_up = Wrk { seconds: warm_up_of(seconds), ..load.clone() };
    counted(shop, name, connections, warm_up.run(), load.run()).await
}
