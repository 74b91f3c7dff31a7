//! The program behind `cargo xtask bench`, which hands it the binaries and a folder: exit code 0 when everything was
//! right, 1 when not, 2 when nobody can tell.

use bench::against::{self, Build};
use bench::{Report, Scenario, Settings, chart, constant_route, table};
use clap::{Parser, Subcommand};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Measures the services, with everything they need, against PostgreSQL alone
#[derive(Parser, Debug)]
#[command(name = "cargo xtask bench", args_conflicts_with_subcommands = true)]
struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
    /// What to measure; everything where nothing is named
    #[arg(value_enum)]
    scenarios: Vec<Scenario>,
    /// How long each load lasts
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..))]
    seconds: u32,
    /// Orders in the tables in the scenario `large`
    #[arg(long, default_value_t = 5_000_000, value_parser = clap::value_parser!(u32).range(1000..))]
    orders: u32,
    /// Only see that everything works: development builds, loads of a second, figures that mean nothing
    #[arg(long)]
    smoke: bool,
    /// Keep the folder with the servers' data and logs also when all went well
    // Dealt with by xtask, which makes the folder.
    #[arg(long)]
    keep: bool,
    /// Exit with 1 also when a goal is missed
    #[arg(long)]
    strict: bool,
    /// Folder for bench.json and bench.svg
    #[arg(long, env = "BENCH_OUT", hide_env = true, default_value = "target/bench")]
    out: PathBuf,
    /// A bench.json of this machine to take the baseline from, for working on the services' speed
    #[arg(long)]
    baseline_from: Option<PathBuf>,
    /// Take turns with the build of this commit instead, and say how much of its speed this build has; of placement, hot,
    /// sustained and reads, or those of them that are named
    // Built by xtask.
    #[arg(long, value_name = "COMMIT")]
    against: Option<String>,
    /// How many turns each build takes with each load
    #[arg(long, default_value_t = 31, requires = "against", value_parser = clap::value_parser!(u16).range(1..))]
    turns: u16,
    /// The binary of order-service of that commit
    #[arg(long, env = "AGAINST_ORDER_SERVICE_BIN", hide = true, default_value = "order-service")]
    against_order_service: PathBuf,
    /// The binary of inventory-service of that commit
    #[arg(long, env = "AGAINST_INVENTORY_SERVICE_BIN", hide = true, default_value = "inventory-service")]
    against_inventory_service: PathBuf,
    /// Folder for servers and logs
    #[arg(long, env = "TEST_RUN_DIR", hide = true, default_value = ".")]
    run_dir: PathBuf,
    /// The binary of order-service
    #[arg(long, env = "ORDER_SERVICE_BIN", hide = true, default_value = "order-service")]
    order_service: PathBuf,
    /// The binary of inventory-service
    #[arg(long, env = "INVENTORY_SERVICE_BIN", hide = true, default_value = "inventory-service")]
    inventory_service: PathBuf,
    /// The binary of account-service
    #[arg(long, env = "ACCOUNT_SERVICE_BIN", hide = true, default_value = "account-service")]
    account_service: PathBuf,
}

#[derive(Subcommand, Debug)]
enum Command {
    /// Serve an answer that never changes
    #[command(hide = true)]
    ConstantRoute {
        /// Port on the loopback address
        #[arg(long)]
        port: u16,
        /// Bytes of the answer's body
        #[arg(long)]
        size: usize,
    },
}

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let outcome = match arguments.command {
        Some(Command::ConstantRoute { port, size }) => {
            constant_route::serve(port, size).await.map(|()| 0).map_err(|error| error.to_string())
        }
        None => measure(arguments).await,
    };
    match outcome {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::from(2)
        }
    }
}

async fn measure(arguments: Arguments) -> Result<u8, String> {
    let Arguments { scenarios, seconds, orders, smoke, strict, out, baseline_from, .. } = arguments;
    let Arguments { run_dir, order_service, inventory_service, account_service, .. } = arguments;
    let Arguments { against, turns, against_order_service, against_inventory_service, .. } = arguments;
    let bench = std::env::current_exe().map_err(|error| error.to_string())?;
    let (seconds, orders) = if smoke { (1, orders.min(10_000)) } else { (seconds, orders) };
    let settings = Settings {
        scenarios,
        seconds,
        smoke,
        baseline_from,
        orders,
        bench,
        run_dir,
        order_service,
        inventory_service,
        account_service,
    };
    if let Some(commit) = against {
        let (order_service, inventory_service) = (against_order_service, against_inventory_service);
        let old = Build { commit, order_service, inventory_service };
        let comparison = against::run(&settings, &old, turns.into()).await.map_err(|error| error.to_string())?;
        println!("\n{comparison}");
        // Whether a ratio is good enough is for people to say: they know what the change is worth.
        return Ok(u8::from(!comparison.wrong.is_empty()));
    }
    let report = bench::run(settings).await.map_err(|error| error.to_string())?;
    print!("{}", table::of_report(&report));
    write(&report, &out)?;
    Ok(u8::from(!report.is_right() || (strict && report.missed() > 0)))
}

fn write(report: &Report, out: &Path) -> Result<(), String> {
    let json = serde_json::to_string_pretty(report).map_err(|error| error.to_string())?;
    let svg = chart::of_report(report).map_err(|error| error.to_string())?;
    std::fs::create_dir_all(out).map_err(|error| format!("cannot create {}: {error}", out.display()))?;
    for (name, text) in [("bench.json", json + "\n"), ("bench.svg", svg)] {
        let file = out.join(name);
        std::fs::write(&file, text).map_err(|error| format!("cannot write {}: {error}", file.display()))?;
        println!("written: {}", file.display());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::Arguments;
    use bench::Scenario;
    use clap::{CommandFactory, Parser};

    #[test]
    fn the_flags_are_sound() {
        Arguments::command().debug_assert();
        let arguments = Arguments::parse_from(["bench", "hot", "sold-out", "--seconds", "5"]);
        assert_eq!((arguments.scenarios, arguments.seconds), (vec![Scenario::Hot, Scenario::SoldOut], 5));
        assert!(Arguments::parse_from(["bench", "constant-route", "--port", "1", "--size", "9"]).command.is_some());
    }
}
