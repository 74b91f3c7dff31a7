//! What the connections of a load generator of our own saw.

use super::{Answers, Latency};
use crate::percentiles::of_sorted;
use reqwest::StatusCode;
use tokio::time::Instant;

/// Times and outcomes of requests.
#[derive(Debug, Default)]
pub struct Seen {
    times_ms: Vec<f64>,
    refused: u64,
    unanswered: u64,
}

impl Seen {
    /// A request that was due then has ended, with this status if there was an answer.
    pub fn note(&mut self, due: Instant, status: Option<StatusCode>) {
        match status {
            Some(status) => {
                self.times_ms.push(due.elapsed().as_secs_f64() * 1000.0);
                self.refused += u64::from(!status.is_success());
            }
            None => self.unanswered += 1,
        }
    }

    /// With what another connection saw.
    pub fn add(&mut self, other: Self) {
        self.times_ms.extend(other.times_ms);
        self.refused += other.refused;
        self.unanswered += other.unanswered;
    }

    /// All of it, of a load that lasted so long.
    pub fn answers(mut self, seconds: f64) -> Answers {
        self.times_ms.sort_by(f64::total_cmp);
        let [p50_ms, p95_ms, p99_ms, p999_ms, max_ms] =
            [0.5, 0.95, 0.99, 0.999, 1.0].map(|share| of_sorted(&self.times_ms, share));
        Answers {
            requests: self.times_ms.len() as u64,
            seconds,
            unanswered: self.unanswered,
            refused: self.refused,
            latency: Latency { p50_ms, p95_ms, p99_ms, p999_ms, max_ms },
        }
    }
}
