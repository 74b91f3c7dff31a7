//! The build of another commit of the project, checked out and built below `.run`: what `bench --against` compares with, and what
//! `upgrade-test` begins with.

use std::path::Path;
use std::process::Command;
use std::time::Instant;

use crate::cargo;
use crate::workspace::{Profile, Workspace};
use testbed::error::{Result, TestbedError};
use testbed::folders::{delete_folder, make_folder};
use testbed::process::output_of;
use testbed::step::Steps;

/// The commit that the arguments name behind this flag.
pub fn commit_in<'a>(arguments: &'a [String], flag: &str) -> Option<&'a str> {
    arguments.iter().enumerate().find_map(|(index, argument)| match argument.strip_prefix(flag)? {
        "" => arguments.get(index + 1).map(String::as_str),
        rest => rest.strip_prefix('='),
    })
}

/// The newest tag that the checkout is based on, if there is one.
pub fn newest_tag(workspace: &Workspace) -> Option<String> {
    let tag = git(&workspace.root, &["describe", "--tags", "--abbrev=0"]).ok()?;
    Some(tag.trim().to_owned())
}

/// Builds services of a commit. Checkout and target folder stay for the next time, so that dependencies are built
/// once and a commit that was built before is not built again.
pub fn build(
    workspace: &Workspace,
    commit: &str,
    services: &[&str],
    profile: Profile,
    steps: &Steps,
) -> Result<Workspace> {
    let since = Instant::now();
    let named = format!("{commit}^{{commit}}");
    let id = git(&workspace.root, &["rev-parse", "--verify", "--quiet", &named])
        .map_err(|_| TestbedError::usage(format!("{commit}: there is no such commit here")))?;
    let folder = workspace.run_folder().join("against");
    make_folder(&folder)?;
    let other = Workspace { root: folder.join("checkout"), target: folder.join("target") };
    check_out(workspace, &other.root, id.trim())?;
    let mut build = cargo::cargo(&other);
    build.args(["build", "--locked", "--workspace"]).args(services.iter().flat_map(|name| ["--bin", name]));
    if profile == Profile::Release {
        build.arg("--release");
    }
    cargo::run(&mut build, &format!("cargo build of {commit}"))?;
    steps.done(&format!("services of {commit} built"), since);
    Ok(other)
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
        assert_eq!(commit_in(&words("hot --against HEAD~1 --turns 3"), "--against"), Some("HEAD~1"));
        assert_eq!(commit_in(&words("--from=abc"), "--from"), Some("abc"));
        assert_eq!(commit_in(&words("hot --against"), "--against"), None);
        assert_eq!(commit_in(&words("--against-order-service x"), "--against"), None);
    }
}
