//! `cargo xtask bench`: how fast both services are, against what PostgreSQL does with plain transactions on the same
//! machine in the same run.

use crate::cargo::{self, SERVICES, cargo};
use crate::cli::RunOptions;
use crate::install::{self, Need};
use crate::workspace::{Profile, Workspace};
use std::process::Command;
use std::time::Instant;
use testbed::error::Result;
use testbed::process::output_of;
use testbed::run_folder::RunFolder;
use testbed::step::Steps;

const PROGRAM: &str = "bench";

/// Builds the services for speed and runs the program of the same name on servers of its own; gives its exit code.
pub fn run(workspace: &Workspace, options: &RunOptions) -> Result<u8> {
    let asks = |flags: &[&str]| options.arguments.iter().any(|argument| flags.contains(&argument.as_str()));
    if asks(&["--help", "-h"]) {
        return cargo::run_program(&mut cargo(workspace), PROGRAM, &options.arguments);
    }
    let profile = if asks(&["--smoke"]) { Profile::Dev } else { Profile::Release };
    let steps = Steps::begin("measuring on private servers");
    let folder = RunFolder::make(&workspace.run_folder(), PROGRAM, options.keep, &steps)?;
    let log = folder.path().join("install.log");
    install::what_is_missing(&[Need::Postgres, Need::RabbitMq, Need::Wrk], &log, &steps)?;
    let since = Instant::now();
    cargo::build(workspace, &[&SERVICES[..], &[PROGRAM]].concat(), profile)?;
    steps.done("services and benchmark built", since);
    let binary = workspace.binary(PROGRAM, profile);
    let mut bench = Command::new(&binary);
    let needed = output_of(Command::new(&binary).args(&options.arguments).arg("--programs"))?;
    if needed.contains("oha") {
        bench.env("OHA_BIN", install::oha::find_or_build(workspace, &steps)?);
    }
    bench.current_dir(&workspace.root).env("TEST_RUN_DIR", folder.path());
    bench.env("BENCH_OUT", workspace.target.join("bench")).args(&options.arguments);
    for name in SERVICES {
        bench.env(cargo::binary_variable(name), workspace.binary(name, profile));
    }
    let outcome = cargo::wait(cargo::start(&mut bench, PROGRAM)?);
    let code = outcome.map(|status| status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(1));
    // An interrupted run has nothing to show.
    folder.end(matches!(code, Ok(1..)), &steps);
    code
}
