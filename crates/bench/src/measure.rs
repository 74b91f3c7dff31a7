//! One load on a shop, and everything that is counted while it lasts.

use crate::error::Result;
use crate::load::Answers;
use crate::metrics::Metrics;
use crate::shop::Shop;
use crate::usage::{ELSEWHERE, GroupUsage, Watch};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A load and what it cost.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Load {
    /// What was asked for.
    pub name: String,
    pub answers: Answers,
    /// Answers of the services by status, as they count them themselves.
    pub statuses: BTreeMap<String, u64>,
    /// Processor time and memory of each group of processes.
    pub usage: Vec<GroupUsage>,
    /// Events published, per answer.
    pub events_per_answer: f64,
    /// Messages they were published in, per answer.
    pub messages_per_answer: f64,
    /// Requests that shared a transaction, on average, for each queue that made batches of them.
    pub batches: BTreeMap<String, f64>,
    /// SQL statements run, per answer.
    pub statements_per_answer: f64,
    /// Bytes of write-ahead log written, per answer.
    pub wal_bytes_per_answer: f64,
}

impl Load {
    /// What is wrong with the answers where every one should have been a success.
    pub fn failures(&self) -> Vec<String> {
        let Answers { requests, unanswered, refused, .. } = self.answers;
        let mut found = Vec::new();
        if unanswered > 0 || refused > 0 {
            let statuses = &self.statuses;
            found.push(format!("{}: {unanswered} without an answer, {refused} refused; {statuses:?}", self.name));
        }
        if requests == 0 {
            found.push(format!("{}: no answer at all", self.name));
        }
        found
    }
}

/// What somebody else may take of the machine before figures are not worth much, as a share of all its cores.
const TOLERABLE: f64 = 0.2;

/// The share of the machine that went elsewhere, where it is too much to believe the figures.
pub fn disturbance(usage: &[GroupUsage], seconds: f64) -> Option<f64> {
    let cores = std::thread::available_parallelism().map_or(1, |count| count.get()) as f64;
    let elsewhere = usage.iter().find(|group| group.name == ELSEWHERE)?.cpu_seconds;
    Some(elsewhere / (seconds * cores)).filter(|share| *share > TOLERABLE)
}

/// Where the services make batches.
const QUEUES: [&str; 3] = ["placements", "acceptances", "reservations"];

const STATUSES: [&str; 9] = ["200", "201", "202", "400", "404", "409", "422", "500", "503"];

/// Counters of a shop at one moment.
struct Counters {
    metrics: Metrics,
    statements: f64,
    wal_bytes: f64,
}

impl Counters {
    async fn read(shop: &Shop<'_>) -> Result<Self> {
        let counted = "SELECT (SELECT COALESCE(sum(s.calls), 0) FROM pg_stat_statements s
                               JOIN pg_database d ON d.oid = s.dbid WHERE d.datname = current_database()),
                              pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0')";
        let rows = shop.database.numbers(counted).await?;
        let [statements, wal_bytes] = rows.first().map_or([0.0; 2], |row| [row[0], row[1]]);
        Ok(Self { metrics: shop.metrics().await?, statements, wal_bytes })
    }
}

/// Puts a load on the shop and counts.
pub async fn measure(shop: &Shop<'_>, name: &str, load: impl Future<Output = Result<Answers>>) -> Result<Load> {
    let before = Counters::read(shop).await?;
    let watch = Watch::begin(shop.groups()?);
    let answers = load.await?;
    let usage = watch.end(answers.requests);
    let after = Counters::read(shop).await?;
    let more = |name: &str, labels: &[&str]| after.metrics.sum(name, labels) - before.metrics.sum(name, labels);
    let per_answer = |count: f64| if answers.requests > 0 { count / answers.requests as f64 } else { 0.0 };
    let with_status = |status: &str| {
        let label = format!("status=\"{status}\"");
        // The two services call each other and are asked for their health; only what clients ask for counts here.
        let count = ["/api/orders", "/api/orders/{id}", "/api/inventory/products/{id}"]
            .map(|route| more("http_request_duration_seconds_count", &[&label, &format!("route=\"{route}\"")]));
        (status.to_owned(), count.iter().sum::<f64>() as u64)
    };
    let in_batches = |queue: &str| {
        let label = format!("queue=\"{queue}\"");
        let batches = more("batch_size_count", &[&label]);
        (batches > 0.0).then(|| (queue.to_owned(), more("batch_size_sum", &[&label]) / batches))
    };
    Ok(Load {
        name: name.to_owned(),
        statuses: STATUSES.into_iter().map(with_status).filter(|(_, count)| *count > 0).collect(),
        usage,
        events_per_answer: per_answer(more("outbox_published_total", &[])),
        messages_per_answer: per_answer(more("outbox_messages_published_total", &[])),
        batches: QUEUES.into_iter().filter_map(in_batches).collect(),
        statements_per_answer: per_answer(after.statements - before.statements),
        wal_bytes_per_answer: per_answer(after.wal_bytes - before.wal_bytes),
        answers,
    })
}
