//! What the programs of this crate have in common: the flags of a run, and what they say of it.

use crate::{Settings, run};
use clap::Args;
use std::path::PathBuf;
use std::process::ExitCode;

/// Clients where nobody says how many.
const CLIENTS: u16 = 8;

/// The same with a fleet, whose servers need much of two processors themselves: behind more clients it would be the wait for a
/// processor that is measured.
const CLIENTS_OF_FLEET: u16 = 4;

/// The flags of every run.
#[derive(Args, Debug)]
pub struct Flags {
    /// Where the faults and the operations come from; by default another one each time
    #[arg(long)]
    seed: Option<u64>,
    /// Clients at work at once; by default 8, and 4 with a fleet
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..=256))]
    clients: Option<u16>,
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

impl Flags {
    /// A run of so many seconds in which things break, on one server of each kind or on a fleet.
    pub fn settings(self, seconds: u32, fleet: bool) -> Settings {
        let clients = if fleet { CLIENTS_OF_FLEET } else { CLIENTS };
        Settings {
            seed: self.seed.unwrap_or_else(|| fastrand::u64(0..1_000_000)),
            seconds,
            fleet,
            clients: self.clients.unwrap_or(clients).into(),
            run_dir: self.run_dir,
            order_service: self.order_service,
            inventory_service: self.inventory_service,
            account_service: self.account_service,
            from: None,
        }
    }
}

/// Carries out a run and prints what came out: 0 when everything held, 1 when not, 2 when nobody can tell.
pub async fn exit_code_of(settings: &Settings) -> ExitCode {
    match run(settings).await {
        Ok(outcome) => {
            println!("{outcome}");
            ExitCode::from(u8::from(outcome.findings() > 0))
        }
        Err(error) => {
            eprintln!("error: {error}\nseed {}", settings.seed);
            ExitCode::from(2)
        }
    }
}
