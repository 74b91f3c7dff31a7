//! `cargo xtask drill`: one thing breaks at a time under a real Prometheus, and the right alert has to tell of it.

use crate::cargo::{self, SERVICES};
use crate::cli::RunOptions;
use crate::install::{self, Need};
use crate::workspace::{Profile, Workspace};
use std::time::Instant;
use testbed::error::Result;
use testbed::run_folder::RunFolder;
use testbed::step::Steps;

/// Variables of the servers that all tests share. The drill has servers of its own, which it breaks.
const SHARED_SERVERS: [&str; 3] = ["TEST_DATABASE_URL", "TEST_AMQP_URL", "TEST_RABBITMQ_MANAGEMENT_URL"];

/// Builds the services and the program of the same name; gives its exit code.
pub fn run(workspace: &Workspace, options: &RunOptions) -> Result<u8> {
    let steps = Steps::begin("a drill on private servers");
    let folder = RunFolder::make(&workspace.run_folder(), "drill", options.keep, &steps)?;
    let needs = [Need::Postgres, Need::RabbitMq, Need::Prometheus];
    install::what_is_missing(&needs, &folder.path().join("install.log"), &steps)?;
    let since = Instant::now();
    cargo::build(workspace, &[&SERVICES[..], &["drill"]].concat(), Profile::Dev)?;
    steps.done("services and drill built", since);
    let mut drill = cargo::program(workspace, "drill")?;
    drill.env("TEST_RUN_DIR", folder.path());
    drill.envs(SHARED_SERVERS.map(|name| (name, "none")));
    for name in SERVICES {
        drill.env(cargo::binary_variable(name), workspace.binary(name, Profile::Dev));
    }
    let outcome = cargo::exit_code_of(&mut drill, "drill");
    // An interrupted run has nothing to show.
    folder.end(matches!(outcome, Ok(1..)), &steps);
    outcome
}
