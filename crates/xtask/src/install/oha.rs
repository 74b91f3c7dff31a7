//! oha, which no distribution packages: built by cargo into the target folder, once.

use std::path::{Path, PathBuf};
use std::time::Instant;

use crate::cargo::{self, cargo};
use crate::install::is_on_path;
use crate::workspace::Workspace;
use testbed::error::Result;
use testbed::step::Steps;

const NAME: &str = "oha";

/// The program, built first where it is neither on the search path nor built yet. Takes minutes then.
pub fn find_or_build(workspace: &Workspace, steps: &Steps) -> Result<PathBuf> {
    if is_on_path(NAME) {
        return Ok(NAME.into());
    }
    let tools = workspace.target.join("tools");
    let program = tools.join("bin").join(NAME);
    if !program.is_file() {
        build(workspace, &tools, steps)?;
    }
    Ok(program)
}

fn build(workspace: &Workspace, tools: &Path, steps: &Steps) -> Result<()> {
    let since = Instant::now();
    steps.say("building oha, which takes some minutes the first time");
    let mut install = cargo(workspace);
    install
        .args(["install", NAME, "--locked", "--quiet", "--root"])
        .arg(tools)
        // A folder of its own, which cargo deletes afterwards.
        .env_remove("CARGO_TARGET_DIR")
        // Built in half the time; what it could gain in speed does not matter here.
        .env("CARGO_PROFILE_RELEASE_LTO", "off")
        .env("CARGO_PROFILE_RELEASE_CODEGEN_UNITS", "16");
    cargo::run(&mut install, "cargo install oha")?;
    steps.done("built oha", since);
    Ok(())
}
