//! Accounts: registering, proving an address, passwords, one's own data, and what administrators do with those of others.
//!
//! It puts people, sessions, codes and the audit trail together. No answer and no event holds a secret.

mod commands;
mod config;
mod domain;
mod error;
mod http;
mod state;
mod terminal;

pub use config::{Config, Registration};
pub use http::routes;
pub use state::Accounts;
pub use terminal::{create_admin, rotate_keys};
