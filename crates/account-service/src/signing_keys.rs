//! The keys that sign access tokens: published before they sign, and for as long as a token of theirs is good.
//!
//! Every instance asks the database which key signs, so all agree. Others sign with `SigningKeys::sign`.

mod commands;
mod config;
mod domain;
mod http;
mod jobs;
mod state;
mod store;

pub use commands::rotate_now;
pub use config::Config;
pub use http::routes;
pub use jobs::{jobs, prepare, publish};
pub use state::SigningKeys;
