//! The wire between the services, and nothing else: types both sides must agree on, with serde, no I/O.

#![warn(missing_docs)]

pub mod event_batches;
pub mod events;
pub mod exact;
pub mod ids;
pub mod money;
pub mod order_status;
pub mod reservations;
pub mod times;
pub mod topology;

pub use ids::{OrderId, PaymentId, ProductId, Reference};
pub use money::Money;
pub use order_status::{InvalidTransition, OrderStatus, Transition};
