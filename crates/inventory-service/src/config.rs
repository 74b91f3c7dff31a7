//! The settings of inventory-service, from the environment; each is also a flag.

use clap::{ArgAction, Parser, builder::BoolishValueParser, value_parser};
use service_kit::batcher::Limits;
use service_kit::config::{BrokerConfig, DatabaseConfig, ServerConfig};
use std::time::Duration;

/// Inventory-service: products, their stock, and the reservations that hold it for orders.
#[derive(Parser, Clone, Debug)]
#[command(name = "inventory-service", version, about)]
pub struct Config {
    /// How it is reached and what it logs.
    #[command(flatten)]
    pub server: ServerConfig,
    /// Where PostgreSQL is.
    #[command(flatten)]
    pub database: DatabaseConfig,
    /// Where RabbitMQ is.
    #[command(flatten)]
    pub broker: BrokerConfig,
    /// Port to listen on
    #[arg(long, env = "PORT", default_value_t = 8082, help_heading = "Service")]
    pub port: u16,
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
    /// Put five products into a database that has never had one
    #[arg(
        long,
        env = "LOAD_SAMPLE_DATA",
        default_value_t = false,
        action = ArgAction::Set,
        num_args = 0..=1,
        default_missing_value = "true",
        value_parser = BoolishValueParser::new(),
        help_heading = "Service"
    )]
    pub load_sample_data: bool,
    /// Print the OpenAPI document and exit
    #[arg(long)]
    pub print_openapi: bool,
}

impl Config {
    /// How long a reservation waits for its order.
    pub fn reservation_window(&self) -> Duration {
        Duration::from_secs(self.reservation_window_seconds.into())
    }

    /// Bounds of the reservation batches.
    pub fn reservation_limits(&self) -> Limits {
        Limits {
            batch: self.reservation_batch_size.into(),
            waiting: self.reservation_queue_length.into(),
            concurrency: self.reservation_batches_at_once.into(),
            linger: Duration::ZERO,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Config;
    use clap::{CommandFactory, Parser};

    #[test]
    fn the_flags_are_consistent() {
        Config::command().debug_assert();
    }

    #[test]
    fn help_lists_every_variable() {
        let help = Config::command().render_long_help().to_string();
        for argument in Config::command().get_arguments() {
            let Some(variable) = argument.get_env() else { continue };
            let variable = variable.to_string_lossy();
            assert!(help.contains(&format!("[env: {variable}")), "{variable} is missing from --help");
        }
        for variable in ["PORT", "RESERVATION_WINDOW_SECONDS", "LOAD_SAMPLE_DATA", "PGHOST", "AMQP_URL"] {
            assert!(help.contains(&format!("[env: {variable}")), "{variable} is missing from --help");
        }
    }

    #[test]
    fn sample_data_is_a_flag_and_a_variable() {
        assert!(Config::parse_from(["x", "--load-sample-data"]).load_sample_data);
        assert!(!Config::parse_from(["x", "--load-sample-data=false"]).load_sample_data);
    }
}
