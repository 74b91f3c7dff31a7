//! Stock that is held for orders: asked for one by one or many at once, and committed, released or cancelled later.
//!
//! Nobody calls this module but the service's wiring: it stands on `products` and `stock`, and nothing stands on it.

mod commands;
mod consumers;
mod domain;
mod http;
mod store;

pub use consumers::OrderEvents;
pub use domain::changes::InvalidTransition;
pub use domain::holds::Refusal;
pub use http::{ReservationBatcher, in_batches, routes};
pub use store::invariants::INVARIANTS;
