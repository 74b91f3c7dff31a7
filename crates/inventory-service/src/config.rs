//! What can be set from outside: environment variables, each also a flag. Each module brings its own.

use crate::{products, reservations, stock};
use clap::Parser;
use service_kit::config::{BrokerConfig, DatabaseConfig, ServerConfig};
use service_kit::partitions;

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
    /// How products begin.
    #[command(flatten)]
    pub products: products::Config,
    /// How long movements of stock are kept.
    #[command(flatten)]
    pub stock: stock::Config,
    /// For how long movements have partitions ahead.
    #[command(flatten)]
    pub partitions: partitions::Config,
    /// How stock is held.
    #[command(flatten)]
    pub reservations: reservations::Config,
    /// Print the OpenAPI document and exit
    #[arg(long)]
    pub print_openapi: bool,
    /// Write who may call what to standard output, as a table, and end
    #[arg(long)]
    pub print_access: bool,
    /// Bring the schema of the database up to date, and end
    #[arg(long)]
    pub migrate_only: bool,
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
        assert!(Config::parse_from(["x", "--load-sample-data"]).products.load_sample_data);
        assert!(!Config::parse_from(["x", "--load-sample-data=false"]).products.load_sample_data);
    }
}
