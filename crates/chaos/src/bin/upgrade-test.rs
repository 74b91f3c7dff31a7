//! The program behind `cargo xtask upgrade-test`, which hands it the binaries of two builds and a folder: exit code 0 when
//! everything held, 1 when not, 2 when nobody can tell.

use chaos::{Old, Settings};
use clap::Parser;
use std::path::PathBuf;
use std::process::ExitCode;

/// Has an earlier build and this one take turns under load, and checks that nobody noticed
#[derive(Parser, Debug)]
#[command(name = "cargo xtask upgrade-test")]
struct Arguments {
    /// Commit or tag to begin with; by default the newest tag
    // Checked out and built by xtask.
    #[arg(long)]
    from: String,
    /// How long the load lasts, not counting the time in which instances are exchanged
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u32).range(6..))]
    seconds: u32,
    /// Where the operations come from; by default another one each time
    #[arg(long)]
    seed: Option<u64>,
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
    /// The binary of the earlier order-service
    #[arg(long, env = "OLD_ORDER_SERVICE_BIN", hide = true)]
    old_order_service: PathBuf,
    /// The binary of the earlier inventory-service
    #[arg(long, env = "OLD_INVENTORY_SERVICE_BIN", hide = true)]
    old_inventory_service: PathBuf,
    /// The binary of the earlier account-service
    #[arg(long, env = "OLD_ACCOUNT_SERVICE_BIN", hide = true)]
    old_account_service: PathBuf,
}

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let seed = arguments.seed.unwrap_or_else(|| fastrand::u64(0..1_000_000));
    let settings = Settings {
        seed,
        seconds: arguments.seconds,
        clients: arguments.clients.into(),
        run_dir: arguments.run_dir,
        order_service: arguments.order_service,
        inventory_service: arguments.inventory_service,
        account_service: arguments.account_service,
        fleet: false,
        from: Some(Old {
            name: arguments.from,
            order_service: arguments.old_order_service,
            inventory_service: arguments.old_inventory_service,
            account_service: arguments.old_account_service,
        }),
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
