//! What the services are compared with: PostgreSQL alone, two plain transactions for each order, row by row.

use crate::Bench;
use crate::database::Database;
use crate::error::Result;
use crate::measure::disturbance;
use crate::pgbench::{self, Point};
use crate::usage::Watch;
use serde::{Deserialize, Serialize};
use std::future::Future;

/// What it is called in the results.
pub const ALONE: &str = "PostgreSQL alone";

/// Numbers of clients that are tried; the best of them is what counts.
const CLIENTS: [u32; 5] = [1, 8, 16, 32, 64];

const WARM_UP_CLIENTS: u32 = 16;

/// What PostgreSQL is given to do.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Workload {
    /// Orders of two random products.
    Mixed,
    /// Orders of one product, the same for all.
    Hot,
}

impl Workload {
    const ALL: [Self; 2] = [Self::Mixed, Self::Hot];

    fn name(self) -> &'static str {
        match self {
            Self::Mixed => "mixed",
            Self::Hot => "hot",
        }
    }

    fn script(self) -> &'static str {
        match self {
            Self::Mixed => include_str!("../sql/order-mixed.sql"),
            Self::Hot => include_str!("../sql/order-hot.sql"),
        }
    }
}

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
    /// What the best number of clients achieved.
    pub fn best(points: &[Point]) -> Point {
        let best = points.iter().max_by(|one, other| one.orders_per_second.total_cmp(&other.orders_per_second));
        best.cloned().unwrap_or_default()
    }
}

/// Measures `load` between two halves of the baseline with this number of clients; gives the mean of these as well.
///
/// What [`run`] has found is minutes old by now, and a shared machine changes its speed within minutes.
pub async fn around<T>(
    bench: &Bench,
    workload: Workload,
    clients: u32,
    load: impl Future<Output = Result<T>>,
) -> Result<(T, Point)> {
    let before = half(bench, workload, clients).await?;
    let load = load.await?;
    Ok((load, before.mean(&half(bench, workload, clients).await?)))
}

async fn half(bench: &Bench, workload: Workload, clients: u32) -> Result<Point> {
    let alone = Alone::open(bench, workload, clients).await?;
    let point = alone.measure(clients, bench.half_of_the_seconds()).await?;
    alone.close().await?;
    Ok(point)
}

/// PostgreSQL alone, to be measured more than once.
pub struct Alone<'a> {
    bench: &'a Bench,
    database: Database,
    workload: Workload,
}

impl<'a> Alone<'a> {
    /// Makes its database and warms it up, unless figures mean nothing.
    pub async fn open(bench: &'a Bench, workload: Workload, clients: u32) -> Result<Self> {
        let database = bench.stage.database(&format!("bench_baseline_{}", workload.name())).await?;
        if !bench.settings.smoke {
            play(bench, &database, workload, clients, bench.warm_up_seconds()).await?;
        }
        database.checkpoint().await?;
        Ok(Self { bench, database, workload })
    }

    /// Measures it with so many clients, for so many seconds.
    pub async fn measure(&self, clients: u32, seconds: u32) -> Result<Point> {
        measure(self.bench, &self.database, self.workload, clients, seconds).await
    }

    /// Deletes its database.
    pub async fn close(self) -> Result<()> {
        self.database.delete().await
    }
}

/// Measures on a database of its own: the same server, tables, indexes and triggers as the services have.
pub async fn run(bench: &Bench) -> Result<Baseline> {
    let mut measured = [Vec::new(), Vec::new()];
    for (workload, points) in Workload::ALL.into_iter().zip(&mut measured) {
        let alone = Alone::open(bench, workload, WARM_UP_CLIENTS).await?;
        for clients in bench.settings.some_of(&CLIENTS) {
            alone.database.checkpoint().await?;
            points.push(alone.measure(clients, bench.settings.seconds).await?);
        }
        alone.close().await?;
    }
    let [mixed, hot] = measured;
    Ok(Baseline { mixed, hot })
}

async fn play(bench: &Bench, database: &Database, workload: Workload, clients: u32, seconds: u32) -> Result<Point> {
    let stage = &bench.stage;
    let folder = stage.run_dir.join("baseline");
    pgbench::run(&stage.postgres, database, &folder, workload.script(), clients, seconds).await
}

/// The same, watched and told.
async fn measure(bench: &Bench, database: &Database, workload: Workload, clients: u32, seconds: u32) -> Result<Point> {
    let watch = Watch::begin(bench.stage.groups()?);
    let point = play(bench, database, workload, clients, seconds).await?;
    let disturbance = disturbance(&watch.end(0), seconds.into());
    let Point { orders_per_second, p50_ms, p99_ms, .. } = point;
    bench.steps.say(&format!(
        "{ALONE}, {}, {clients:>2} clients: {orders_per_second:.0} orders/s, p50 {p50_ms:.2} ms, p99 {p99_ms:.2} ms",
        workload.name()
    ));
    if let Some(share) = disturbance {
        bench.steps.say(&format!("DISTURBED: {:.0} % of the machine did something else", share * 100.0));
    }
    Ok(point)
}
