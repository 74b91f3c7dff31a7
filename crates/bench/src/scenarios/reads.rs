//! Products and orders are read, against a route that always gives the same answer of the same size.

use super::placing::{Placing, folder_of};
use super::{CONNECTIONS, finish, large};
use crate::Bench;
use crate::constant_route::ConstantRoute;
use crate::error::Result;
use crate::figures::{Figure, Goal};
use crate::load::requests::{self, Orders, PREPARED, PRODUCTS, Way};
use crate::load::wrk::Wrk;
use crate::measure::measure;
use crate::report::ScenarioReport;
use crate::scenario::Scenario;
use crate::shop::Shop;
use crate::turns::{Counted, Turn, in_turns, rated};
use crate::warm_up_of;

/// The names of the results that others are held against.
pub const PRODUCTS_READ: &str = "products read";
/// The same for orders.
pub const ORDERS_READ: &str = "orders read";
/// The same for those of a shop with millions of them.
pub const READ_ALL_OVER: &str = "orders read all over";

/// Measures it.
pub async fn run(bench: &Bench) -> Result<ScenarioReport> {
    let shop = Shop::open(&bench.stage, "reads", 1).await?;
    let mut outcome = ScenarioReport::of(Scenario::Reads);
    let name = "orders to read";
    let placing = Placing {
        name,
        orders: Orders::Mixed,
        way: Way::Plain,
        connections: CONNECTIONS,
        seconds: bench.warm_up_seconds(),
    };
    let (_, wrong) = placing.run(&shop).await?;
    outcome.wrong.extend(wrong);
    for (read, name, least) in [(Read::Product, PRODUCTS_READ, 0.7), (Read::NewOrder, ORDERS_READ, 0.25)] {
        let url = format!("{}{}", read.base(&shop), read.paths(&shop).await?.first().map_or("/", String::as_str));
        let size = bench.stage.http.get(url).send().await?.error_for_status()?.bytes().await?.len();
        let route = ConstantRoute::start(&bench.settings.bench, size).await?;
        let seconds = bench.turn_seconds();
        let constant = async || {
            let paths = vec!["/".to_owned()];
            Ok(rated(get(&shop, &route.url(), "a constant answer", paths, seconds, None).await?))
        };
        let measured = async || read.run(&shop, name, seconds).await;
        let (Turn { load, reference }, wrong) = in_turns(&bench.steps, bench.turns(), constant, measured).await?;
        outcome.wrong.extend(wrong);
        let figure = Figure::new(name, load.answers.per_second(), "/s");
        let figure = figure.against("a constant answer of the same size", reference);
        outcome.figures.push(figure.wanted(Goal::AtLeast(least)));
        outcome.loads.push(load);
    }
    finish(bench, shop, outcome).await
}

/// What is read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Read {
    Product,
    /// The orders placed last.
    NewOrder,
    /// Random orders of all that there are.
    AnyOrder,
    /// The newest orders of each of the customers that [`super::large`] makes up.
    ListOfCustomer,
}

impl Read {
    /// Warms up and measures for so many seconds.
    pub async fn run(self, shop: &Shop<'_>, name: &str, seconds: u32) -> Result<Counted> {
        get(shop, self.base(shop), name, self.paths(shop).await?, seconds, None).await
    }

    fn base<'s>(self, shop: &'s Shop<'_>) -> &'s str {
        match self {
            Self::Product => shop.inventory_url(0),
            Self::NewOrder | Self::AnyOrder | Self::ListOfCustomer => shop.order_url(0),
        }
    }

    /// The paths of what is read.
    pub async fn paths(self, shop: &Shop<'_>) -> Result<Vec<String>> {
        match self {
            Self::Product => {
                let ids = (0..PREPARED).map(|_| fastrand::i64(1..=PRODUCTS));
                Ok(ids.map(|id| format!("/api/inventory/products/{id}")).collect())
            }
            Self::NewOrder => {
                orders(shop, &format!("SELECT id FROM orders.orders ORDER BY id DESC LIMIT {PREPARED}")).await
            }
            Self::AnyOrder => {
                // The next id after each number: however many orders there are, it costs the same.
                let sql = format!(
                    "SELECT o.id FROM (SELECT floor(random() * (SELECT max(id) FROM orders.orders))::bigint AS wanted
                                       FROM generate_series(1, {PREPARED})) AS numbers
                     CROSS JOIN LATERAL (SELECT id FROM orders.orders WHERE id >= wanted ORDER BY id LIMIT 1) AS o"
                );
                orders(shop, &sql).await
            }
            Self::ListOfCustomer => {
                let customers = (0..PREPARED).map(|_| fastrand::u32(1..=large::CUSTOMERS));
                Ok(customers
                    .map(|it| format!("/api/orders?customerEmail=customer{it}%40example.com&limit=20"))
                    .collect())
            }
        }
    }
}

/// The paths of the orders whose ids a query gives.
pub async fn orders(shop: &Shop<'_>, sql: &str) -> Result<Vec<String>> {
    Ok(shop.database.run(sql).await?.lines().map(|id| format!("/api/orders/{id}")).collect())
}

/// Warms up and measures `GET` of these paths, which leaves nothing behind.
pub async fn get(
    shop: &Shop<'_>,
    url: &str,
    name: &str,
    paths: Vec<String>,
    seconds: u32,
    token: Option<&str>,
) -> Result<Counted> {
    get_by(shop, url, name, paths, seconds, token, CONNECTIONS).await
}

/// The same over one connection: how long one answer takes, where nobody waits for anybody.
pub async fn get_one_by_one(
    shop: &Shop<'_>,
    url: &str,
    name: &str,
    paths: Vec<String>,
    seconds: u32,
) -> Result<Counted> {
    get_by(shop, url, name, paths, seconds, None, 1).await
}

async fn get_by(
    shop: &Shop<'_>,
    url: &str,
    name: &str,
    paths: Vec<String>,
    seconds: u32,
    token: Option<&str>,
    connections: u32,
) -> Result<Counted> {
    let requests = requests::write_gets(&folder_of(shop)?, paths.into_iter())?;
    let way = Way::Plain;
    let load = Wrk { url, method: "GET", requests, way, token, first: 0, connections, seconds };
    let warm_up = Wrk { seconds: warm_up_of(seconds), ..load.clone() };
    warm_up.run().await?;
    Ok((measure(shop, name, load.run()).await?, Vec::new()))
}
