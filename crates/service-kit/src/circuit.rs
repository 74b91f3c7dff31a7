//! A circuit breaker: what failed again and again is left alone for a moment, and then tried by a single call.
//!
//! Our own, because the other side can say for how long it wants to be left alone, and because a queue asks beforehand
//! how many calls it may begin.

use crate::health::Circuit;
use metrics::{Counter, Label};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Failures in a row that open the circuit.
pub const FAILURES: u32 = 5;

/// The longest that the other side can have itself left alone.
const LONGEST: Duration = Duration::from_secs(3600);

/// What stands behind a circuit, and how it is seen.
#[derive(Clone, Debug)]
pub struct Guarded {
    /// Its name in the log.
    pub name: &'static str,
    /// What the names of its metrics begin with: `inventory` makes `inventory_circuit_state`.
    pub metrics: &'static str,
    /// The label that tells it from others with the same metrics.
    pub label: Option<(&'static str, &'static str)>,
    /// How long it is left alone after [`FAILURES`] failures in a row.
    pub pause: Duration,
}

/// What the outcome of a call says of the other side.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// It works. A refusal says so, too.
    Works,
    /// It failed.
    Fails,
    /// It says itself that it will take nothing for this time: no need to fail a few times more.
    Away(Duration),
}

/// A circuit; clones share it.
#[derive(Clone, Debug)]
pub struct CircuitBreaker(Arc<Parts>);

#[derive(Debug)]
struct Parts {
    guarded: Guarded,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    circuit: Circuit,
    /// In a row.
    failures: u32,
    /// When one call may be tried, once the circuit is open.
    shut_until: Instant,
    /// Counts the trials. Only the newest of a half-open circuit decides: an older one may end long after the circuit moved on.
    trials: u64,
}

impl State {
    fn waits_for(&self, trial: u64) -> bool {
        self.circuit == Circuit::HalfOpen && trial == self.trials
    }
}

/// A call that was let through. One that is dropped without a verdict, because its caller went away, says nothing.
struct Admitted<'a> {
    breaker: &'a CircuitBreaker,
    /// The number of the one call that a half-open circuit lets through.
    trial: Option<u64>,
}

impl CircuitBreaker {
    /// A closed one.
    pub fn new(guarded: Guarded) -> Self {
        let state = State { circuit: Circuit::Closed, failures: 0, shut_until: Instant::now(), trials: 0 };
        let breaker = Self(Arc::new(Parts { guarded, state: Mutex::new(state) }));
        breaker.measure(Circuit::Closed);
        Circuit::ALL.into_iter().for_each(|to| breaker.transitions(to).increment(0));
        breaker
    }

    /// Waits for the outcome of a call; `None` where the circuit refuses it, which is then never begun.
    pub async fn call<T>(&self, call: impl Future<Output = T>, verdict: impl FnOnce(&T) -> Verdict) -> Option<T> {
        let admitted = self.admit()?;
        let outcome = call.await;
        admitted.settle(verdict(&outcome));
        Some(outcome)
    }

    /// How many calls may be under way at the same time: all of `most`, or one to try, or none.
    pub fn permits(&self, most: usize) -> usize {
        match self.shown() {
            Circuit::Closed => most,
            Circuit::Open if self.remaining() > Duration::ZERO => 0,
            Circuit::Open | Circuit::HalfOpen => 1,
        }
    }

    /// How long every call is refused.
    pub fn remaining(&self) -> Duration {
        self.state().shut_until.saturating_duration_since(Instant::now())
    }

    /// Where the circuit stands.
    pub fn shown(&self) -> Circuit {
        self.state().circuit
    }

