//! Making and deleting folders and writing files, with an error that names them.

use std::path::Path;
use std::time::Duration;

use crate::error::{Result, TestbedError};
use crate::poll;

/// Makes a folder and those around it.
pub fn make_folder(folder: &Path) -> Result<()> {
    std::fs::create_dir_all(folder).map_err(|cause| TestbedError::io("cannot create", folder, &cause))
}

/// Writes a file whose folder is there, over what it had.
pub fn write_file(path: &Path, text: &str) -> Result<()> {
    std::fs::write(path, text).map_err(|cause| TestbedError::io("cannot write", path, &cause))
}

/// Deletes a folder and all in it, if it is there. A server that was just killed may still have children who write there
/// for a moment, so a failure is not taken for the last word at once.
pub fn delete_folder(folder: &Path) -> Result<()> {
    let mut outcome = Ok(());
    poll::came_true(Duration::from_secs(5), || {
        outcome = if folder.exists() { std::fs::remove_dir_all(folder) } else { Ok(()) };
        outcome.is_ok()
    });
    outcome.map_err(|cause| TestbedError::io("cannot delete", folder, &cause))
}
