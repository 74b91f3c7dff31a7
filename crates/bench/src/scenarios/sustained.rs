//! A minute of orders: how many are confirmed per second, and whether anything piles up behind the answers.

use super::placing::{Placing, unconfirmed};
use super::{CONNECTIONS, finish};
use crate::Bench;
use crate::baseline::{self, ALONE, Baseline, Workload};
use crate::error::{BenchError, Result};
use crate::figures::{Figure, Goal};
use crate::load::requests::{Orders, Way};
use crate::measure::{Load, measure};
use crate::report::{ScenarioReport, Series};
use crate::scenario::Scenario;
use crate::shop::Shop;
use serde_json::Value;
use std::time::{Duration, Instant};

/// So much longer than the other loads; but where only to see that it works.
const TIMES_LONGER: [u32; 2] = [2, 6];

const EVERY: Duration = Duration::from_secs(1);

/// Messages that wait, at one moment of the load.
#[derive(Clone, Copy, Debug)]
struct Waiting {
    second: f64,
    outbox: f64,
    queues: f64,
}

/// Measures it.
pub async fn run(bench: &Bench) -> Result<ScenarioReport> {
    let shop = Shop::open(&bench.stage, "sustained", 1).await?;
    let mut outcome = ScenarioReport::of(Scenario::Sustained);
    let (name, seconds) =
        ("placing orders, two lines", bench.settings.seconds * TIMES_LONGER[usize::from(!bench.settings.smoke)]);
    let placing = Placing { name, orders: Orders::Mixed, way: Way::Plain, connections: CONNECTIONS, seconds };
    let best = Baseline::best(&bench.baseline.mixed).clients;
    let ((load, begun, waiting), alone) =
        baseline::around(bench, Workload::Mixed, best, watched(bench, &shop, &placing)).await?;
    outcome.add(load);
    shop.quiet().await?;

    outcome.wrong.extend(unconfirmed(&shop, 0.0).await?);
    let history = by_second(&shop, &begun).await?;
    let confirmed: f64 =
        history.iter().filter(|row| (0.0..f64::from(seconds)).contains(&row[0])).map(|row| row[2]).sum();
    let rate = confirmed / f64::from(seconds);
    let backlog = backlog(&history, seconds);
    let at_the_end = backlog.last().map_or(0.0, |(_, orders)| *orders);
    let in_seconds = |count: f64| if rate > 0.0 { count / rate } else { f64::MAX };
    let unpublished = waiting.last().map_or(0.0, |last| last.outbox + last.queues);
    outcome.figures.extend([
        Figure::new("orders confirmed", rate, "/s").against(ALONE, alone.orders_per_second).wanted(Goal::AtLeast(1.5)),
        Figure::new("orders not yet confirmed at the end", in_seconds(at_the_end), "s of work")
            .wanted(Goal::AtMost(1.0)),
        Figure::new("growth of these per second", growth(&backlog) / rate.max(1.0) * 100.0, "%")
            .wanted(Goal::AtMost(1.0)),
        Figure::new("messages unpublished or unread at the end", unpublished, ""),
    ]);
    outcome.series.extend([
        Series { name: "orders not yet confirmed".to_owned(), points: backlog },
        series("messages in the outboxes", &waiting, |it| it.outbox),
        series("messages in the queues", &waiting, |it| it.queues),
    ]);
    finish(bench, shop, outcome).await
}

/// The load, when it began, and what waited meanwhile.
async fn watched(bench: &Bench, shop: &Shop<'_>, placing: &Placing<'_>) -> Result<(Load, String, Vec<Waiting>)> {
    placing.load(shop, bench.warm_up_seconds())?.run().await?;
    let begun = shop.database.run("SELECT clock_timestamp()").await?;
    let load = placing.load(shop, placing.seconds)?;
    let mut waiting = Ok(Vec::new());
    let load = measure(shop, placing.name, async {
        let (answers, seen) = tokio::join!(load.run(), watch(shop, placing.seconds));
        waiting = seen;
        answers
    })
    .await?;
    Ok((load, begun, waiting?))
}