    fn admit(&self) -> Option<Admitted<'_>> {
        let mut state = self.state();
        match state.circuit {
            Circuit::Closed => Some(Admitted { breaker: self, trial: None }),
            Circuit::Open if state.shut_until <= Instant::now() => {
                self.turn(&mut state, Circuit::HalfOpen);
                state.trials += 1;
                Some(Admitted { breaker: self, trial: Some(state.trials) })
            }
            Circuit::Open | Circuit::HalfOpen => None,
        }
    }

    /// Never shortens what was asked for before.
    fn open(&self, state: &mut State, time: Duration) {
        let time = time.min(LONGEST).max(self.0.guarded.pause);
        state.shut_until = state.shut_until.max(Instant::now() + time);
        state.failures = 0;
        self.turn(state, Circuit::Open);
    }

    fn turn(&self, state: &mut State, to: Circuit) {
        let name = self.0.guarded.name;
        match (std::mem::replace(&mut state.circuit, to), to) {
            (from, to) if from == to => return,
            // The log tells of an outage when it begins and when it is over, not of every call that was tried meanwhile.
            (Circuit::Closed, _) => {
                tracing::warn!("the circuit to {name} is open: calls are refused, and one is tried at times");
            }
            (_, Circuit::Closed) => tracing::info!("the circuit to {name} is closed: calls go through again"),
            _ => {}
        }
        self.transitions(to).increment(1);
        self.measure(to);
    }

    /// How often it came to this state.
    fn transitions(&self, to: Circuit) -> Counter {
        metrics::counter!(format!("{}_circuit_transitions_total", self.0.guarded.metrics), self.labels("to", to))
    }

    /// One gauge for each state, 1 for the one that is.
    fn measure(&self, circuit: Circuit) {
        for each in Circuit::ALL {
            let gauge = format!("{}_circuit_state", self.0.guarded.metrics);
            metrics::gauge!(gauge, self.labels("state", each)).set(f64::from(u8::from(each == circuit)));
        }
    }

    fn labels(&self, key: &'static str, circuit: Circuit) -> Vec<Label> {
        let own = self.0.guarded.label.map(|(key, value)| Label::new(key, value));
        own.into_iter().chain([Label::new(key, circuit.as_str())]).collect()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Admitted<'_> {
    /// A late verdict of a call that was begun before the circuit opened neither closes it nor counts any more. A trial from
    /// before the circuit opened again decides nothing, unless it was told to stay away.
    fn settle(mut self, verdict: Verdict) {
        let (breaker, trial) = (self.breaker, self.trial.take());
        let mut state = breaker.state();
        let is_trial = trial.is_some_and(|trial| state.waits_for(trial));
        match verdict {
            Verdict::Away(time) => breaker.open(&mut state, time),
            Verdict::Works if is_trial => breaker.turn(&mut state, Circuit::Closed),
            Verdict::Fails if is_trial => breaker.open(&mut state, Duration::ZERO),
            Verdict::Works | Verdict::Fails if trial.is_some() => {}
            Verdict::Works => state.failures = 0,
            Verdict::Fails if state.circuit == Circuit::Closed => {
                state.failures += 1;
                if state.failures >= FAILURES {
                    breaker.open(&mut state, Duration::ZERO);
                }
            }
            Verdict::Fails => {}
        }
    }
}

