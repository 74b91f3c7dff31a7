//! What can be set from outside: environment variables, each also a flag. Each module brings its own.

use clap::Parser;
use service_kit::config::{BrokerConfig, DatabaseConfig, ServerConfig};

/// Account-service: who people and machines are, and the tokens that prove it.
#[derive(Parser, Clone, Debug)]
#[command(name = "account-service", version, about)]
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
    #[arg(long, env = "PORT", default_value_t = 8083, help_heading = "Service")]
    pub port: u16,
    /// Print the OpenAPI document and exit
    #[arg(long)]
    pub print_openapi: bool,
}

#[cfg(test)]
mod tests {
    use super::Config;
    use clap::CommandFactory;

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
        for variable in ["PORT", "PGHOST", "AMQP_URL"] {
            assert!(help.contains(&format!("[env: {variable}")), "{variable} is missing from --help");
        }
    }
}
