//! What can be set for placing orders and for the calls to inventory-service.

use clap::Args;
use service_kit::batcher::Limits;
use shared_types::reservations::MAX_BATCH;
use std::time::Duration;

/// How orders are placed, and how inventory-service is asked.
#[derive(Args, Clone, Debug)]
#[group(id = "orders")]
pub struct Config {
    /// Where inventory-service is
    #[arg(
        long,
        env = "INVENTORY_SERVICE_URL",
        hide_env_values = true,
        default_value = "http://127.0.0.1:8082",
        help_heading = "Inventory"
    )]
    pub inventory_service_url: String,
    /// Milliseconds inventory-service may take for a call
    #[arg(long, env = "INVENTORY_TIMEOUT_MS", default_value_t = 1200, help_heading = "Inventory")]
    pub inventory_timeout_ms: u64,
    /// Times a call to inventory-service is attempted whose connection breaks
    #[arg(long, env = "INVENTORY_ATTEMPTS", default_value_t = 2, help_heading = "Inventory",
          value_parser = clap::value_parser!(u8).range(1..=5))]
    pub inventory_attempts: u8,
    /// Milliseconds that inventory-service is left alone after five failures in a row
    #[arg(long, env = "INVENTORY_CIRCUIT_PAUSE_MS", default_value_t = 1000, help_heading = "Inventory")]
    pub inventory_circuit_pause_ms: u64,
    /// Seconds after which held stock without an order is given back; the same as in inventory-service
    #[arg(long, env = "RESERVATION_WINDOW_SECONDS", default_value_t = 45, help_heading = "Inventory")]
    pub reservation_window_seconds: u32,
    /// Seconds between two looks for held stock without an order
    #[arg(long, env = "SETTLE_INTERVAL_SECONDS", default_value_t = 10, help_heading = "Inventory")]
    pub settle_interval_seconds: u32,
    /// Orders placed in one transaction
    #[arg(long, env = "PLACEMENT_BATCH_SIZE", default_value_t = 128, help_heading = "Placement",
          value_parser = clap::value_parser!(u16).range(1..=MAX_BATCH as i64))]
    pub placement_batch_size: u16,
    /// Orders waiting to be placed; one more is refused with 503
    #[arg(long, env = "PLACEMENT_QUEUE_LENGTH", default_value_t = 4096, help_heading = "Placement",
          value_parser = clap::value_parser!(u32).range(1..))]
    pub placement_queue_length: u32,
    /// Transactions placing orders at the same time
    #[arg(long, env = "PLACEMENT_BATCHES_AT_ONCE", default_value_t = 4, help_heading = "Placement",
          value_parser = clap::value_parser!(u16).range(1..=64))]
    pub placement_batches_at_once: u16,
    /// Seconds after which an order that was accepted and could not be placed is cancelled
    #[arg(long, env = "ASYNC_PLACEMENT_GIVE_UP_SECONDS", default_value_t = 900, help_heading = "Placement",
          value_parser = clap::value_parser!(u32).range(1..))]
    pub async_placement_give_up_seconds: u32,
    /// Months after which orders are archived, counted from the end of their month; 0 for never
    #[arg(long, env = "ORDERS_KEEP_MONTHS", default_value_t = 0, help_heading = "Months",
          value_parser = clap::value_parser!(u16).range(0..=1200))]
    pub orders_keep_months: u16,
}

/// How long customers who were just answered are waited for: as long as an answer and the next request take on a busy
/// machine.
const LINGER: Duration = Duration::from_millis(5);

impl Config {
    /// Bounds of the batcher in front of placement.
    pub fn placement_limits(&self) -> Limits {
        Limits {
            batch: self.placement_batch_size.into(),
            waiting: usize::try_from(self.placement_queue_length).unwrap_or(usize::MAX),
            concurrency: self.placement_batches_at_once.into(),
            linger: LINGER,
        }
    }

    /// Bounds of the batcher in front of reads.
    pub fn read_limits(&self) -> Limits {
        Limits { batch: 128, waiting: 4096, concurrency: 4, linger: Duration::ZERO }
    }

    /// How long it is tried to place an order that was accepted.
    pub fn give_up_after(&self) -> Duration {
        Duration::from_secs(self.async_placement_give_up_seconds.into())
    }

    /// How long inventory-service may take for a call.
    pub fn inventory_timeout(&self) -> Duration {
        Duration::from_millis(self.inventory_timeout_ms)
    }

    /// How long inventory-service is left alone once it failed again and again.
    pub fn inventory_circuit_pause(&self) -> Duration {
        Duration::from_millis(self.inventory_circuit_pause_ms)
    }
}
