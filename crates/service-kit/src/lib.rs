//! What every service needs and no business rule: configuration, database, HTTP, messages, telemetry.
//!
//! Nothing in here knows what an order or a product is.

#![warn(missing_docs)]

pub mod access;
pub mod admin;
pub mod answer;
pub mod batcher;
pub mod body;
pub mod broker;
#[cfg(test)]
mod captured;
pub mod circuit;
pub mod columns;
pub mod config;
pub mod consumer;
pub mod contact;
pub mod contract;
pub mod db;
pub mod dead_letters;
mod deliveries;
pub mod documented;
pub mod extract;
pub mod fault;
pub mod folding;
pub mod health;
pub mod idempotency;
pub mod inbox;
pub mod invariants;
pub mod jobs;
pub mod lifecycle;
mod listener;
pub mod measures;
pub mod migrations;
pub mod outbox;
pub mod pagination;
pub mod panics;
pub mod partitions;
pub mod portions;
pub mod prefer;
pub mod prepared;
pub mod problem;
pub mod proxies;
pub mod rate_limit;
pub mod reading;
pub mod relay;
pub mod retries;
pub mod schema;
pub mod server;
pub mod shutdown;
mod slow_statements;
pub mod telemetry;
pub mod traces;
mod turns;
pub mod typed_code;
pub mod validation;
pub mod work_queue;
pub mod workers;
