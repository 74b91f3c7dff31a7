//! The program behind `cargo xtask verify`: exit code 0 when everything holds, 1 when not, 2 when nobody can tell.

use clap::Parser;
use std::process::ExitCode;
use std::time::Duration;

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
    /// Seconds that what differs gets to agree, while messages are under way
    #[arg(long, default_value_t = 10)]
    patience_seconds: u32,
}

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let patience = Duration::from_secs(arguments.patience_seconds.into());
    // Apart from the report, so that this one can be put into a file.
    let tell = |line: &str| eprintln!("{line}");
    match verify::run_and_tell(&arguments.order_url, &arguments.inventory_url, patience, &tell).await {
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
