//! The project's own commands, and the private PostgreSQL and RabbitMQ they use. The end-to-end tests use those too, to
//! have servers that they may kill.

mod bench;
mod cargo;
mod chaos;
pub mod cli;
mod dev_servers;
mod down;
pub mod durability;
pub mod error;
mod generate;
pub mod http;
mod install;
mod interrupt;
mod lock;
mod parts;
pub mod poll;
pub mod ports;
pub mod postgres;
pub mod process;
pub mod rabbitmq;
mod services;
mod state;
pub mod step;
mod test;
mod throwaway;
mod up;
mod verify;
mod workspace;

pub use durability::Durability;
pub use error::{Result, XtaskError};
