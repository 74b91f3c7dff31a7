//! `docs/openapi/`: the OpenAPI document of each service, as the service itself prints it.

use std::path::PathBuf;
use std::process::Command;

use crate::cargo::{self, SERVICES};
use crate::generate::compared::{Comparison, Mode, settle};
use crate::workspace::{Profile, Workspace};
use testbed::error::Result;
use testbed::process;
use testbed::step::Steps;

/// Builds the services and renews or compares their documents.
pub fn settle_documents(workspace: &Workspace, mode: Mode, steps: &Steps) -> Result<Comparison> {
    cargo::build_services(workspace, Profile::Dev)?;
    let mut outcome = Comparison::UpToDate;
    for name in SERVICES {
        let mut print = Command::new(workspace.binary(name, Profile::Dev));
        let document = process::output_of(print.arg("--print-openapi").current_dir(&workspace.root))?;
        let path = PathBuf::from(format!("docs/openapi/{name}.json"));
        outcome = outcome.and(settle(workspace, &path, Some(document.as_bytes()), mode, steps)?);
    }
    Ok(outcome)
}
