//! What `verify` says about a file with an API key that it cannot use; nothing is called before.

// Tests only: a test that cannot go on says so by a panic.
#![allow(clippy::unwrap_used)]

use std::path::Path;
use std::process::Command;

/// What it says with this file.
fn says(file: &Path) -> String {
    let mut verify = Command::new(env!("CARGO_BIN_EXE_verify"));
    let output = verify.env("OMS_API_KEY_FILE", file).output().unwrap();
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    String::from_utf8(output.stderr).unwrap()
}

#[test]
fn a_file_that_is_not_there_or_empty_is_named() {
    let missing = says(Path::new("/nowhere/key"));
    assert!(missing.starts_with("error: OMS_API_KEY_FILE: cannot read /nowhere/key: No such file"), "{missing}");
    let empty = says(Path::new("/dev/null"));
    let expected = "error: OMS_API_KEY_FILE: /dev/null has no API key in it: one line that begins with oms_\n";
    assert_eq!(empty, expected);
}
