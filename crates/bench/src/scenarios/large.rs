//! The same orders and reads with millions of orders in the tables: what an order costs must not grow with them.

use super::placing::Placing;
use super::reads::{self, Read};
use super::{CONNECTIONS, placement};
use crate::Bench;
use crate::database::Database;
use crate::error::{BenchError, Result};
use crate::figures::{Figure, Goal};
use crate::load::requests::{Orders, Way};
use crate::report::ScenarioReport;
use crate::scenario::Scenario;
use crate::shop::Shop;
use crate::stage::Stage;
use crate::turns::{Turn, in_turns, rated};
use std::time::Instant;
use testbed::step::{Steps, seconds};

const SCRIPTS: [(&str, &str); 2] = [
    ("many-orders-orders.sql", include_str!("../../sql/many-orders-orders.sql")),
    ("many-orders-inventory.sql", include_str!("../../sql/many-orders-inventory.sql")),
];

/// The orders are those of so many customers, as the script has it.
pub const CUSTOMERS: u32 = 100_000;

/// Compared order by order over HTTP up to here; further on only by SQL.
const FEW: u32 = 20_000;

/// A check of millions of orders takes a while after the start, and is not what is measured.
pub const NO_CHECKS: [(&str, &str); 1] = [("INVARIANT_CHECK_MINUTES", "0")];

const GOAL: Goal = Goal::AtLeast(0.9);

/// For what operators ask, in milliseconds.
const AT_ONCE: Goal = Goal::AtMost(20.0);

/// What `verify` looks for, by SQL, each with the number of breaches. Services give up such long queries.
const CHECKS: [(&str, &str); 5] = [
    (
        "orders and reservations that do not belong together",
        "SELECT count(*) FROM orders.orders o FULL JOIN inventory.reservations r ON r.id = o.reference
         WHERE (o.status = 'CONFIRMED' AND r.status = 'COMMITTED') IS NOT TRUE",
    ),
    (
        "lines that differ between order and reservation",
        "SELECT count(*) FROM (SELECT o.reference, i.product_id, i.product_name, i.quantity, i.price
                               FROM orders.order_items i JOIN orders.orders o ON o.id = i.order_id) AS ordered
         FULL JOIN inventory.reservation_items held
              ON held.reservation_id = ordered.reference AND held.product_id = ordered.product_id
         WHERE (ordered.quantity = held.quantity AND ordered.price = held.unit_price
                AND ordered.product_name = held.name) IS NOT TRUE",
    ),
    ("products whose stock is not the sum of its movements", "SELECT count(*) FROM inventory.stock_breaches"),
    (
        "movements that do not follow each other",
        "SELECT count(*) FROM (SELECT balance_after, sum(delta) OVER (PARTITION BY product_id ORDER BY id) AS moved
                               FROM inventory.stock_movements) AS m WHERE balance_after <> moved",
    ),
    ("orders whose total is not the sum of their lines", "SELECT count(*) FROM orders.total_breaches"),
];

