//! What stands between placement and an inventory-service that is away: a deadline for each attempt, one more attempt
//! where the connection broke, and a circuit breaker that refuses at once what would fail anyway.

use crate::orders::config::Config;
use crate::orders::error::Error;
use backon::{ExponentialBuilder, Retryable};
use reqwest::{RequestBuilder, Response};
use service_kit::circuit::{CircuitBreaker, Guarded, Verdict};
use service_kit::health::Circuit;
use std::time::Duration;

/// Pause before another attempt, twice as long for each further one, and up to as long again by chance.
const RETRY_PAUSE: Duration = Duration::from_millis(50);

/// The guarded way to inventory-service; clones share the circuit.
#[derive(Clone, Debug)]
pub struct InventoryGuard {
    circuit: CircuitBreaker,
    attempts: usize,
}

/// Why there is no answer.
enum Unanswered {
    /// The circuit is open.
    NotAsked,
    Failed(reqwest::Error),
}

impl InventoryGuard {
    /// Puts a guard in front of inventory-service.
    pub fn new(config: &Config) -> Self {
        let circuit = CircuitBreaker::new(Guarded {
            name: "inventory-service",
            metrics: "inventory",
            label: None,
            pause: config.inventory_circuit_pause(),
        });
        Self { circuit, attempts: config.inventory_attempts.into() }
    }

    /// Sends a request that may arrive twice: every call to inventory-service names what it is about, so that asking
    /// again changes nothing. What took too long is not tried again, its time is used up.
    pub async fn send(&self, request: impl Fn() -> RequestBuilder) -> Result<Response, Error> {
        let attempt = || async {
            let answer = self.circuit.call(request().send(), verdict).await;
            answer.ok_or(Unanswered::NotAsked)?.map_err(Unanswered::Failed)
        };
        let pauses = ExponentialBuilder::new().with_min_delay(RETRY_PAUSE).with_jitter();
        let retrying = attempt.retry(pauses.with_max_times(self.attempts.saturating_sub(1)));
        let broke_off = |error: &Unanswered| matches!(error, Unanswered::Failed(error) if !error.is_timeout());
        retrying.when(broke_off).await.map_err(|error| match error {
            Unanswered::NotAsked => {
                metrics::counter!("inventory_calls_refused_total").increment(1);
                Error::InventoryUnavailable("it failed again and again and is left alone for a moment".to_owned())
            }
            Unanswered::Failed(error) => Error::InventoryUnavailable(reason(error)),
        })
    }

    /// Where the circuit stands.
    pub fn circuit(&self) -> Circuit {
        self.circuit.shown()
    }
}

/// A refusal such as 409 shows that the other side works.
fn verdict(answer: &Result<Response, reqwest::Error>) -> Verdict {
    match answer {
        Ok(response) if !response.status().is_server_error() => Verdict::Works,
        _ => Verdict::Fails,
    }
}

/// In a few words for the client. What the library says, which may name internal addresses, is for the log.
pub fn reason(error: reqwest::Error) -> String {
    let reason = if error.is_timeout() {
        "no answer in time"
    } else if error.is_connect() {
        "no connection"
    } else {
        "the connection broke"
    };
    tracing::debug!(error = %error.without_url(), reason, "inventory-service did not answer");
    reason.to_owned()
}
