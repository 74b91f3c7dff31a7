//! schemathesis, which makes up requests from the OpenAPI documents: installed by pip into the run folder, once for each
//! version.

use std::path::PathBuf;
use std::process::Command;
use std::time::Instant;

use crate::workspace::Workspace;
use testbed::error::{Result, TestbedError};
use testbed::folders::{delete_folder, make_folder};
use testbed::process;
use testbed::step::Steps;

/// The version that the services were last seen clean with; the requirements beside this file name it and all it needs.
const VERSION: &str = "4.32.5";

/// Every package with its version and the hashes of its files. Renewed by
/// `echo schemathesis==4.32.5 | uv pip compile --universal --generate-hashes --python-version 3.11 -`.
const REQUIREMENTS: &str = include_str!("schemathesis.txt");

/// Where the program is once it is installed.
pub fn program(workspace: &Workspace) -> PathBuf {
    folder(workspace).join("bin/schemathesis")
}

/// Installs it, unless it is there from an earlier run. Needs Python 3.11 or newer.
pub fn if_missing(workspace: &Workspace, steps: &Steps) -> Result<()> {
    let (folder, whole) = (folder(workspace), folder(workspace).join("whole"));
    if whole.is_file() {
        return Ok(());
    }
    let since = Instant::now();
    steps.say("installing schemathesis with pip");
    // What pip installs names the folder it is in, so it cannot be moved afterwards.
    delete_folder(&folder)?;
    make_folder(&folder)?;
    process::output_of(Command::new("python3").args(["-m", "venv"]).arg(&folder))?;
    let requirements = folder.join("requirements.txt");
    write(&requirements, REQUIREMENTS)?;
    let mut pip = Command::new(folder.join("bin/pip"));
    pip.args(["install", "--quiet", "--disable-pip-version-check", "--require-hashes", "--only-binary", ":all:", "-r"]);
    process::output_of(pip.arg(&requirements))?;
    write(&whole, VERSION)?;
    steps.done(&format!("installed schemathesis {VERSION}"), since);
    Ok(())
}

fn write(path: &PathBuf, text: &str) -> Result<()> {
    std::fs::write(path, text).map_err(|cause| TestbedError::new(format!("cannot write {}: {cause}", path.display())))
}

fn folder(workspace: &Workspace) -> PathBuf {
    workspace.run_folder().join("tools").join(format!("schemathesis-{VERSION}"))
}

#[cfg(test)]
mod tests {
    use super::{REQUIREMENTS, VERSION};

    #[test]
    fn the_requirements_are_those_of_the_version() {
        assert!(REQUIREMENTS.contains(&format!("schemathesis=={VERSION} ")));
        assert!(REQUIREMENTS.contains("--hash=sha256:"));
    }
}
