//! The program behind `cargo xtask chaos`, which hands it the services' binaries and a folder: exit code 0 when
//! everything held, 1 when not, 2 when nobody can tell.

use chaos::Settings;
use clap::Parser;
use std::path::PathBuf;
use std::process::ExitCode;

/// Breaks the services and their servers under load and checks that what was promised is there
#[derive(Parser, Debug)]
#[command(name = "cargo xtask chaos")]
struct Arguments {
    /// How long the load and the faults last
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u32).range(5..))]
    seconds: u32,
    /// Where the faults and the operations come from; by default another one each time
    #[arg(long)]
    seed: Option<u64>,
    /// Break a fleet, part by part, which has to go on: three PostgreSQL, three RabbitMQ, two of each service behind gateways
    #[arg(long)]
    ha: bool,
    /// Clients at work at once
    #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(u16).range(1..=256))]
    clients: u16,
    /// Keep the folder with the servers' data and logs also when everything held
    // Dealt with by xtask, which makes the folder.
    #[arg(long)]
    keep: bool,
    /// Folder for servers and logs
    #[arg(long, env = "TEST_RUN_DIR", hide = true)]
    run_dir: PathBuf,
    /// The binary of order-service
    #[arg(long, env = "ORDER_SERVICE_BIN", hide = true)]
    order_service: PathBuf,
    /// The binary of inventory-service
    #[arg(long, env = "INVENTORY_SERVICE_BIN", hide = true)]
    inventory_service: PathBuf,
    /// The binary of account-service
    #[arg(long, env = "ACCOUNT_SERVICE_BIN", hide = true)]
    account_service: PathBuf,
}

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let Arguments { seconds, ha: fleet, clients, run_dir, order_service, inventory_service, account_service, .. } =
        arguments;
    let seed = arguments.seed.unwrap_or_else(|| fastrand::u64(0..1_000_000));
    let clients = clients.into();
    let settings = Settings {
        seed,
        seconds,
        fleet,
        clients,
        run_dir,
        order_service,
        inventory_service,
        account_service,
        from: None,
    };
    match chaos::run(&settings).await {
        Ok(outcome) => {
            println!("{outcome}");
            ExitCode::from(u8::from(outcome.findings() > 0))
        }
        Err(error) => {
            eprintln!("error: {error}\nseed {seed}");
            ExitCode::from(2)
        }
    }
}
