//! wrk: as many requests as the answers allow, over a fixed number of connections.

use super::requests::Way;
use super::{Answers, Latency};
use crate::database::output_of;
use crate::error::{BenchError, Result};
use serde::Deserialize;
use std::path::{Path, PathBuf};
use std::process::Command;

const SCRIPT: &str = include_str!("../../lua/requests.lua");

/// A closed loop: each connection sends its next request when it has the answer to the last.
#[derive(Clone, Debug)]
pub struct Wrk<'a> {
    /// The server's URL without a path.
    pub url: &'a str,
    pub method: &'a str,
    /// The file with the requests.
    pub requests: PathBuf,
    /// How orders are asked for.
    pub way: Way,
    /// Whose access token is on every request.
    pub token: Option<&'a str>,
    /// The request to begin with.
    pub first: usize,
    pub connections: u32,
    /// How long, in seconds; 0 for not at all.
    pub seconds: u32,
}

impl Wrk<'_> {
    /// Runs it to its end. Its script is written beside the requests.
    pub async fn run(&self) -> Result<Answers> {
        if self.seconds == 0 {
            return Ok(Answers::default());
        }
        // Each with a script of its own: two that begin at once must not write what the other one reads.
        let script = self.requests.with_extension(format!("{}.lua", self.first));
        std::fs::write(&script, SCRIPT).map_err(BenchError::file(&script))?;
        let mut wrk = Command::new("wrk");
        wrk.args(["--threads=1", "--timeout=10s", "--latency"])
            .arg(format!("--connections={}", self.connections))
            .arg(format!("--duration={}s", self.seconds))
            .arg("--script")
            .args([&script, Path::new("--"), Path::new(self.url), Path::new(self.method), &self.requests])
            .args([self.way.as_str(), &self.first.to_string(), self.token.unwrap_or_default()]);
        parse(&output_of(wrk).await?)
    }
}

/// What the script prints; times in microseconds.
#[derive(Deserialize)]
struct Printed {
    requests: u64,
    duration: u64,
    connect: u64,
    read: u64,
    write: u64,
    timeout: u64,
    status: u64,
    p50: u64,
    p95: u64,
    p99: u64,
    p999: u64,
    max: u64,
}

fn parse(printed: &str) -> Result<Answers> {
    let line = printed.lines().find(|line| line.starts_with("{\"requests\""));
    let parsed = line.and_then(|line| serde_json::from_str::<Printed>(line).ok());
    let Some(parsed) = parsed else {
        return Err(BenchError::unreadable("wrk", printed));
    };
    let ms = |microseconds: u64| microseconds as f64 / 1000.0;
    Ok(Answers {
        requests: parsed.requests,
        seconds: parsed.duration as f64 / 1e6,
        unanswered: parsed.connect + parsed.read + parsed.write + parsed.timeout,
        refused: parsed.status,
        latency: Latency {
            p50_ms: ms(parsed.p50),
            p95_ms: ms(parsed.p95),
            p99_ms: ms(parsed.p99),
            p999_ms: ms(parsed.p999),
            max_ms: ms(parsed.max),
        },
    })
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn reads_the_line_among_what_wrk_prints_itself() {
        let printed = "Running 1s test @ http://127.0.0.1:1\n  1 threads and 4 connections\n\
            {\"requests\":3000,\"duration\":2000000,\"connect\":1,\"read\":2,\"write\":0,\"timeout\":4,\"status\":5,\
            \"p50\":1500,\"p95\":2000,\"p99\":2500,\"p999\":3000,\"max\":9000}\n";
        let answers = parse(printed).unwrap();
        assert_eq!((answers.requests, answers.unanswered, answers.refused), (3000, 7, 5));
        assert_eq!(answers.per_second(), 1500.0);
        assert_eq!((answers.latency.p50_ms, answers.latency.max_ms), (1.5, 9.0));
    }

    #[test]
    fn says_what_it_cannot_read() {
        let error = parse("unable to connect to 127.0.0.1:1 Connection refused").unwrap_err();
        assert!(error.to_string().contains("Connection refused"));
    }
}
