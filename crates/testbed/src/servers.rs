//! Both private servers of one run, started at once.

use std::path::Path;

use crate::durability::Durability;
use crate::error::{Result, TestbedError};
use crate::ports;
use crate::postgres::Postgres;
use crate::rabbitmq::RabbitMq;

/// PostgreSQL and RabbitMQ. Dropping them leaves them as they are, unless [`Servers::stop_on_drop`] was asked for.
#[derive(Debug)]
pub struct Servers {
    /// The database server.
    pub postgres: Postgres,
    /// The broker.
    pub rabbitmq: RabbitMq,
}

impl Servers {
    /// Starts both on free ports, with their files in folders of their own below `folder`. PostgreSQL gets the settings
    /// too, as it takes them on its command line: `-c name=value …`.
    pub fn start(folder: &Path, durability: Durability, settings: &str) -> Result<Self> {
        std::thread::scope(|scope| {
            let rabbitmq = scope.spawn(|| {
                let port = ports::free_port()?;
                RabbitMq::start(&folder.join("rabbitmq"), port, durability)
            });
            let postgres = Postgres::start_with(&folder.join("postgres"), ports::free_port()?, durability, settings);
            let rabbitmq = rabbitmq.join().map_err(|_| TestbedError::new("the start of RabbitMQ panicked"))?;
            Ok(Self { postgres: postgres?, rabbitmq: rabbitmq? })
        })
    }

    /// Makes dropping this handle stop both, also when a test panics.
    #[must_use]
    pub fn stop_on_drop(self) -> Self {
        Self { postgres: self.postgres.stop_on_drop(), rabbitmq: self.rabbitmq.stop_on_drop() }
    }
}