fn series(name: &str, waiting: &[Waiting], pick: fn(&Waiting) -> f64) -> Series {
    Series { name: name.to_owned(), points: waiting.iter().map(|it| (it.second, pick(it))).collect() }
}

/// Looks every second at how much waits to be published and to be heard.
async fn watch(shop: &Shop<'_>, seconds: u32) -> Result<Vec<Waiting>> {
    // Messages leave in the order of their ids: first and last tell how many there are without counting them.
    let outboxes = "SELECT COALESCE((SELECT max(id) - min(id) + 1 FROM orders.outbox), 0)
                         + COALESCE((SELECT max(id) - min(id) + 1 FROM inventory.outbox), 0)";
    let started = Instant::now();
    let mut seen = Vec::new();
    while started.elapsed() + EVERY < Duration::from_secs(seconds.into()) {
        tokio::time::sleep(EVERY).await;
        let (outbox, queues) = (shop.database.number(outboxes).await?, queued(shop).await?);
        seen.push(Waiting { second: started.elapsed().as_secs_f64(), outbox, queues });
    }
    Ok(seen)
}

/// Messages in all queues; the broker's own figures, which are up to 5 s old.
async fn queued(shop: &Shop<'_>) -> Result<f64> {
    let (management, vhost) = (shop.stage.rabbitmq.management_url(), shop.database.name());
    let url = format!("{management}/api/queues/{vhost}?columns=messages");
    let text = shop.stage.http.get(url).send().await?.error_for_status()?.text().await?;
    let queues: Vec<Value> =
        serde_json::from_str(&text).map_err(|_| BenchError::unreadable("the management API", &text))?;
    // A queue without statistics yet is shown as an empty array.
    Ok(queues.iter().filter_map(|queue| queue.get("messages")?.as_u64()).sum::<u64>() as f64)
}

/// Second since `begun`, orders placed and orders confirmed in it, from the timelines of all orders.
async fn by_second(shop: &Shop<'_>, begun: &str) -> Result<Vec<Vec<f64>>> {
    let sql = format!(
        "SELECT floor(extract(epoch FROM at - '{begun}'::timestamptz)) AS second,
                count(*) FILTER (WHERE status = 'PENDING'), count(*) FILTER (WHERE status = 'CONFIRMED')
         FROM orders.order_status_history GROUP BY second ORDER BY second"
    );
    shop.database.numbers(&sql).await
}

/// Orders placed and not yet confirmed at the end of each second of the load.
fn backlog(history: &[Vec<f64>], seconds: u32) -> Vec<(f64, f64)> {
    let open_after = |second: f64| {
        let until = history.iter().filter(|row| row[0] < second);
        until.map(|row| row[1] - row[2]).sum::<f64>()
    };
    (1..=seconds).map(|second| (f64::from(second), open_after(f64::from(second)))).collect()
}

/// By how much the second half of a series exceeds the first on average, per second between their middles.
fn growth(points: &[(f64, f64)]) -> f64 {
    let (first, second) = points.split_at(points.len() / 2);
    let mean = |half: &[(f64, f64)]| half.iter().map(|(_, value)| value).sum::<f64>() / half.len().max(1) as f64;
    if first.is_empty() { 0.0 } else { (mean(second) - mean(first)) / (points.len() as f64 / 2.0) }
}

#[cfg(test)]
mod tests {
    use super::{backlog, growth};

    #[test]
    fn the_backlog_is_what_was_placed_and_not_confirmed() {
        let history = [vec![-1.0, 10.0, 4.0], vec![0.0, 100.0, 90.0], vec![1.0, 100.0, 106.0], vec![2.0, 0.0, 10.0]];
        assert_eq!(backlog(&history, 2), [(1.0, 16.0), (2.0, 10.0)]);
    }

    #[test]
    fn a_backlog_that_rises_by_ten_each_second_grows_by_ten() {
        let rising: Vec<(f64, f64)> = (0..20).map(|second| (f64::from(second), f64::from(second) * 10.0)).collect();
        assert_eq!(growth(&rising), 10.0);
        assert_eq!(growth(&[(1.0, 5.0), (2.0, 5.0)]), 0.0);
        assert_eq!(growth(&[]), 0.0);
    }
}
