//! Stock that is held for orders: asked for one by one or many at once, and committed, released or cancelled later.
//!
//! It is mounted by `routes` and `consumers`, and nothing else calls it: it stands on `products` and `stock`, and no module
//! stands on it.

mod commands;
mod config;
mod consumers;
mod domain;
mod error;
mod holding;
mod http;
mod state;
mod store;

pub use config::Config;
pub use consumers::consumers;
pub use http::routes;
pub use state::Reservations;
pub use store::invariants::INVARIANTS;
