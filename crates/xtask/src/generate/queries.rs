//! `.sqlx`: what the compile-time checked queries need to be built without a database. The query macros write it
//! themselves when they are compiled against one, so sqlx's own command line program is not needed.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use crate::cargo::{self, EVERYTHING, SERVICES, cargo};
use crate::generate::compared::{Comparison, Mode, settle};
use crate::generate::migrations::sorted_files;
use crate::workspace::Workspace;
use testbed::error::{Result, TestbedError};
use testbed::folders::make_folder;
use testbed::postgres::Postgres;
use testbed::step::Steps;

const FOLDER: &str = ".sqlx";

/// Renews or compares `.sqlx` by compiling the services against the migrated database.
pub fn settle_queries(
    workspace: &Workspace,
    postgres: &Postgres,
    run_folder: &Path,
    mode: Mode,
    steps: &Steps,
) -> Result<Comparison> {
    let fresh = run_folder.join("sqlx");
    make_folder(&fresh)?;
    // The macros only run in a crate that is compiled anew.
    let sources = SERVICES.map(|name| workspace.root.join("crates").join(name).join("src/lib.rs"));
    let mut touched = Vec::new();
    for source in &sources {
        touched.push((source, touch(source, SystemTime::now())?));
    }
    let mut check = cargo(workspace);
    check.arg("check").args(EVERYTHING).args(SERVICES.iter().flat_map(|name| ["--bin", name]));
    check.env("DATABASE_URL", postgres.url()).env("SQLX_OFFLINE", "false").env("SQLX_OFFLINE_DIR", &fresh);
    cargo::run(&mut check, "cargo check against the migrated database")?;

    let names = |root: &Path, folder: &str| -> Result<Vec<PathBuf>> {
        let files = sorted_files(root, Path::new(folder), "json")?;
        Ok(files.iter().filter_map(|path| path.file_name().map(PathBuf::from)).collect())
    };
    let mut all: BTreeSet<PathBuf> = names(&workspace.root, FOLDER)?.into_iter().collect();
    all.extend(names(run_folder, "sqlx")?);
    let mut outcome = Comparison::UpToDate;
    for name in all {
        let generated = std::fs::read(fresh.join(&name)).ok();
        let path = Path::new(FOLDER).join(&name);
        outcome = outcome.and(settle(workspace, &path, generated.as_deref(), mode, steps)?);
    }
    if outcome == Comparison::UpToDate {
        // What was built before stays fresh.
        for (source, before) in touched {
            touch(source, before)?;
        }
    }
    Ok(outcome)
}

/// Sets the time at which the file was changed, and gives the one it had.
fn touch(file: &Path, time: SystemTime) -> Result<SystemTime> {
    let set = || {
        let open = std::fs::File::options().append(true).open(file)?;
        let before = open.metadata()?.modified()?;
        open.set_modified(time)?;
        Ok(before)
    };
    set().map_err(|cause| TestbedError::io("cannot touch", file, &cause))
}
