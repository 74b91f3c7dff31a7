//! What can be set from outside: environment variables, each also a flag. Each module brings its own.

use crate::{account_service, guest_links, notifications, orders, payments};
use clap::Parser;
use service_kit::config::{BrokerConfig, DatabaseConfig, ServerConfig};
use service_kit::partitions;

/// Takes orders and walks them through their life
#[derive(Parser, Clone, Debug)]
#[command(name = "order-service", version)]
pub struct Config {
    /// Port to listen on
    #[arg(long, env = "PORT", default_value_t = 8081, help_heading = "Service")]
    pub port: u16,
    #[command(flatten)]
    pub orders: orders::Config,
    #[command(flatten)]
    pub payments: payments::Config,
    #[command(flatten)]
    pub account_service: account_service::Config,
    #[command(flatten)]
    pub guest_links: guest_links::Config,
    #[command(flatten)]
    pub notifications: notifications::Config,
    #[command(flatten)]
    pub partitions: partitions::Config,
    #[command(flatten)]
    pub server: ServerConfig,
    #[command(flatten)]
    pub database: DatabaseConfig,
    #[command(flatten)]
    pub broker: BrokerConfig,
    /// Write the OpenAPI document to standard output and end
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
    use clap::CommandFactory;

    #[test]
    fn the_flags_are_sound_and_name_their_variables() {
        Config::command().debug_assert();
        let help = Config::command().render_long_help().to_string();
        for argument in Config::command().get_arguments().filter(|a| a.get_env().is_some()) {
            let variable = argument.get_env().unwrap().to_string_lossy().into_owned();
            assert!(help.contains(&variable), "{variable} is missing in --help");
        }
    }
}
