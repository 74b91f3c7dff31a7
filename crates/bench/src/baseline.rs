//! What the services are compared with: PostgreSQL alone, two plain transactions for each order, row by row.

use crate::Bench;
use crate::error::{BenchError, Result};
use crate::measure::disturbance;
use crate::pgbench::{self, Point};
use crate::usage::Watch;
use serde::{Deserialize, Serialize};

/// Numbers of clients that are tried; the best of them is what counts.
const CLIENTS: [u32; 5] = [1, 8, 16, 32, 64];

const WARM_UP_CLIENTS: u32 = 16;

const MIXED: &str = include_str!("../sql/order-mixed.sql");
const HOT: &str = include_str!("../sql/order-hot.sql");

/// What PostgreSQL does without the services.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Baseline {
    /// Orders of two random products.
    pub mixed: Vec<Point>,
    /// Orders of one product, the same for all.
    pub hot: Vec<Point>,
}

impl Baseline {
    /// Orders per second with the best number of clients.
    pub fn best(points: &[Point]) -> f64 {
        points.iter().map(|point| point.orders_per_second).fold(0.0, f64::max)
    }

    /// What this number of clients achieved.
    pub fn at(points: &[Point], clients: u32) -> Point {
        points.iter().find(|point| point.clients == clients).cloned().unwrap_or_default()
    }
}

/// Measures on a database of its own: the same server, tables, indexes and triggers as the services have.
pub async fn run(bench: &Bench) -> Result<Baseline> {
    let stage = &bench.stage;
    let folder = stage.run_dir.join("baseline");
    std::fs::create_dir_all(&folder).map_err(BenchError::file(&folder))?;
    let mut measured = [Vec::new(), Vec::new()];
    for ((name, script), points) in [("mixed", MIXED), ("hot", HOT)].into_iter().zip(&mut measured) {
        let database = stage.database(&format!("bench_baseline_{name}")).await?;
        let warm_up = bench.warm_up_seconds();
        pgbench::run(&stage.postgres, &database, &folder, script, WARM_UP_CLIENTS, warm_up).await?;
        for clients in bench.settings.some_of(&CLIENTS) {
            database.checkpoint().await?;
            let seconds = bench.settings.seconds;
            let watch = Watch::begin(stage.groups()?);
            let point = pgbench::run(&stage.postgres, &database, &folder, script, clients, seconds).await?;
            let disturbance = disturbance(&watch.end(0), seconds.into());
            let Point { orders_per_second, p50_ms, p99_ms, .. } = point;
            bench.steps.say(&format!(
                "PostgreSQL alone, {name}, {clients:>2} clients: {orders_per_second:.0} orders/s, p50 {p50_ms:.2} ms, \
                 p99 {p99_ms:.2} ms"
            ));
            if let Some(share) = disturbance {
                bench.steps.say(&format!("DISTURBED: {:.0} % of the machine did something else", share * 100.0));
            }
            points.push(point);
        }
        database.delete().await?;
    }
    let [mixed, hot] = measured;
    Ok(Baseline { mixed, hot })
}
