//! `cargo xtask drill`: one thing breaks at a time under a real Prometheus, and the right alert has to tell of it. `cargo xtask
//! restore-drill`: the database is lost and restored, by the commands of docs/backups.md.

use crate::cargo;
use crate::cli::RunOptions;
use crate::install::{self, Need};
use crate::workspace::{Profile, Workspace};
use std::time::Instant;
use testbed::error::Result;
use testbed::run_folder::RunFolder;
use testbed::step::Steps;

/// Variables of the servers that all tests share. A drill has servers of its own, which it breaks.
const SHARED_SERVERS: [&str; 3] = ["TEST_DATABASE_URL", "TEST_AMQP_URL", "TEST_RABBITMQ_MANAGEMENT_URL"];

/// That of the alerts; gives its exit code.
pub fn of_alerts(workspace: &Workspace, options: &RunOptions) -> Result<u8> {
    run(workspace, options, "drill", Need::Prometheus)
}

/// That of the backups; gives its exit code.
pub fn of_backups(workspace: &Workspace, options: &RunOptions) -> Result<u8> {
    run(workspace, options, "restore-drill", Need::PgBackRest)
}

/// Builds the services and the program of this name, and runs it.
fn run(workspace: &Workspace, options: &RunOptions, name: &str, need: Need) -> Result<u8> {
    let steps = Steps::begin("a drill on private servers");
    let folder = RunFolder::make(&workspace.run_folder(), name, options.keep, &steps)?;
    install::what_is_missing(&[Need::Postgres, Need::RabbitMq, need], &folder.path().join("install.log"), &steps)?;
    let since = Instant::now();
    let mut drill = cargo::program_with_services(workspace, name, Profile::Dev, &folder)?;
    steps.done("services and drill built", since);
    let outcome = cargo::exit_code_of(drill.envs(SHARED_SERVERS.map(|name| (name, "none"))), name);
    // An interrupted run has nothing to show.
    folder.end(matches!(outcome, Ok(1..)), &steps);
    outcome
}
