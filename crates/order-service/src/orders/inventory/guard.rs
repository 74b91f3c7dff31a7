//! What stands between placement and an inventory-service that is away: a deadline for each attempt, one more attempt
//! where the connection broke, and a circuit breaker that refuses at once what would fail anyway.

use crate::circuits::{STATES, as_shown, gauge};
use crate::orders::config::Config;
use crate::orders::error::Error;
use backon::{ExponentialBuilder, Retryable};
use reqwest::{Client, RequestBuilder, Response};
use service_kit::health::Circuit;
use service_kit::lifecycle::StartError;
use std::fmt;
use std::time::Duration;
use tower::ServiceExt;
use tower_resilience_circuitbreaker::{
    CircuitBreaker, CircuitBreakerError, CircuitBreakerHandle, CircuitBreakerLayer, CircuitState, FnClassifier,
};

type Outcome = Result<Response, reqwest::Error>;
type Classifier = FnClassifier<fn(&Outcome) -> bool>;

/// Failures in a row that open the circuit.
const FAILURES: usize = 5;

/// Pause before another attempt, twice as long for each further one, and up to as long again by chance.
const RETRY_PAUSE: Duration = Duration::from_millis(50);

/// The guarded way to inventory-service; clones share the circuit.
#[derive(Clone)]
pub struct InventoryGuard {
    client: CircuitBreaker<Client, Classifier>,
    circuit: CircuitBreakerHandle<Classifier>,
    attempts: usize,
}

impl InventoryGuard {
    /// Puts a guard in front of the client.
    pub fn new(client: Client, config: &Config) -> Result<Self, StartError> {
        let (layer, circuit) = CircuitBreakerLayer::builder()
            .failure_classifier(is_failure as fn(&Outcome) -> bool)
            .consecutive_failures(FAILURES)
            .wait_duration_in_open(config.inventory_circuit_pause())
            .permitted_calls_in_half_open(1)
            .on_state_transition(report)
            .build_with_handle()
            .map_err(|error| StartError::Circuit(error.to_string()))?;
        measure(CircuitState::Closed);
        Ok(Self { client: layer.layer_fn(client), circuit, attempts: config.inventory_attempts.into() })
    }

    /// Sends a request that may arrive twice: every call to inventory-service names what it is about, so that asking
    /// again changes nothing. What took too long is not tried again, its time is used up.
    pub async fn send(&self, request: impl Fn() -> RequestBuilder) -> Result<Response, Error> {
        let attempt = || async {
            let request = request().build().map_err(CircuitBreakerError::Inner)?;
            self.client.clone().oneshot(request).await
        };
        let pauses = ExponentialBuilder::new().with_min_delay(RETRY_PAUSE).with_jitter();
        let retrying = attempt.retry(pauses.with_max_times(self.attempts.saturating_sub(1)));
        let broke_off = |error: &CircuitBreakerError<reqwest::Error>| matches!(error, CircuitBreakerError::Inner(error) if !error.is_timeout());
        retrying.when(broke_off).await.map_err(|error| match error {
            CircuitBreakerError::OpenCircuit => {
                metrics::counter!("inventory_calls_refused_total").increment(1);
                Error::InventoryUnavailable("it failed again and again and is left alone for a moment".to_owned())
            }
            CircuitBreakerError::Inner(error) => Error::InventoryUnavailable(reason(error)),
        })
    }

    /// Where the circuit stands.
    pub fn circuit(&self) -> Circuit {
        as_shown(self.circuit.state())
    }
}

impl fmt::Debug for InventoryGuard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InventoryGuard").field("circuit", &self.circuit()).finish_non_exhaustive()
    }
}

/// A refusal such as 409 shows that the other side works.
fn is_failure(outcome: &Outcome) -> bool {
    outcome.as_ref().map_or(true, |response| response.status().is_server_error())
}

/// The log tells of an outage when it begins and when it is over, not of every call that was tried meanwhile.
fn report(from: CircuitState, to: CircuitState) {
    match (from, to) {
        (CircuitState::Closed, _) => {
            tracing::warn!(
                "the circuit to inventory-service is open: calls are refused at once, and one tried at times"
            );
        }
        (_, CircuitState::Closed) => {
            tracing::info!("the circuit to inventory-service is closed: calls go through again");
        }
        _ => {}
    }
    metrics::counter!("inventory_circuit_transitions_total", "to" => as_shown(to).as_str()).increment(1);
    measure(to);
}

/// One gauge for each state, 1 for the one that is.
fn measure(state: CircuitState) {
    for each in STATES {
        metrics::gauge!("inventory_circuit_state", "state" => as_shown(each).as_str()).set(gauge(each, state));
    }
}

/// In a few words and without the URL, which may be internal.
pub fn reason(error: reqwest::Error) -> String {
    if error.is_timeout() {
        "no answer in time".to_owned()
    } else if error.is_connect() {
        "no connection".to_owned()
    } else {
        error.without_url().to_string()
    }
}
