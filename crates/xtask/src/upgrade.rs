//! `cargo xtask upgrade-test`: an earlier release and this build take turns on one database under load, and back again.

use crate::cargo::{self, SERVICES};
use crate::cli::RunOptions;
use crate::install::{self, Need};
use crate::other_build;
use crate::workspace::{Profile, Workspace};
use std::time::Instant;
use testbed::error::{Result, TestbedError};
use testbed::run_folder::RunFolder;
use testbed::step::Steps;

const PROGRAM: &str = "upgrade-test";

const FROM: &str = "--from";

/// Builds the newest tag, or the commit behind `--from`, and this checkout, and runs the program of the same name; gives its exit
/// code.
pub fn run(workspace: &Workspace, options: &RunOptions) -> Result<u8> {
    if options.arguments.iter().any(|argument| matches!(argument.as_str(), "--help" | "-h")) {
        return cargo::exit_code_of(cargo::program(workspace, PROGRAM)?.args(&options.arguments), PROGRAM);
    }
    let named = other_build::commit_in(&options.arguments, FROM).map(str::to_owned);
    let from = named.clone().or_else(|| other_build::newest_tag(workspace)).ok_or_else(|| {
        TestbedError::usage(format!("there is no tag here to begin with; name a commit: {PROGRAM} {FROM} COMMIT"))
    })?;
    let steps = Steps::begin(&format!("from {from} to this build and back, on private servers"));
    let folder = RunFolder::make(&workspace.run_folder(), PROGRAM, options.keep, &steps)?;
    install::what_is_missing(&[Need::Postgres, Need::RabbitMq], &folder.path().join("install.log"), &steps)?;
    let old = other_build::build(workspace, &from, &SERVICES, Profile::Dev, &steps)?;
    let since = Instant::now();
    let mut upgrade = cargo::program_with_services(workspace, PROGRAM, Profile::Dev, &folder)?;
    steps.done("services of this checkout built", since);
    upgrade.args(&options.arguments);
    if named.is_none() {
        upgrade.args([FROM, &from]);
    }
    for name in SERVICES {
        upgrade.env(format!("OLD_{}", cargo::binary_variable(name)), old.binary(name, Profile::Dev));
    }
    let outcome = cargo::exit_code_of(&mut upgrade, PROGRAM);
    // An interrupted run has nothing to show.
    folder.end(matches!(outcome, Ok(1..)), &steps);
    outcome
}
