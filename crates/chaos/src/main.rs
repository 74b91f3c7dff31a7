//! The program behind `cargo xtask chaos`, which hands it the services' binaries and a folder: exit code 0 when
//! everything held, 1 when not, 2 when nobody can tell.

use chaos::program::{Flags, exit_code_of};
use clap::Parser;
use std::process::ExitCode;

/// Breaks the services and their servers under load and checks that what was promised is there
#[derive(Parser, Debug)]
#[command(name = "cargo xtask chaos")]
struct Arguments {
    /// How long the load and the faults last
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u32).range(5..))]
    seconds: u32,
    /// Break a fleet, part by part, which has to go on: three PostgreSQL, three RabbitMQ, two of each service behind gateways
    #[arg(long)]
    ha: bool,
    #[command(flatten)]
    flags: Flags,
}

#[tokio::main]
async fn main() -> ExitCode {
    let Arguments { seconds, ha: fleet, flags } = Arguments::parse();
    exit_code_of(&flags.settings(seconds, fleet)).await
}
