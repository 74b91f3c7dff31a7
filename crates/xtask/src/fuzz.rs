//! `cargo xtask fuzz`: changed requests for all that reads one, longer than the ordinary tests have time for.

use crate::cargo::{self, EVERYTHING, cargo};
use crate::workspace::Workspace;
use testbed::error::Result;

/// How long to go on.
pub type Minutes = u32;

/// Builds the test and runs it for so long; gives its exit code.
pub fn run(workspace: &Workspace, minutes: Minutes) -> Result<u8> {
    let mut test = cargo(workspace);
    test.arg("test").args(EVERYTHING).args(["--test", "fuzz", "--", "--nocapture"]);
    cargo::exit_code_of(test.env("FUZZ_MINUTES", minutes.to_string()), "cargo test")
}
