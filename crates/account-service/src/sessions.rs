//! Sessions: logging in, and the tokens that a session gives until it ends.
//!
//! A refresh token is good once. If a used one comes again after a short grace, somebody else has it: the session ends.
//! Reads of `accounts.users` are joined here, so that a token never says more than its person is at that moment.

mod commands;
mod config;
mod domain;
mod error;
mod http;
mod jobs;
mod state;
mod store;

pub use commands::{end_all, open, revoke, session_of};
pub use config::Config;
pub use domain::{Client, Reason, Tokens, recently_authenticated};
pub use error::Error;
pub use http::routes;
pub use jobs::jobs;
pub use state::Sessions;
pub use store::invariants::INVARIANTS;
pub use store::{Live, forget_clients, is_live};
