//! A Debian that systemd-nspawn boots, without a network but its own.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::debian;
use testbed::error::{Result, TestbedError};
use testbed::folders::delete_folder;
use testbed::poll;
use testbed::process::{self, output_of};

/// The programs and their packages.
pub const PROGRAMS: [(&str, &str); 1] = [("systemd-nspawn", "systemd-container")];

/// What the lines of the documents install, and what they need besides. The machine has no network to fetch it later.
const PACKAGES: &str = "postgresql rabbitmq-server nginx sudo curl openssl ca-certificates";

/// How long it may take to boot, and to power off.
const PATIENCE: Duration = Duration::from_secs(90);

/// The machine; it is powered off and deleted when dropped.
#[derive(Debug)]
pub struct Machine {
    root: PathBuf,
    log: PathBuf,
    child: Option<Child>,
    /// Its first process, as this machine counts.
    first: String,
}

impl Machine {
    /// Makes its files in a new folder, with all packages installed and nothing started.
    pub fn make(folder: &Path) -> Result<Self> {
        let root = folder.join("root");
        let machine = Self { root, log: folder.join("console.log"), child: None, first: String::new() };
        debian::make(&machine.root, &["systemd", "systemd-sysv", "dbus"])?;
        // As on a server, servers that are installed are started: but at the boot, because nothing runs yet.
        let script = format!(
            "printf '#!/bin/sh\\nexit 101\\n' >/usr/sbin/policy-rc.d; chmod 755 /usr/sbin/policy-rc.d
             printf '127.0.0.1 localhost\\n127.0.1.1 oms\\n' >/etc/hosts
             apt-get update && apt-get install --yes --no-install-recommends {PACKAGES}
             rm /usr/sbin/policy-rc.d"
        );
        let mut command = nspawn(&machine.root);
        command.args(["--pipe", "--setenv=DEBIAN_FRONTEND=noninteractive", "/bin/sh", "-ec", &script]);
        output_of(&mut command).map_err(|cause| cause.while_doing("installing packages"))?;
        Ok(machine)
    }

    /// Copies a file or a folder of this machine into a folder of the other.
    pub fn copy(&self, from: &Path, to: &str) -> Result<()> {
        let folder = self.root.join(to.trim_start_matches('/'));
        testbed::folders::make_folder(&folder)?;
        output_of(Command::new("cp").arg("--recursive").arg(from).arg(&folder)).map(drop)
    }

    /// Boots it, and waits until everything that belongs to a boot has been started.
    pub fn boot(&mut self) -> Result<()> {
        let log = || File::create(&self.log).map_err(|cause| TestbedError::io("cannot write", &self.log, &cause));
        let mut command = Command::new("setpriv");
        // If this program is killed, the machine is powered off.
        let nspawn = nspawn(&self.root);
        command.arg("--pdeathsig=TERM").arg(nspawn.get_program()).args(nspawn.get_args());
        command.args(["--boot", "--private-network", "--console=pipe", "--hostname=oms", "--resolv-conf=off"]);
        command.stdin(Stdio::null()).stdout(log()?).stderr(log()?);
        let child =
            command.spawn().map_err(|cause| TestbedError::new(format!("cannot run systemd-nspawn: {cause}")))?;
        let child = self.child.insert(child);
        let pid = child.id();
        let outcome = poll::until(PATIENCE, "the machine to boot", || {
            if !matches!(child.try_wait(), Ok(None)) {
                return Err(TestbedError::new("systemd-nspawn has ended"));
            }
            let Some(first) = first_process_below(pid) else { return Ok(None) };
            self.first = first;
            let mut state = enter(&self.first);
            let state = state.args(["systemctl", "is-system-running"]).stdin(Stdio::null()).output();
            let state = state.map(|it| String::from_utf8_lossy(&it.stdout).trim().to_owned()).unwrap_or_default();
            Ok(matches!(state.as_str(), "running" | "degraded").then_some(()))
        });
        outcome.map_err(|cause| cause.with_details(&process::tail(&self.log, 30)))
    }

    /// Runs lines of a shell as root, in the folder that [`Machine::copy`] has filled, and gives what they print. What one call
    /// sets, the next one knows.
    pub fn run(&self, lines: &str) -> Result<String> {
        let script = format!(
            "set -euo pipefail; cd /root/oms; if [ -f ../variables ]; then . ../variables; fi\n{lines}\n\
             declare -p | grep -E '^declare -- [A-Z_]+=' | grep -vE '^declare -- (BASH|IFS|OPT|PPID|_=)' >../variables || true"
        );
        let mut command = enter(&self.first);
        let output = command.args(["bash", "-c", &script]).stdin(Stdio::null()).output();
        let output = output.map_err(|cause| TestbedError::new(format!("cannot enter the machine: {cause}")))?;
        testbed::interrupt::check()?;
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        if output.status.success() {
            return Ok(said);
        }
        let error = TestbedError::new(format!("a line of this failed in the machine ({}):\n{lines}", output.status));
        Err(error.with_details(&format!("{said}{}", String::from_utf8_lossy(&output.stderr))))
    }

    fn power_off(&mut self) -> Result<()> {
        if let Some(mut child) = self.child.take() {
            process::send(process::Signal::Terminate, i64::from(child.id()));
            if !poll::came_true(PATIENCE, || !matches!(child.try_wait(), Ok(None))) {
                let _ = child.kill();
                let _ = child.wait();
            }
        }
        delete_folder(&self.root)
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        if let Err(error) = self.power_off() {
            eprintln!("warning: {error}");
        }
    }
}

/// systemd-nspawn on these files; this machine's systemd need not know of it, or be there at all.
fn nspawn(root: &Path) -> Command {
    let mut command = Command::new("systemd-nspawn");
    command.args(["--quiet", "--register=no", "--keep-unit", "--directory"]).arg(root);
    command
}

/// A command in the machine, with an environment like that of a log-in.
fn enter(first: &str) -> Command {
    let mut command = Command::new("nsenter");
    command.args(["--target", first, "--mount", "--uts", "--ipc", "--net", "--pid", "--root", "--wd"]);
    command.args(["env", "-i", "HOME=/root", "USER=root", "LC_ALL=C.UTF-8"]);
    command.arg("PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
    command
}

/// The process below this one that is the first one of its own process namespace.
fn first_process_below(pid: u32) -> Option<String> {
    let children = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).ok()?;
    children.split_whitespace().find_map(|child| {
        let status = std::fs::read_to_string(format!("/proc/{child}/status")).ok()?;
        let pids = status.lines().find_map(|line| line.strip_prefix("NSpid:"))?;
        let pids: Vec<&str> = pids.split_whitespace().collect();
        match pids[..] {
            [_, .., "1"] => Some(child.to_owned()),
            _ => first_process_below(child.parse().ok()?),
        }
    })
}
