//! Codes that prove that somebody reads mail to an address: eight characters, ten minutes, five tries, once.
//!
//! An event names the code's row alone. Order-service takes the code from here when it writes the mail.

mod domain;
mod http;
mod jobs;
mod state;
mod store;

pub use domain::{Purpose, VALID_MINUTES};
pub use http::routes;
pub use jobs::jobs;
pub use state::{Codes, Issued};
