//! A Docker engine as the stand-in for servers that cannot be installed: the same services as in docker-compose.yml,
//! on the ports of deploy/docker/ports.yml.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::install::{Need, is_on_path};
use testbed::error::Result;
use testbed::process;

/// An engine that answers, and the folder with the docker-compose.yml.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Docker {
    root: PathBuf,
}

impl Docker {
    /// The engine, if one answers.
    pub fn find(root: &Path) -> Option<Self> {
        if !is_on_path("docker") || !root.join("docker-compose.yml").is_file() {
            return None;
        }
        let answers = Command::new("docker")
            .arg("info")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .is_ok_and(|status| status.success());
        answers.then(|| Self::in_folder(root))
    }

    /// The engine that was used before, without asking whether it answers.
    pub fn in_folder(root: &Path) -> Self {
        Self { root: root.to_owned() }
    }

    /// Starts the services for these needs and waits until they are healthy.
    pub fn start(&self, needs: &[Need]) -> Result<()> {
        self.compose(&["up", "--detach", "--wait"], needs)
    }

    /// Stops the services for these needs; their data stays.
    pub fn stop(&self, needs: &[Need]) -> Result<()> {
        self.compose(&["stop"], needs)
    }

    fn compose(&self, verb: &[&str], needs: &[Need]) -> Result<()> {
        let mut command = Command::new("docker");
        command
            // The second file publishes the ports.
            .args(["compose", "--file", "docker-compose.yml", "--file", "deploy/docker/ports.yml"])
            .args(verb)
            .args(needs.iter().filter_map(|it| it.compose_service()))
            .current_dir(&self.root);
        process::output_of(&mut command).map(drop)
    }

    /// The database URL of the service `postgres`.
    pub fn database_url() -> String {
        "postgres://oms:oms@127.0.0.1:5432/oms".to_owned()
    }

    /// The AMQP URL of the service `rabbitmq`.
    pub fn amqp_url() -> String {
        "amqp://oms:oms@127.0.0.1:5672/%2f".to_owned()
    }
}
