//! What can be set for reservations: how long they wait for their order, and their batches.

use clap::{Args, value_parser};
use service_kit::batcher::Limits;
use std::time::Duration;

/// How stock is held for orders.
#[derive(Args, Clone, Debug)]
#[group(id = "reservations")]
pub struct Config {
    /// Seconds after which a reservation whose order does not exist may be released
    #[arg(
        long,
        env = "RESERVATION_WINDOW_SECONDS",
        default_value_t = 45,
        value_parser = value_parser!(u32).range(1..),
        help_heading = "Reservations"
    )]
    pub reservation_window_seconds: u32,
    /// Most reservations decided in one transaction
    #[arg(
        long,
        env = "RESERVATION_BATCH_SIZE",
        default_value_t = 256,
        value_parser = value_parser!(u16).range(1..),
        help_heading = "Reservations"
    )]
    pub reservation_batch_size: u16,
    /// Most reservations waiting for their batch; one more is refused with 503
    #[arg(
        long,
        env = "RESERVATION_QUEUE_LENGTH",
        default_value_t = 4096,
        value_parser = value_parser!(u16).range(1..),
        help_heading = "Reservations"
    )]
    pub reservation_queue_length: u16,
    /// Batches at work at the same time, each on a connection of its own
    #[arg(
        long,
        env = "RESERVATION_BATCHES_AT_ONCE",
        default_value_t = 2,
        value_parser = value_parser!(u16).range(1..),
        help_heading = "Reservations"
    )]
    pub reservation_batches_at_once: u16,
}

impl Config {
    /// How long a reservation waits for its order.
    pub fn window(&self) -> Duration {
        Duration::from_secs(self.reservation_window_seconds.into())
    }

    /// Bounds of the reservation batches.
    pub fn limits(&self) -> Limits {
        Limits {
            batch: self.reservation_batch_size.into(),
            waiting: self.reservation_queue_length.into(),
            concurrency: self.reservation_batches_at_once.into(),
            linger: Duration::ZERO,
        }
    }
}
