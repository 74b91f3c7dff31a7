//! Running cargo for the commands, so that Ctrl-C ends it together with everything it started.

use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use crate::workspace::{Profile, Workspace};
use testbed::error::{Result, TestbedError};
use testbed::interrupt;
use testbed::process::{self, Signal};
use testbed::run_folder::RunFolder;

/// The binaries of the services.
pub const SERVICES: [&str; 3] = ["order-service", "inventory-service", "account-service"];

/// The binaries that an order passes through. Every earlier commit that the benchmark compares with has them.
pub const SERVICES_OF_AN_ORDER: [&str; 2] = ["order-service", "inventory-service"];

/// The variable that tells a test where the binary of a service is: `ORDER_SERVICE_BIN`.
pub fn binary_variable(service: &str) -> String {
    format!("{}_BIN", service.to_uppercase().replace('-', "_"))
}

/// A cargo command in the checkout. Queries are checked against the committed `.sqlx`, whatever database the caller's
/// environment names.
pub fn cargo(workspace: &Workspace) -> Command {
    let program = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(program);
    // What `cargo run` tells us about our own package would make build scripts that look at it run again.
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        if ["CARGO_PKG_", "CARGO_MANIFEST_"].iter().any(|prefix| text.starts_with(prefix)) {
            command.env_remove(name);
        }
    }
    command
        .current_dir(&workspace.root)
        .env("CARGO_TARGET_DIR", &workspace.target)
        .env("SQLX_OFFLINE", "true")
        .stdin(Stdio::null());
    command
}

/// Selects the whole workspace, and the one set of features that every development build has. Cargo chooses the features
/// of dependencies by what is selected; with another selection they would be built a second time.
pub const EVERYTHING: [&str; 3] = ["--workspace", "--features", "order-service/failure-points"];

/// Builds the services.
pub fn build_services(workspace: &Workspace, profile: Profile) -> Result<()> {
    build(workspace, &SERVICES, profile)
}

/// Builds binaries of the workspace, by their names.
pub fn build(workspace: &Workspace, binaries: &[&str], profile: Profile) -> Result<()> {
    let mut build = cargo(workspace);
    build.arg("build").args(binaries.iter().flat_map(|name| ["--bin", name]));
    match profile {
        Profile::Dev => build.args(EVERYTHING),
        Profile::Release => build.args(["--workspace", "--release"]),
    };
    run(&mut build, "cargo build")
}

/// A program of the workspace, built first. xtask itself stays without the dependencies of such a program, so that it
/// starts fast.
pub fn program(workspace: &Workspace, name: &str) -> Result<Command> {
    build(workspace, &[name], Profile::Dev)?;
    let mut program = Command::new(workspace.binary(name, Profile::Dev));
    program.current_dir(&workspace.root);
    Ok(program)
}

/// A program of the workspace that brings up the services, built with them: it is told where they are, and where its folder is.
pub fn program_with_services(
    workspace: &Workspace,
    name: &str,
    profile: Profile,
    folder: &RunFolder,
) -> Result<Command> {
    build(workspace, &[&SERVICES[..], &[name]].concat(), profile)?;
    let mut program = Command::new(workspace.binary(name, profile));
    program.current_dir(&workspace.root).env("TEST_RUN_DIR", folder.path());
    for service in SERVICES {
        program.env(binary_variable(service), workspace.binary(service, profile));
    }
    Ok(program)
}

/// Runs a program to its end and gives its exit code.
pub fn exit_code_of(program: &mut Command, name: &str) -> Result<u8> {
    let status = wait(start(program, name)?)?;
    Ok(status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(1))
}

/// Runs the command to its end; an error when it fails.
pub fn run(command: &mut Command, name: &str) -> Result<()> {
    let status = wait(start(command, name)?)?;
    if status.success() {
        return Ok(());
    }
    Err(TestbedError::new(format!("{name} failed ({status})")))
}

/// Starts the command in a process group of its own.
pub fn start(command: &mut Command, name: &str) -> Result<Child> {
    interrupt::check()?;
    command.process_group(0).spawn().map_err(|cause| TestbedError::new(format!("cannot run {name}: {cause}")))
}

/// Waits for the end, and sends an interruption of ours on to the whole group. Nothing of the group is left afterwards.
pub fn wait(mut child: Child) -> Result<ExitStatus> {
    let group = -i64::from(child.id());
    let failed = |cause: std::io::Error| TestbedError::new(format!("lost sight of cargo: {cause}"));
    loop {
        if let Some(status) = child.try_wait().map_err(failed)? {
            process::send(Signal::Kill, group);
            // Cargo that was interrupted itself means the person wants everything to end.
            if status.signal().is_some() {
                interrupt::check()?;
            }
            return Ok(status);
        }
        if interrupt::requested() {
            process::send(Signal::Interrupt, group);
            let ended = testbed::poll::came_true(Duration::from_secs(5), || {
                child.try_wait().is_ok_and(|status| status.is_some())
            });
            process::send(Signal::Kill, group);
            if !ended {
                child.wait().map_err(failed)?;
            }
            return Err(TestbedError::interrupted());
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}