impl Drop for Admitted<'_> {
    /// Whoever asks next makes the trial instead.
    fn drop(&mut self) {
        let Some(trial) = self.trial else { return };
        let mut state = self.breaker.state();
        if state.waits_for(trial) {
            self.breaker.turn(&mut state, Circuit::Open);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Admitted, CircuitBreaker, FAILURES, Guarded, Verdict};
    use crate::health::Circuit;
    use std::time::Duration;

    fn breaker(pause: Duration) -> CircuitBreaker {
        CircuitBreaker::new(Guarded { name: "it", metrics: "test", label: Some(("channel", "SMS")), pause })
    }

    async fn says(breaker: &CircuitBreaker, verdict: Verdict) -> bool {
        breaker.call(async {}, |()| verdict).await.is_some()
    }

    async fn until_one_is_tried(breaker: &CircuitBreaker) {
        let tried = async {
            while breaker.permits(8) == 0 {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(10), tried).await.unwrap();
        assert_eq!(breaker.permits(8), 1);
    }

    #[tokio::test]
    async fn what_fails_again_and_again_is_left_alone_and_then_tried() {
        let breaker = breaker(Duration::from_millis(20));
        for _ in 0..FAILURES {
            assert_eq!((breaker.permits(8), breaker.shown()), (8, Circuit::Closed));
            assert!(says(&breaker, Verdict::Fails).await);
        }
        assert_eq!((breaker.permits(8), breaker.shown()), (0, Circuit::Open));
        assert!(!says(&breaker, Verdict::Works).await, "nothing is called");
        until_one_is_tried(&breaker).await;
        assert!(says(&breaker, Verdict::Fails).await);
        assert_eq!((breaker.permits(8), breaker.shown()), (0, Circuit::Open), "the trial failed");
        until_one_is_tried(&breaker).await;
        assert!(says(&breaker, Verdict::Works).await);
        assert_eq!((breaker.permits(8), breaker.shown()), (8, Circuit::Closed));
    }

    #[tokio::test]
    async fn what_wants_to_be_left_alone_is() {
        let breaker = breaker(Duration::from_millis(1));
        says(&breaker, Verdict::Away(Duration::from_secs(60))).await;
        assert_eq!(breaker.permits(8), 0);
        assert!(breaker.remaining() > Duration::from_secs(50));
    }

    #[tokio::test]
    async fn one_success_forgives_the_failures_before() {
        let breaker = breaker(Duration::from_secs(1));
        for _ in 0..3 {
            for _ in 1..FAILURES {
                says(&breaker, Verdict::Fails).await;
            }
            says(&breaker, Verdict::Works).await;
        }
        assert_eq!(breaker.permits(8), 8);
    }

    #[tokio::test]
    async fn a_half_open_circuit_lets_one_call_through() {
        let breaker = breaker(Duration::ZERO);
        says(&breaker, Verdict::Away(Duration::ZERO)).await;
        let mut trial = Box::pin(breaker.call(std::future::pending::<()>(), |()| Verdict::Works));
        assert!(futures_util::poll!(&mut trial).is_pending());
        assert_eq!(breaker.shown(), Circuit::HalfOpen);
        assert!(!says(&breaker, Verdict::Works).await);
        drop(trial);
        assert!(says(&breaker, Verdict::Works).await, "a trial that nobody waited for makes room for another");
        assert_eq!(breaker.shown(), Circuit::Closed);
    }

    #[tokio::test]
    async fn late_answers_of_calls_begun_before_change_nothing() {
        let breaker = breaker(Duration::from_secs(60));
        let late = breaker.admit().unwrap();
        let failed = breaker.admit().unwrap();
        says(&breaker, Verdict::Away(Duration::from_secs(60))).await;
        late.settle(Verdict::Works);
        failed.settle(Verdict::Fails);
        assert_eq!(breaker.shown(), Circuit::Open);
    }

    /// A half-open circuit whose trial is under way, and a call from before it opened.
    fn trying(breaker: &CircuitBreaker) -> (Admitted<'_>, Admitted<'_>) {
        let late = breaker.admit().unwrap();
        breaker.admit().unwrap().settle(Verdict::Away(Duration::ZERO));
        (breaker.admit().unwrap(), late)
    }

    #[test]
    fn a_trial_closes_nothing_that_was_opened_meanwhile() {
        let breaker = breaker(Duration::ZERO);
        let (trial, late) = trying(&breaker);
        late.settle(Verdict::Away(Duration::from_secs(3600)));
        trial.settle(Verdict::Works);
        assert_eq!((breaker.shown(), breaker.permits(8)), (Circuit::Open, 0));
        assert!(breaker.remaining() > Duration::from_secs(3500), "it asked for an hour");
    }

    #[test]
    fn a_trial_that_hung_opens_nothing_that_the_next_one_closed() {
        let breaker = breaker(Duration::ZERO);
        let (hung, late) = trying(&breaker);
        late.settle(Verdict::Away(Duration::ZERO));
        breaker.admit().unwrap().settle(Verdict::Works);
        drop(hung);
        assert_eq!((breaker.shown(), breaker.permits(8)), (Circuit::Closed, 8));
    }

    #[test]
    fn a_trial_that_hung_leaves_the_next_one_alone() {
        for verdict in [None, Some(Verdict::Works), Some(Verdict::Fails)] {
            let breaker = breaker(Duration::ZERO);
            let (hung, late) = trying(&breaker);
            late.settle(Verdict::Away(Duration::ZERO));
            let next = breaker.admit().unwrap();
            match verdict {
                Some(verdict) => hung.settle(verdict),
                None => drop(hung),
            }
            assert_eq!(breaker.shown(), Circuit::HalfOpen, "{verdict:?}");
            assert!(breaker.admit().is_none(), "{verdict:?}: the next one is under way");
            next.settle(Verdict::Works);
            assert_eq!(breaker.shown(), Circuit::Closed, "{verdict:?}");
        }
    }
}
