//! PostgreSQL's own load generator, for what the services are compared with.

use crate::database::{Database, output_of};
use crate::error::{BenchError, Result};
use crate::percentiles::of_sorted;
use serde::{Deserialize, Serialize};
use std::path::Path;
use testbed::postgres::Postgres;

/// What one number of clients achieved.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Point {
    /// Clients at once, each on a connection of its own.
    pub clients: u32,
    /// Orders written per second.
    pub orders_per_second: f64,
    /// Half of the orders took at most this long, in milliseconds.
    pub p50_ms: f64,
    /// 99 of 100 orders took at most this long, in milliseconds.
    pub p99_ms: f64,
}

impl Point {
    /// What lies between this and another measurement with the same number of clients.
    pub fn mean(&self, other: &Self) -> Self {
        let mean = |pick: fn(&Self) -> f64| (pick(self) + pick(other)) / 2.0;
        Self {
            clients: self.clients,
            orders_per_second: mean(|it| it.orders_per_second),
            p50_ms: mean(|it| it.p50_ms),
            p99_ms: mean(|it| it.p99_ms),
        }
    }
}

/// Runs a script, one order at a time, with this many clients for so many seconds.
pub async fn run(
    postgres: &Postgres,
    database: &Database,
    folder: &Path,
    script: &str,
    clients: u32,
    seconds: u32,
) -> Result<Point> {
    let logs = folder.join(format!("pgbench-{clients}"));
    std::fs::create_dir_all(&logs).map_err(BenchError::file(&logs))?;
    let file = folder.join("order.sql");
    std::fs::write(&file, script).map_err(BenchError::file(&file))?;
    let mut pgbench = postgres.program("pgbench");
    let threads = std::thread::available_parallelism().map_or(1, |count| count.get()).min(clients as usize);
    pgbench
        .args(["--no-vacuum", "--protocol=prepared", "--host=127.0.0.1", "--username=postgres", "--log"])
        .args([format!("--port={}", postgres.port()), format!("--time={seconds}")])
        .args([format!("--client={clients}"), format!("--jobs={threads}")])
        .arg("--log-prefix")
        .arg(logs.join("log"))
        .arg("--file")
        .arg(&file)
        .arg(database.name());
    let orders_per_second = rate_in(&output_of(pgbench).await?)?;
    let mut times = Vec::new();
    for entry in std::fs::read_dir(&logs).map_err(BenchError::file(&logs))?.flatten() {
        let path = entry.path();
        times.extend(times_in(&std::fs::read_to_string(&path).map_err(BenchError::file(&path))?));
    }
    std::fs::remove_dir_all(&logs).map_err(BenchError::file(&logs))?;
    times.sort_by(f64::total_cmp);
    let [p50_ms, p99_ms] = [0.5, 0.99].map(|share| of_sorted(&times, share));
    Ok(Point { clients, orders_per_second, p50_ms, p99_ms })
}

/// Scripts per second; an error where any failed.
fn rate_in(printed: &str) -> Result<f64> {
    let unreadable = || BenchError::unreadable("pgbench", printed);
    let after = |start: &str| printed.lines().find_map(|line| line.strip_prefix(start));
    let failed = after("number of failed transactions: ").and_then(|rest| rest.split(' ').next());
    if failed.is_some_and(|count| count != "0") {
        return Err(unreadable());
    }
    let rate = after("tps = ").and_then(|rest| rest.split(' ').next());
    rate.and_then(|rate| rate.parse().ok()).ok_or_else(unreadable)
}

/// The times of a log, in milliseconds: the third column, in microseconds.
fn times_in(log: &str) -> impl Iterator<Item = f64> {
    let times = log.lines().filter_map(|line| line.split(' ').nth(2)?.parse::<f64>().ok());
    times.map(|microseconds| microseconds / 1000.0)
}

#[cfg(test)]
mod tests {
    use super::{Point, rate_in, times_in};

    #[test]
    fn the_mean_lies_in_between() {
        let point = |rate, ms| Point { clients: 8, orders_per_second: rate, p50_ms: ms, p99_ms: 2.0 * ms };
        assert_eq!(point(1000.0, 2.0).mean(&point(2000.0, 4.0)), point(1500.0, 3.0));
    }

    #[test]
    fn reads_the_rate() {
        let printed = "number of failed transactions: 0 (0.000%)\nlatency average = 1.2 ms\n\
                       tps = 812.345678 (without initial connection time)\n";
        assert_eq!(rate_in(printed).unwrap(), 812.345678);
    }

    #[test]
    fn a_failed_transaction_is_an_error() {
        let printed = "number of failed transactions: 3 (0.100%)\ntps = 812.3 (without initial connection time)\n";
        assert!(rate_in(printed).is_err());
        assert!(rate_in("something else").is_err());
    }

    #[test]
    fn reads_the_times_of_a_log() {
        let log = "0 199 2241 0 1175850568 995598\n0 200 2465 0 1175850568 998079\n1 1 failed 0 1 1\n";
        assert_eq!(times_in(log).collect::<Vec<_>>(), [2.241, 2.465]);
    }
}
