//! Where the programs of the fleet are.

use std::path::PathBuf;

use crate::error::{Result, TestbedError};

/// A program on the search path, or where Debian has those of administrators.
pub fn find_program(name: &str) -> Result<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain(["/usr/sbin", "/usr/bin"].map(PathBuf::from));
    let mut files = folders.map(|folder| folder.join(name));
    files.find(|file| file.is_file()).ok_or_else(|| TestbedError::new(format!("{name} is not installed")))
}
