//! Installing Debian packages as root or through sudo.

use std::fs::File;
use std::io::IsTerminal;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::install::is_on_path;
use testbed::error::{Result, TestbedError};
use testbed::postgres;

const SCRIPT: &str = include_str!("apt.sh");

/// The right to install packages on this machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Apt {
    AsRoot,
    ThroughSudo,
}

impl Apt {
    /// How packages can be installed here, or `None` when they cannot. May ask for the password of sudo, so it is called
    /// before anything else writes to the terminal.
    pub fn find() -> Option<Self> {
        if !is_on_path("apt-get") {
            return None;
        }
        if postgres::is_root() {
            return Some(Self::AsRoot);
        }
        let mut ask = Command::new("sudo");
        if std::io::stdin().is_terminal() {
            println!("sudo is asked for the right to install packages.");
            ask.arg("-v");
        } else {
            ask.args(["-n", "true"]).stderr(Stdio::null());
        }
        let allowed = is_on_path("sudo") && ask.status().is_ok_and(|status| status.success());
        allowed.then_some(Self::ThroughSudo)
    }

    /// Installs the packages. It stays in our process group, so that Ctrl-C reaches apt-get, which then ends in order.
    pub fn install(self, packages: &[&str], log: &Path) -> Result<()> {
        let open = || {
            File::options()
                .create(true)
                .append(true)
                .open(log)
                .map_err(|cause| TestbedError::io("cannot open", log, &cause))
        };
        let mut command = match self {
            Self::AsRoot => Command::new("sh"),
            Self::ThroughSudo => {
                let mut sudo = Command::new("sudo");
                sudo.arg("sh");
                sudo
            }
        };
        let status = command
            .args(["-c", SCRIPT, "apt"])
            .args(packages)
            .stdin(Stdio::null())
            .stdout(open()?)
            .stderr(open()?)
            .status()
            .map_err(|cause| TestbedError::new(format!("cannot run apt-get: {cause}")))?;
        testbed::interrupt::check()?;
        if status.success() {
            return Ok(());
        }
        Err(TestbedError::new(format!("apt-get failed ({status})")))
    }
}
