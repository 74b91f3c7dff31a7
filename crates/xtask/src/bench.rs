//! `cargo xtask bench`: how fast both services are, against what PostgreSQL does with plain transactions on the same
//! machine in the same run.

use crate::cargo::{self, SERVICES_OF_AN_ORDER};
use crate::cli::RunOptions;
use crate::install::{self, Need};
use crate::other_build;
use crate::workspace::{Profile, Workspace};
use std::time::Instant;
use testbed::error::Result;
use testbed::run_folder::RunFolder;
use testbed::step::Steps;

const PROGRAM: &str = "bench";

/// Builds the services for speed and runs the program of the same name on servers of its own; gives its exit code.
pub fn run(workspace: &Workspace, options: &RunOptions) -> Result<u8> {
    let asks = |flags: &[&str]| options.arguments.iter().any(|argument| flags.contains(&argument.as_str()));
    if asks(&["--help", "-h"]) {
        return cargo::exit_code_of(cargo::program(workspace, PROGRAM)?.args(&options.arguments), PROGRAM);
    }
    let profile = if asks(&["--smoke"]) { Profile::Dev } else { Profile::Release };
    let steps = Steps::begin("measuring on private servers");
    let folder = RunFolder::make(&workspace.run_folder(), PROGRAM, options.keep, &steps)?;
    let log = folder.path().join("install.log");
    install::what_is_missing(&[Need::Postgres, Need::RabbitMq, Need::Wrk], &log, &steps)?;
    let since = Instant::now();
    let mut bench = cargo::program_with_services(workspace, PROGRAM, profile, &folder)?;
    steps.done("services and benchmark built", since);
    bench.env("BENCH_OUT", workspace.target.join("bench")).args(&options.arguments);
    if let Some(commit) = other_build::commit_in(&options.arguments, "--against") {
        let old = other_build::build(workspace, commit, &SERVICES_OF_AN_ORDER, profile, &steps)?;
        for name in SERVICES_OF_AN_ORDER {
            bench.env(format!("AGAINST_{}", cargo::binary_variable(name)), old.binary(name, profile));
        }
    }
    let code = cargo::exit_code_of(&mut bench, PROGRAM);
    // An interrupted run has nothing to show.
    folder.end(matches!(code, Ok(1..)), &steps);
    code
}
