//! What the services take from the machine: memory under load and without, processor time when idle, time to start.

use super::placing::Placing;
use super::{CONNECTIONS, finish};
use crate::Bench;
use crate::error::Result;
use crate::figures::{Figure, Goal};
use crate::load::requests::{Orders, Way};
use crate::percentiles::median;
use crate::report::ScenarioReport;
use crate::scenario::Scenario;
use crate::shop::{ACCOUNTS, END_LIMIT, Shop};
use crate::usage::{Snapshot, of_tree};
use std::time::{Duration, Instant};
use testbed::Service;

const STARTS: [u32; 5] = [1, 2, 3, 4, 5];

const IDLE: Duration = Duration::from_secs(15);

const MIB: f64 = 1024.0 * 1024.0;

/// Measures it.
pub async fn run(bench: &Bench) -> Result<ScenarioReport> {
    let mut shop = Shop::open_with_accounts(&bench.stage, "resources").await?;
    let mut outcome = ScenarioReport::of(Scenario::Resources);
    shop.quiet().await?;
    let idle = if bench.settings.smoke { IDLE / 15 } else { IDLE };
    let before = each(&shop);
    tokio::time::sleep(idle).await;
    for ((name, before), (_, after)) in before.into_iter().zip(each(&shop)) {
        let share = (after.cpu_seconds - before.cpu_seconds) / idle.as_secs_f64() * 100.0;
        outcome.figures.extend([
            Figure::new(format!("{name}, memory when idle"), after.rss_bytes / MIB, "MiB").wanted(Goal::AtMost(24.0)),
            Figure::new(format!("{name}, processor when idle"), share, "%").wanted(Goal::AtMost(0.5)),
        ]);
    }
    let (name, seconds) = ("placing orders, two lines", bench.settings.seconds);
    let placing = Placing { name, orders: Orders::Mixed, way: Way::Plain, connections: CONNECTIONS, seconds };
    let (load, wrong) = placing.run(&shop).await?;
    outcome.wrong.extend(wrong);
    // No order passes through account-service.
    for group in load.usage.iter().filter(|group| group.name.ends_with("-service") && group.name != ACCOUNTS) {
        let name = format!("{}, memory under load", group.name);
        outcome.figures.push(Figure::new(name, group.max_rss_mib, "MiB").wanted(Goal::AtMost(64.0)));
    }
    outcome.add(load);
    for (name, service) in [
        ("order-service", &mut shop.orders[0]),
        ("inventory-service", &mut shop.inventory[0]),
        (ACCOUNTS, &mut shop.accounts[0]),
    ] {
        let seconds = time_to_start(service, &bench.settings.some_of(&STARTS))?;
        outcome.figures.push(Figure::new(format!("{name}, start to ready"), seconds, "s").wanted(Goal::AtMost(0.5)));
    }
    finish(bench, shop, outcome).await
}

fn each(shop: &Shop<'_>) -> Vec<(&'static str, Snapshot)> {
    shop.services().into_iter().map(|(name, pids)| (name, of_tree(&pids))).collect()
}

/// The median of some starts, in seconds, on a database that is migrated already.
fn time_to_start(service: &mut Service, starts: &[u32]) -> Result<f64> {
    let mut times = Vec::new();
    for _ in starts {
        service.ask_to_end();
        service.ended(END_LIMIT)?;
        let started = Instant::now();
        service.launch()?;
        service.ready_as(&["UP"])?;
        times.push(started.elapsed().as_secs_f64());
    }
    Ok(median(times))
}
