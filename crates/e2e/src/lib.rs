//! The harness of the end-to-end tests: the services as processes, on a real PostgreSQL and a real RabbitMQ.
//!
//! It knows the services by their binaries, their HTTP and their tables only, and fails the test at hand (by a panic)
//! whenever something is not as it must be.

// Tests only: a test that cannot go on says so by a panic.
#![allow(clippy::unwrap_used, clippy::expect_used)]

pub mod afterwards;
pub mod brevo;
pub mod broker;
pub mod browser;
pub mod client;
pub mod collector;
pub mod database;
pub mod environment;
pub mod frozen_wire;
pub mod gateway;
pub mod guests;
pub mod invariants;
pub mod issuer;
pub mod mail_server;
pub mod migrations;
pub mod money;
pub mod money_moves;
pub mod notices;
pub mod pages;
pub mod people;
pub mod poll;
pub mod process;
pub mod raw;
pub mod samples;
pub mod shop;
pub mod signer;
mod virtual_hosts;
