//! newman, which runs the Postman collection: installed by npm into the run folder, once for each version.

use std::path::PathBuf;
use std::process::Command;
use std::time::Instant;

use crate::workspace::Workspace;
use testbed::error::Result;
use testbed::folders::{delete_folder, make_folder};
use testbed::process;
use testbed::step::Steps;

/// The version that the collection was last seen green with; a newer one is installed beside it.
const VERSION: &str = "6.2.2";

/// Where the program is once it is installed.
pub fn program(workspace: &Workspace) -> PathBuf {
    folder(workspace).join("node_modules/.bin/newman")
}

/// Installs it, unless it is there from an earlier run. Needs npm.
pub fn if_missing(workspace: &Workspace, steps: &Steps) -> Result<()> {
    if program(workspace).is_file() {
        return Ok(());
    }
    let since = Instant::now();
    steps.say("installing newman with npm");
    let folder = folder(workspace);
    // Under another name until it is whole, so that an interrupted installation is not taken for one.
    let unfinished = folder.with_extension(format!("unfinished-{}", std::process::id()));
    make_folder(&unfinished)?;
    let mut npm = Command::new("npm");
    npm.args(["install", "--no-save", "--no-package-lock", "--no-audit", "--no-fund", "--ignore-scripts", "--prefix"])
        .arg(&unfinished)
        .arg(format!("newman@{VERSION}"));
    let installed = process::output_of(&mut npm);
    if installed.is_ok() && std::fs::rename(&unfinished, &folder).is_ok() {
        steps.done(&format!("installed newman {VERSION}"), since);
        return Ok(());
    }
    // Another run may have been faster.
    delete_folder(&unfinished)?;
    installed.map(drop)
}

fn folder(workspace: &Workspace) -> PathBuf {
    workspace.run_folder().join("tools").join(format!("newman-{VERSION}"))
}
