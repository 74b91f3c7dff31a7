//! The calls to inventory-service, which decides about the stock.

pub mod client;
mod guard;
