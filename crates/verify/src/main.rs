//! The program behind `cargo xtask verify`: exit code 0 when everything holds, 1 when not, 2 when nobody can tell.

use clap::Parser;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;
use time::Date;
use time::format_description::well_known::Iso8601;
use verify::{Api, ApiKey, Leniency, Report};

/// Compares the two services item by item, on a live system
#[derive(Parser, Debug)]
#[command(name = "verify")]
struct Arguments {
    /// Where order-service is
    #[arg(long, env = "ORDER_SERVICE_URL", default_value = "http://127.0.0.1:8081")]
    order_url: String,
    /// Where inventory-service is
    #[arg(long, env = "INVENTORY_SERVICE_URL", default_value = "http://127.0.0.1:8082")]
    inventory_url: String,
    /// File with an API key of an administrator with the scopes admin:read and orders:read, for services that ask for a
    /// token
    #[arg(long, env = "OMS_API_KEY_FILE")]
    api_key_file: Option<PathBuf>,
    /// Seconds that what differs gets to agree, while messages are under way
    #[arg(long, default_value_t = 10)]
    patience_seconds: u32,
    /// Day (UTC) before which orders are archived, like 2025-01-01: stock that was sold before it needs no order
    #[arg(long, value_parser = day)]
    archived_before: Option<Date>,
}

fn day(text: &str) -> Result<Date, String> {
    Date::parse(text, &Iso8601::DATE).map_err(|error| error.to_string())
}

#[tokio::main]
async fn main() -> ExitCode {
    match verified(Arguments::parse()).await {
        Ok(report) => {
            println!("{report}");
            ExitCode::from(u8::from(!report.breaches.is_empty()))
        }
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::from(2)
        }
    }
}

async fn verified(arguments: Arguments) -> Result<Report, String> {
    let Arguments { order_url, inventory_url, api_key_file, patience_seconds, archived_before } = arguments;
    let key = api_key_file.map(|file| ApiKey::from_file(&file)).transpose();
    let key = key.map_err(|error| format!("OMS_API_KEY_FILE: {error}"))?;
    let service = |url: &str| Api::with_key(url, key.as_ref()).map_err(|error| error.to_string());
    let (orders, inventory) = (service(&order_url)?, service(&inventory_url)?);
    // Apart from the report, so that this one can be put into a file.
    let tell = |line: &str| eprintln!("{line}");
    let leniency = Leniency { patience: Duration::from_secs(patience_seconds.into()), archived_before };
    verify::run_and_tell(&orders, &inventory, leniency, &tell).await.map_err(|error| error.to_string())
}
