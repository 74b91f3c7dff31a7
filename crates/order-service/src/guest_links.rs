//! Links by which guests see their orders, and codes by which they take them into an account.
//!
//! Both are made from the number of the order and a key in the database, so no row is kept for an order. The module
//! knows no orders: whether there is one, and whose it is, others look up.

mod config;
mod domain;
mod state;
mod store;

pub use config::Config;
pub use state::{GuestLink, GuestLinks};
