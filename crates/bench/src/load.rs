//! What a load generator reports, whichever it is.

pub mod logins;
pub mod payers;
pub mod requests;
mod seen;
pub mod steady;
pub mod wrk;

use serde::{Deserialize, Serialize};

/// Answers to one load.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Answers {
    /// Requests that were answered, whatever the answer.
    pub requests: u64,
    /// How long the load lasted, in seconds.
    pub seconds: f64,
    /// Requests that got no answer in time, or none at all.
    pub unanswered: u64,
    /// Answers with a status of 400 or above.
    pub refused: u64,
    /// Times from request to answer, in milliseconds.
    pub latency: Latency,
}

/// Percentiles of the times from request to answer, in milliseconds.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Latency {
    /// Half of the requests.
    pub p50_ms: f64,
    pub p95_ms: f64,
    pub p99_ms: f64,
    pub p999_ms: f64,
    pub max_ms: f64,
}

impl Answers {
    /// Answers per second.
    pub fn per_second(&self) -> f64 {
        if self.seconds > 0.0 { self.requests as f64 / self.seconds } else { 0.0 }
    }

    /// The answers of two loads that ran at once. Percentiles cannot be added: the worse one is taken.
    pub fn and(&self, other: &Self) -> Self {
        let worse = |pick: fn(&Latency) -> f64| pick(&self.latency).max(pick(&other.latency));
        Self {
            requests: self.requests + other.requests,
            seconds: self.seconds.max(other.seconds),
            unanswered: self.unanswered + other.unanswered,
            refused: self.refused + other.refused,
            latency: Latency {
                p50_ms: worse(|it| it.p50_ms),
                p95_ms: worse(|it| it.p95_ms),
                p99_ms: worse(|it| it.p99_ms),
                p999_ms: worse(|it| it.p999_ms),
                max_ms: worse(|it| it.max_ms),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Answers, Latency};

    #[test]
    fn loads_at_once_add_up() {
        let latency = |p50_ms| Latency { p50_ms, ..Latency::default() };
        let one = Answers { requests: 100, seconds: 2.0, refused: 1, latency: latency(3.0), ..Answers::default() };
        let other = Answers { requests: 50, seconds: 2.0, unanswered: 2, latency: latency(4.0), ..Answers::default() };
        let both = one.and(&other);
        assert_eq!((both.requests, both.refused, both.unanswered), (150, 1, 2));
        assert_eq!(both.per_second(), 75.0);
        assert_eq!(both.latency.p50_ms, 4.0);
        assert_eq!(Answers::default().per_second(), 0.0);
    }
}
