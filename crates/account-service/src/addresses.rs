//! Where people have things sent, and where bills go.
//!
//! Others may mount the module by `routes`, ask for its `INVARIANTS`, and `forget` what an account has. Every call is about
//! the addresses of one account, and no statement works without its scope.

mod commands;
mod domain;
mod error;
mod http;
mod state;
mod store;

pub use http::routes;
pub use state::Addresses;
pub use store::forget;
pub use store::invariants::INVARIANTS;
