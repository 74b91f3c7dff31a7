//! What stands between the queue of a channel and a provider that is away: while the circuit is open nothing is sent,
//! so no message uses up its attempts; then one is tried.

use crate::circuits::{STATES, as_shown, gauge};
use crate::notifications::channels::provider::{SendError, Taken};
use crate::notifications::domain::Channel;
use service_kit::health::Circuit;
use service_kit::lifecycle::StartError;
use std::fmt;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};
use tower::{Service, ServiceExt};
use tower_resilience_circuitbreaker::{
    CircuitBreaker, CircuitBreakerHandle, CircuitBreakerLayer, CircuitState, FnClassifier,
};

type Classifier = FnClassifier<fn(&Outcome) -> bool>;
/// What came of handing a message over.
type Outcome = Result<Taken, SendError>;
type HandedOver = Pin<Box<dyn Future<Output = Outcome> + Send>>;

/// A message that is being handed over.
struct Sending(HandedOver);

/// Failures in a row that open the circuit.
const FAILURES: usize = 5;

/// The longest that a provider can have itself left alone.
const LONGEST: Duration = Duration::from_secs(3600);

/// The circuit of one channel; clones share it.
#[derive(Clone)]
pub struct ChannelCircuit {
    breaker: CircuitBreaker<HandingOver, Classifier>,
    state: CircuitBreakerHandle<Classifier>,
    pause: Duration,
    shut_until: Arc<Mutex<Instant>>,
}

impl ChannelCircuit {
    /// One that stays open for `pause` after some failures in a row.
    pub fn new(channel: Channel, pause: Duration) -> Result<Self, StartError> {
        let (layer, state) = CircuitBreakerLayer::builder()
            .failure_classifier(is_failure as fn(&Outcome) -> bool)
            .consecutive_failures(FAILURES)
            .wait_duration_in_open(pause)
            .permitted_calls_in_half_open(1)
            .on_state_transition(move |from, to| report(channel, from, to))
            .build_with_handle()
            .map_err(|error| StartError::Circuit(error.to_string()))?;
        measure(channel, CircuitState::Closed);
        let breaker = layer.layer_fn(HandingOver);
        Ok(Self { breaker, state, pause, shut_until: Arc::new(Mutex::new(Instant::now())) })
    }

    /// Waits for what comes of handing a message over; none where it was refused, and the message not touched.
    pub async fn call(&self, sending: impl Future<Output = Outcome> + Send + 'static) -> Option<Outcome> {
        let outcome = match self.breaker.clone().oneshot(Sending(Box::pin(sending))).await {
            Ok(taken) => Ok(taken),
            Err(refused) => Err(refused.into_inner()?),
        };
        if let Err(SendError::Unavailable { retry_after, .. }) = &outcome {
            if let Some(wanted) = retry_after {
                // It says itself that nothing will be taken: no need to fail a few times more.
                self.state.force_open().await;
                self.shut_for((*wanted).min(LONGEST).max(self.pause));
            } else if self.state.is_open() {
                self.shut_for(self.pause);
            }
        }
        Some(outcome)
    }

    /// How many messages may be under way at the same time: all connections' worth, or one to try, or none.
    pub fn permits(&self, connections: usize) -> usize {
        match self.state.state() {
            CircuitState::Closed => connections,
            _ if self.remaining() > Duration::ZERO => 0,
            _ => 1,
        }
    }

    /// How long nothing is to be sent.
    pub fn remaining(&self) -> Duration {
        let until = *self.shut_until.lock().unwrap_or_else(PoisonError::into_inner);
        until.saturating_duration_since(Instant::now())
    }

    /// Where the circuit stands.
    pub fn shown(&self) -> Circuit {
        as_shown(self.state.state())
    }

    /// Never shortens what was asked for before.
    fn shut_for(&self, time: Duration) {
        let mut until = self.shut_until.lock().unwrap_or_else(PoisonError::into_inner);
        *until = (*until).max(Instant::now() + time);
    }
}

