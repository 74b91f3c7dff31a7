//! What can be set from outside: environment variables, each also a flag. Each module brings its own.

use crate::{accounts, audit, guesses, passwords, sealing, sessions, signing_keys};
use clap::{Parser, Subcommand};
use service_kit::config::{BrokerConfig, DatabaseConfig, ServerConfig};
use service_kit::contact::EmailAddress;
use service_kit::partitions;

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
    /// Under which key secrets are kept.
    #[command(flatten)]
    pub sealing: sealing::Config,
    /// Who signs tokens.
    #[command(flatten)]
    pub signing_keys: signing_keys::Config,
    /// How long a session lasts.
    #[command(flatten)]
    pub sessions: sessions::Config,
    /// Who may register.
    #[command(flatten)]
    pub accounts: accounts::Config,
    /// Which passwords are taken.
    #[command(flatten)]
    pub passwords: passwords::Config,
    /// How often one network may try.
    #[command(flatten)]
    pub guesses: guesses::Config,
    /// How long entries of the audit are kept.
    #[command(flatten)]
    pub audit: audit::Config,
    /// For how long partitions are there ahead.
    #[command(flatten)]
    pub partitions: partitions::Config,
    /// What to do instead of serving.
    #[command(subcommand)]
    pub command: Option<Command>,
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

/// What can be done from the terminal, beside a service that runs.
#[derive(Subcommand, Clone, Debug)]
pub enum Command {
    /// Make an account an administrator's, and print a code by which its password is set
    CreateAdmin {
        /// Address of the account; one is made if there is none
        #[arg(long, value_parser = EmailAddress::parse)]
        email: EmailAddress,
    },
    /// Make a new signing key
    RotateKeys {
        /// Revoke the keys until now at once: every access token has to be renewed
        #[arg(long, required = true)]
        now: bool,
    },
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
        for variable in ["PORT", "PGHOST", "AMQP_URL", "ACCOUNT_MASTER_KEY", "REGISTRATION", "PASSWORD_MIN_LENGTH"] {
            assert!(help.contains(&format!("[env: {variable}")), "{variable} is missing from --help");
        }
    }
}
