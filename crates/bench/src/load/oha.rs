//! oha: a fixed number of requests per second, whether or not the answers keep up (open loop).

use super::{Answers, Latency};
use crate::database::output_of;
use crate::error::{BenchError, Result};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

/// An open loop of POST requests. A request that has to wait for its connection is counted from when it was due.
#[derive(Clone, Debug)]
pub struct Oha<'a> {
    /// The program.
    pub program: &'a Path,
    /// Where the requests go.
    pub url: String,
    /// The file with a body in each line, of which a random one is taken.
    pub bodies: PathBuf,
    /// Connections.
    pub connections: u32,
    /// Requests per second.
    pub per_second: u32,
    /// How long, in seconds.
    pub seconds: u32,
}

impl Oha<'_> {
    /// Runs it to its end.
    pub async fn run(&self) -> Result<Answers> {
        let mut oha = Command::new(self.program);
        oha.args(["--no-tui", "--latency-correction", "--wait-ongoing-requests-after-deadline"])
            .args(["--output-format", "json", "-m", "POST", "-T", "application/json", "-t", "10s"])
            .args(["-c", &self.connections.to_string(), "-q", &self.per_second.max(1).to_string()])
            .args(["-z", &format!("{}s", self.seconds), "-Z"])
            .arg(&self.bodies)
            .arg(&self.url);
        parse(&output_of(oha).await?)
    }
}

/// The part of its JSON that matters here; times in seconds, `null` where there was no request.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Printed {
    summary: Summary,
    latency_percentiles: BTreeMap<String, Option<f64>>,
    status_code_distribution: BTreeMap<String, u64>,
    error_distribution: BTreeMap<String, u64>,
}

#[derive(Deserialize)]
struct Summary {
    total: f64,
    slowest: Option<f64>,
}

fn parse(printed: &str) -> Result<Answers> {
    let parsed: Printed = serde_json::from_str(printed).map_err(|_| BenchError::unreadable("oha", printed))?;
    let ms = |seconds: Option<f64>| seconds.unwrap_or_default() * 1000.0;
    let percentile = |name: &str| ms(parsed.latency_percentiles.get(name).copied().flatten());
    let statuses = &parsed.status_code_distribution;
    Ok(Answers {
        requests: statuses.values().sum(),
        seconds: parsed.summary.total,
        unanswered: parsed.error_distribution.values().sum(),
        refused: statuses.iter().filter(|(status, _)| !status.starts_with('2')).map(|(_, count)| count).sum(),
        latency: Latency {
            p50_ms: percentile("p50"),
            p95_ms: percentile("p95"),
            p99_ms: percentile("p99"),
            p999_ms: percentile("p99.9"),
            max_ms: ms(parsed.summary.slowest),
        },
    })
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn reads_its_json() {
        let printed = r#"{"summary": {"successRate": 1.0, "total": 2.0, "slowest": 0.009},
            "latencyPercentiles": {"p10": 0.001, "p50": 0.002, "p95": 0.003, "p99": 0.004, "p99.9": 0.005, "p99.99": null},
            "statusCodeDistribution": {"201": 90, "503": 10}, "errorDistribution": {"deadline has elapsed": 3}}"#;
        let answers = parse(printed).unwrap();
        assert_eq!((answers.requests, answers.refused, answers.unanswered), (100, 10, 3));
        assert_eq!((answers.per_second(), answers.latency.p99_ms, answers.latency.max_ms), (50.0, 4.0, 9.0));
    }

    #[test]
    fn says_what_it_cannot_read() {
        assert!(parse("error: invalid value").unwrap_err().to_string().contains("invalid value"));
    }
}
