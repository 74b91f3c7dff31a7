//! The migrations of the services, in the order in which they are applied.

use std::path::{Path, PathBuf};

use crate::workspace::Workspace;
use testbed::error::{Result, TestbedError};
use testbed::postgres::Postgres;
use testbed::process;

const FOLDERS: [&str; 3] = ["migrations/inventory-service", "migrations/order-service", "migrations/account-service"];

/// The paths of all migrations, relative to the checkout: one service after the other, each in name order.
pub fn list(workspace: &Workspace) -> Result<Vec<PathBuf>> {
    let mut all = Vec::new();
    for folder in FOLDERS {
        all.extend(sorted_files(&workspace.root, Path::new(folder), "sql")?);
    }
    Ok(all)
}

/// Applies them to an empty database.
pub fn apply(workspace: &Workspace, postgres: &Postgres) -> Result<()> {
    for migration in list(workspace)? {
        let mut psql = postgres.psql();
        psql.arg("--file").arg(workspace.root.join(&migration));
        process::output_of(&mut psql).map_err(|cause| cause.while_doing(&migration.display().to_string()))?;
    }
    Ok(())
}

/// The files with this extension directly in a folder of the checkout, by name, relative to the checkout.
pub fn sorted_files(root: &Path, folder: &Path, extension: &str) -> Result<Vec<PathBuf>> {
    let absolute = root.join(folder);
    let entries = match std::fs::read_dir(&absolute) {
        Err(cause) if cause.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        other => other.map_err(|cause| TestbedError::io("cannot read", &absolute, &cause))?,
    };
    let mut files: Vec<PathBuf> = entries
        .flatten()
        .map(|entry| folder.join(entry.file_name()))
        .filter(|path| path.extension().is_some_and(|it| it == extension))
        .collect();
    files.sort();
    Ok(files)
}
