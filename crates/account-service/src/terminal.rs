//! The commands of the terminal: what they print, and how they end.

use crate::accounts;
use crate::codes::{Codes, VALID_MINUTES};
use crate::config::{Command, Config};
use crate::schema::{self, SCHEMA};
use crate::sealing::Seal;
use service_kit::db::Database;
use service_kit::lifecycle::StartError;
use std::io::Write;
use std::process::ExitCode;

/// Runs a command, and prints what it gives.
pub fn run(config: &Config, command: &Command) -> ExitCode {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let done = runtime.map_err(StartError::from).and_then(|runtime| runtime.block_on(work(config, command)));
    let (text, code) = match done {
        Ok(text) => (text, ExitCode::SUCCESS),
        Err(error) => (format!("account-service: {error}"), ExitCode::FAILURE),
    };
    let mut out = std::io::stdout();
    if writeln!(out, "{text}").is_ok() { code } else { ExitCode::FAILURE }
}

async fn work(config: &Config, command: &Command) -> Result<String, StartError> {
    let database = Database::connect_lazy(&config.database)?;
    let seal = Seal::new(&config.sealing)?;
    database.migrate(schema::migrations(), SCHEMA).await?;
    let failed = |error: &dyn std::fmt::Display| StartError::Io(std::io::Error::other(error.to_string()));
    match command {
        Command::CreateAdmin { email } => {
            let codes = Codes::new(database.clone(), seal);
            let issued = accounts::create_admin(&database, &codes, email).await.map_err(|error| failed(&error))?;
            Ok(format!(
                "{email} is an administrator. Set the password within {VALID_MINUTES} minutes with this code:\n\n  {}\n\n\
                 curl -X POST http://localhost:{}/api/auth/password/reset -H 'Content-Type: application/json' \\\n  \
                 -d '{{\"email\": \"{email}\", \"code\": \"{}\", \"password\": \"…\"}}'",
                issued.code, config.port, issued.code
            ))
        }
        Command::RotateKeys { .. } => {
            let revoked = accounts::rotate_keys(&database, &seal).await.map_err(|error| failed(&error))?;
            Ok(format!(
                "A new key signs. Revoked: {}",
                if revoked.is_empty() { "none".to_owned() } else { revoked.join(", ") }
            ))
        }
    }
}
