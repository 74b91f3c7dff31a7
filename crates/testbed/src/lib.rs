//! What everything that runs the services stands on: a private PostgreSQL and RabbitMQ, which may be killed, and
//! the services as processes. `cargo xtask`, the end-to-end tests, chaos and the benchmark bring them up in this way.
//!
//! All of it blocks; who works with tokio calls what takes long through `spawn_blocking`.

#![warn(missing_docs)]

pub mod daemon;
pub mod durability;
pub mod environment;
pub mod error;
pub mod fleet;
pub mod folders;
pub mod gateway;
pub mod http;
pub mod internal;
pub mod interrupt;
pub mod pairs;
pub mod place;
pub mod poll;
pub mod ports;
pub mod postgres;
pub mod process;
pub mod rabbitmq;
pub mod readiness;
pub mod run_folder;
pub mod sandbox;
pub mod servers;
pub mod service_process;
pub mod state;
pub mod step;

pub use durability::Durability;
pub use error::{Result, TestbedError};
pub use pairs::{Pairs, Plan};
pub use servers::Servers;
pub use service_process::Service;