impl fmt::Debug for ChannelCircuit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ChannelCircuit").field("circuit", &self.shown()).finish_non_exhaustive()
    }
}

/// What the circuit breaker is a layer over: it only waits for what the message carries with it.
#[derive(Clone, Copy, Debug)]
struct HandingOver;

impl Service<Sending> for HandingOver {
    type Response = Taken;
    type Error = SendError;
    type Future = HandedOver;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), SendError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, sending: Sending) -> HandedOver {
        sending.0
    }
}

/// A message that is refused or put off shows that the provider works.
fn is_failure(outcome: &Outcome) -> bool {
    matches!(outcome, Err(SendError::Unavailable { .. }))
}

/// The log tells of an outage when it begins and when it is over, not of every message that was tried meanwhile.
fn report(channel: Channel, from: CircuitState, to: CircuitState) {
    match (from, to) {
        (CircuitState::Closed, CircuitState::Open) => {
            tracing::warn!(%channel, "the provider is away: messages wait, and one is tried at times");
        }
        (CircuitState::HalfOpen, CircuitState::Closed) => {
            tracing::info!(%channel, "the provider is back: messages are sent again");
        }
        _ => {}
    }
    metrics::counter!("notification_circuit_transitions_total",
        "channel" => channel.as_str(), "to" => as_shown(to).as_str())
    .increment(1);
    measure(channel, to);
}

fn measure(channel: Channel, state: CircuitState) {
    for each in STATES {
        let (channel, name) = (channel.as_str(), as_shown(each).as_str());
        metrics::gauge!("notification_circuit_state", "channel" => channel, "state" => name).set(gauge(each, state));
    }
}

#[cfg(test)]
mod tests {
    use super::{ChannelCircuit, FAILURES};
    use crate::notifications::channels::provider::{SendError, Taken};
    use crate::notifications::domain::Channel;
    use service_kit::health::Circuit;
    use std::time::Duration;

    async fn away(retry_after: Option<Duration>) -> Result<Taken, SendError> {
        Err(SendError::Unavailable { reason: "away".to_owned(), retry_after })
    }

    #[tokio::test]
    async fn a_provider_that_is_away_is_left_alone_and_then_tried() {
        let circuit = ChannelCircuit::new(Channel::Email, Duration::from_millis(20)).unwrap();
        for _ in 0..FAILURES {
            assert_eq!(circuit.permits(8), 8);
            assert!(matches!(circuit.call(away(None)).await, Some(Err(SendError::Unavailable { .. }))));
        }
        assert_eq!((circuit.permits(8), circuit.shown()), (0, Circuit::Open));
        assert!(circuit.call(away(None)).await.is_none(), "nothing is sent");
        tokio::time::timeout(Duration::from_secs(10), async {
            while circuit.permits(8) == 0 {
                tokio::task::yield_now().await;
            }
        })
        .await
        .unwrap();
        assert_eq!(circuit.permits(8), 1);
        let taken = async { Ok(Taken { provider_id: None }) };
        assert!(matches!(circuit.call(taken).await, Some(Ok(_))));
        assert_eq!((circuit.permits(8), circuit.shown()), (8, Circuit::Closed));
    }

    #[tokio::test]
    async fn a_provider_that_wants_to_be_left_alone_is() {
        let circuit = ChannelCircuit::new(Channel::Sms, Duration::from_millis(1)).unwrap();
        circuit.call(away(Some(Duration::from_secs(60)))).await;
        assert_eq!(circuit.permits(8), 0);
        assert!(circuit.remaining() > Duration::from_secs(50));
    }

    #[tokio::test]
    async fn a_message_that_is_refused_is_no_failure_of_the_provider() {
        let circuit = ChannelCircuit::new(Channel::Sms, Duration::from_secs(1)).unwrap();
        for _ in 0..=FAILURES {
            circuit.call(async { Err(SendError::Refused("no".to_owned())) }).await;
        }
        assert_eq!(circuit.permits(8), 8);
    }
}
