//! What the circuit breakers of this service have in common: how their states are shown.

use service_kit::health::Circuit;
use tower_resilience_circuitbreaker::CircuitState;

/// Every state.
pub const STATES: [CircuitState; 3] = [CircuitState::Closed, CircuitState::HalfOpen, CircuitState::Open];

/// A state as health and metrics show it.
pub fn as_shown(state: CircuitState) -> Circuit {
    match state {
        CircuitState::Closed => Circuit::Closed,
        CircuitState::HalfOpen => Circuit::HalfOpen,
        CircuitState::Open => Circuit::Open,
    }
}

/// One for the state that is, none for the others: the value of the gauge of `each`.
pub fn gauge(each: CircuitState, state: CircuitState) -> f64 {
    if each == state { 1.0 } else { 0.0 }
}
