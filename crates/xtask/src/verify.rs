//! `cargo xtask verify`: holds the two running services to each other.

use crate::cargo;
use crate::services::ServicePorts;
use crate::workspace::Workspace;
use testbed::error::Result;

/// Runs the program of the same name against the services of the environment, by default those of `up`.
pub fn run(workspace: &Workspace, arguments: &[String]) -> Result<u8> {
    let ports = ServicePorts::from_environment()?;
    let mut verify = cargo::program(workspace, "verify")?;
    for (variable, port) in [("ORDER_SERVICE_URL", ports.order), ("INVENTORY_SERVICE_URL", ports.inventory)] {
        if std::env::var_os(variable).is_none_or(|url| url.is_empty()) {
            verify.env(variable, format!("http://127.0.0.1:{port}"));
        }
    }
    cargo::exit_code_of(verify.args(arguments), "verify")
}
