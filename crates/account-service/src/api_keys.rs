//! Keys by which programs act for people, without a password and for what their scopes allow.
//!
//! Others may mount the module by `routes`, `forget` the keys of an account, and ask whether one `is_good`. A key is shown once,
//! when it is made; of its text only the hash is kept.

mod commands;
mod domain;
mod error;
mod http;
mod state;
mod store;

pub use http::routes;
pub use state::ApiKeys;
pub use store::{forget, is_good};