/// Measures it.
pub async fn run(bench: &Bench) -> Result<ScenarioReport> {
    let database = Shop::database(&bench.stage, "large").await?;
    fill(&bench.stage, &bench.steps, bench.settings.orders, &database).await?;
    let shop = Shop::open_on(&bench.stage, database, 1, &NO_CHECKS).await?;
    let small = Shop::open(&bench.stage, "small", 1).await?;
    let mut outcome = ScenarioReport::of(Scenario::Large);
    let seconds = bench.turn_seconds();
    let figure = |name: &str, turn: &Turn| {
        let name = format!("{name}, {} orders there", bench.settings.orders);
        Figure::new(name, turn.load.answers.per_second(), "/s").against("with empty tables", turn.reference)
    };
    for (way, name, rate) in [
        (Way::Plain, "placing orders, two lines", placement::RATE),
        (Way::Keyed, "placing orders with an Idempotency-Key, two lines", "orders with a key placed"),
    ] {
        let placing = Placing { name, orders: Orders::Mixed, way, connections: CONNECTIONS, seconds };
        let reference = async || Ok(rated(placing.run(&small).await?));
        let measured = async || placing.run(&shop).await;
        let (turn, wrong) = in_turns(&bench.steps, bench.turns(), reference, measured).await?;
        outcome.wrong.extend(wrong);
        outcome.figures.push(figure(rate, &turn).wanted(GOAL));
        outcome.loads.push(turn.load);
    }
    for (read, of_small, name, goal) in [
        (Read::Product, Read::Product, reads::PRODUCTS_READ, Some(GOAL)),
        (Read::NewOrder, Read::NewOrder, reads::ORDERS_READ, Some(GOAL)),
        (Read::AnyOrder, Read::NewOrder, reads::READ_ALL_OVER, None),
    ] {
        let reference = async || Ok(rated(of_small.run(&small, name, seconds).await?));
        let measured = async || read.run(&shop, name, seconds).await;
        let (turn, wrong) = in_turns(&bench.steps, bench.turns(), reference, measured).await?;
        outcome.wrong.extend(wrong);
        let figure = figure(name, &turn);
        outcome.figures.push(match goal {
            Some(goal) => figure.wanted(goal),
            None => figure,
        });
        outcome.loads.push(turn.load);
    }
    let explained = Read::AnyOrder.paths(&shop).await?.into_iter().map(|path| path + "/explain").collect();
    for (name, paths) in [("explanations of orders", explained), ("metrics", vec!["/metrics".to_owned()])] {
        let (load, wrong) =
            reads::get_one_by_one(&shop, shop.order_url(0), name, paths, bench.settings.seconds).await?;
        outcome.wrong.extend(wrong);
        let name = format!("99 of 100 {name} within, {} orders there", bench.settings.orders);
        outcome.figures.push(Figure::new(name, load.answers.latency.p99_ms, "ms").wanted(AT_ONCE));
        outcome.add(load);
    }
    outcome.wrong.extend(small.breaches().await?);
    small.close().await?;
    bench.steps.say("checking what is left");
    outcome.wrong.extend(breaches(&shop, bench.settings.orders).await?);
    shop.close().await?;
    Ok(outcome)
}

/// What is wrong in a shop that was filled with so many orders, in words.
pub async fn breaches(shop: &Shop<'_>, orders: u32) -> Result<Vec<String>> {
    let mut wrong = Vec::new();
    for (what, sql) in CHECKS {
        let breaches = shop.database.number(sql).await?;
        if breaches != 0.0 {
            wrong.push(format!("{breaches} {what}"));
        }
    }
    if orders <= FEW {
        wrong.extend(shop.breaches().await?);
    }
    Ok(wrong)
}

/// Fills the tables of both services at once, as if so many orders had been placed.
pub async fn fill(stage: &Stage, steps: &Steps, orders: u32, database: &Database) -> Result<()> {
    let since = Instant::now();
    let orders = orders.to_string();
    // Shaped like the references of orders with an Idempotency-Key: UUIDv7s of the full hour, and a hash.
    let reference = "(lpad(to_hex((1700000000000 + n * 6000::bigint) / 3600000 * 3600000), 12, '0') \
                     || '7' || left(md5(n::text), 3) || '8' || right(md5(n::text), 15))::uuid";
    let placed_at = format!("(now() - ({orders} - n + 1) * INTERVAL '6 seconds')");
    let variables = [("orders", orders.as_str()), ("reference", reference), ("placed_at", &placed_at)];
    let [one, other] = SCRIPTS.map(|(name, script)| (stage.run_dir.join(name), script));
    for (path, script) in [&one, &other] {
        std::fs::write(path, script).map_err(BenchError::file(path))?;
    }
    let (one, other) = tokio::join!(database.run_file(&one.0, &variables), database.run_file(&other.0, &variables));
    one?;
    other?;
    database.run("VACUUM ANALYZE").await?;
    database.checkpoint().await?;
    steps.say(&format!("{orders} orders are there ({})", seconds(since.elapsed())));
    Ok(())
}
