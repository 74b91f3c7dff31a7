//! What is known of a token, and its end, in the words of OAuth (RFC 7662, RFC 7009): for services and administrators.
//!
//! Others may mount the module by `routes`. What a token is good for, its session or its API key decides.

mod domain;
mod error;
mod http;
mod state;

pub use http::routes;
pub use state::TokenChecks;
