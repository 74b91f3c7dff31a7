//! The program behind `cargo xtask upgrade-test`, which hands it the binaries of two builds and a folder: exit code 0 when
//! everything held, 1 when not, 2 when nobody can tell.

use chaos::program::{Flags, exit_code_of};
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
    #[command(flatten)]
    flags: Flags,
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
    let Arguments { from: name, seconds, flags, old_order_service, old_inventory_service, old_account_service } =
        Arguments::parse();
    let old = Old {
        name,
        order_service: old_order_service,
        inventory_service: old_inventory_service,
        account_service: old_account_service,
    };
    exit_code_of(&Settings { from: Some(old), ..flags.settings(seconds, false) }).await
}
