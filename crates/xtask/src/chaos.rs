//! `cargo xtask chaos`: the services and their servers are broken again and again under load; what was promised must
//! be there afterwards.

use crate::cargo;
use crate::cli::RunOptions;
use crate::ha;
use crate::install::{self, Need};
use crate::workspace::{Profile, Workspace};
use std::time::Instant;
use testbed::error::Result;
use testbed::fleet::{Network, clean_up_after_dead_runs};
use testbed::run_folder::RunFolder;
use testbed::step::Steps;

/// Builds the services and runs the program of the same name on servers of its own; gives its exit code.
pub fn run(workspace: &Workspace, options: &RunOptions) -> Result<u8> {
    if options.arguments.iter().any(|argument| matches!(argument.as_str(), "--help" | "-h")) {
        return cargo::exit_code_of(cargo::program(workspace, "chaos")?.args(&options.arguments), "chaos");
    }
    let steps = Steps::begin("chaos on private servers");
    let folder = RunFolder::make(&workspace.run_folder(), "chaos", options.keep, &steps)?;
    let fleet = options.arguments.iter().any(|argument| argument == "--ha");
    let needs: &[Need] = if fleet { &ha::NEEDS } else { &[Need::Postgres, Need::RabbitMq] };
    install::what_is_missing(needs, &folder.path().join("install.log"), &steps)?;
    let since = Instant::now();
    let mut chaos = cargo::program_with_services(workspace, "chaos", Profile::Dev, &folder)?;
    steps.done("services and chaos built", since);
    let outcome = cargo::exit_code_of(chaos.args(&options.arguments), "chaos");
    if fleet && Network::is_possible() {
        // One that was interrupted has left its networks.
        clean_up_after_dead_runs()?;
    }
    // An interrupted run has nothing to show.
    folder.end(matches!(outcome, Ok(1..)), &steps);
    outcome
}
