//! The way to account-service, for codes that mails show and addresses that orders go to: who this service is to it, how
//! long it may take, and when it is left alone.

mod client;
mod config;

pub use client::{AccountService, TIME_LIMIT};
pub use config::Config;
