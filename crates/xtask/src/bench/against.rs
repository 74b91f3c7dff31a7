//! The build that `--against` compares with: another commit of the project, checked out and built below `.run`.

use std::path::Path;
use std::process::Command;
use std::time::Instant;

use crate::cargo::{self, SERVICES_OF_AN_ORDER};
use crate::workspace::{Profile, Workspace};
use testbed::error::{Result, TestbedError};
use testbed::folders::{delete_folder, make_folder};
use testbed::process::output_of;
use testbed::step::Steps;

const FLAG: &str = "--against";

/// The commit that the arguments name behind `--against`.
pub fn commit_in(arguments: &[String]) -> Option<&str> {
    arguments.iter().enumerate().find_map(|(index, argument)| match argument.strip_prefix(FLAG)? {
        "" => arguments.get(index + 1).map(String::as_str),
        rest => rest.strip_prefix('='),
    })
}

/// Builds the services of a commit. Checkout and target folder stay for the next time, so that dependencies are built
/// once and a commit that was built before is not built again.
pub fn build(workspace: &Workspace, commit: &str, profile: Profile, steps: &Steps) -> Result<Workspace> {
    let since = Instant::now();
    let named = format!("{commit}^{{commit}}");
    let id = git(&workspace.root, &["rev-parse", "--verify", "--quiet", &named])
        .map_err(|_| TestbedError::usage(format!("{FLAG} {commit}: there is no such commit here")))?;
    let folder = workspace.run_folder().join("against");
    make_folder(&folder)?;
    let old = Workspace { root: folder.join("checkout"), target: folder.join("target") };
    check_out(workspace, &old.root, id.trim())?;
    let mut build = cargo::cargo(&old);
    build.args(["build", "--locked", "--workspace"]).args(SERVICES_OF_AN_ORDER.iter().flat_map(|name| ["--bin", name]));
    if profile == Profile::Release {
        build.arg("--release");
    }
    cargo::run(&mut build, &format!("cargo build of {commit}"))?;
    steps.done(&format!("services of {commit} built"), since);
    Ok(old)
}

/// Brings the worktree in `folder` to the commit; makes it where there is none.
fn check_out(workspace: &Workspace, folder: &Path, id: &str) -> Result<()> {
    if folder.join(".git").exists() && git(folder, &["checkout", "--quiet", "--force", "--detach", id]).is_ok() {
        return Ok(());
    }
    // Somebody may have deleted one without telling git.
    delete_folder(folder)?;
    git(&workspace.root, &["worktree", "prune"])?;
    let path = folder.to_string_lossy();
    git(&workspace.root, &["worktree", "add", "--quiet", "--force", "--detach", &path, id]).map(drop)
}

fn git(folder: &Path, arguments: &[&str]) -> Result<String> {
    output_of(Command::new("git").arg("-C").arg(folder).args(arguments))
}

#[cfg(test)]
mod tests {
    use super::commit_in;

    #[test]
    fn finds_the_commit_among_the_arguments() {
        let words = |line: &str| -> Vec<String> { line.split_whitespace().map(str::to_owned).collect() };
        assert_eq!(commit_in(&words("hot --against HEAD~1 --turns 3")), Some("HEAD~1"));
        assert_eq!(commit_in(&words("--against=abc")), Some("abc"));
        assert_eq!(commit_in(&words("hot --against")), None);
        assert_eq!(commit_in(&words("--against-order-service x")), None);
    }
}
