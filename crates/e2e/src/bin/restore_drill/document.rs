//! The commands of docs/backups.md, below "Restore", run as they stand there.

use e2e::environment::workspace;
use e2e::shop::Shop;
use std::collections::BTreeSet;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

/// What the drill stands in for: on a host systemd starts and stops the services.
const SYSTEMCTL: &str = "sudo systemctl ";

/// The blocks of commands, and what they need to know.
pub struct Document {
    blocks: Vec<String>,
    ran: BTreeSet<usize>,
    variables: Vec<(&'static str, String)>,
}

impl Document {
    /// Reads them. They run with these variables, and with a `sudo` of the drill's own in this folder.
    pub fn read(folder: &Path, data: &Path, mut variables: Vec<(&'static str, String)>) -> Self {
        let text = std::fs::read_to_string(workspace().join("docs/backups.md")).unwrap();
        let section = text.split("\n## Restore\n").nth(1).unwrap().split("\n## ").next().unwrap();
        let blocks: Vec<String> =
            section.split("```sh\n").skip(1).map(|rest| rest.split("```").next().unwrap().to_owned()).collect();
        assert!(blocks.len() > 5, "the commands were not found");
        write_sudo(folder, data);
        let path = std::env::var("PATH").unwrap_or_default();
        variables.push(("PATH", format!("{}:{path}", folder.display())));
        Self { blocks, ran: BTreeSet::new(), variables }
    }

    /// Has the commands know another variable.
    pub fn set(&mut self, name: &'static str, value: String) {
        self.variables.push((name, value));
    }

    /// Runs the block that has these words in it; gives how long it took and what it said.
    pub async fn run(&mut self, shop: &mut Shop, words: &str) -> (Duration, String) {
        let found: Vec<usize> = (0..self.blocks.len()).filter(|at| self.blocks[*at].contains(words)).collect();
        assert_eq!(found.len(), 1, "blocks of docs/backups.md with `{words}`");
        self.ran.insert(found[0]);
        let block = self.blocks[found[0]].clone();
        let since = Instant::now();
        let said = if block.starts_with(SYSTEMCTL) {
            for line in block.lines() {
                systemctl(shop, line.strip_prefix(SYSTEMCTL).unwrap()).await;
            }
            String::new()
        } else {
            let mut bash = self.bash();
            bash.arg("-c").arg(format!("set -euo pipefail\n{block}"));
            tokio::task::spawn_blocking(move || output_of(&mut bash)).await.unwrap()
        };
        let took = since.elapsed();
        println!("  {:5.1} s: {}", took.as_secs_f64(), block.lines().next().unwrap_or_default());
        (took, said)
    }

    /// Runs a command that is in none of the blocks in the same way.
    pub async fn other(&self, command: &str) -> String {
        let mut bash = self.bash();
        bash.arg("-c").arg(format!("set -euo pipefail\n{command}"));
        tokio::task::spawn_blocking(move || output_of(&mut bash)).await.unwrap()
    }

    /// Fails unless every block was run.
    pub fn assert_all_ran(&self) {
        let idle: Vec<&String> =
            (0..self.blocks.len()).filter(|at| !self.ran.contains(at)).map(|at| &self.blocks[at]).collect();
        assert!(idle.is_empty(), "not run: {idle:?}");
    }

    fn bash(&self) -> Command {
        let mut bash = Command::new("bash");
        bash.current_dir(workspace()).envs(self.variables.iter().map(|(name, value)| (name, value)));
        bash
    }
}

/// Starts or stops what systemd would, one after the other, and waits until that is done.
async fn systemctl(shop: &mut Shop, arguments: &str) {
    let mut words = arguments.split(' ');
    let starts = match words.next() {
        Some("start") => true,
        Some("stop") => false,
        other => panic!("systemctl {other:?}"),
    };
    for unit in words {
        if unit == "postgresql@15-main" {
            let postgres = shop.postgres.as_ref().unwrap();
            if starts {
                postgres.restart().unwrap()
            } else {
                postgres.stop().unwrap()
            }
            continue;
        }
        let services = match unit {
            "order-service" => &mut shop.order_services,
            "inventory-service" => &mut shop.inventory_services,
            "account-service" => &mut shop.account_services,
            other => panic!("no unit {other}"),
        };
        for service in services {
            if starts {
                service.launch();
                service.ready_as(&["UP", "DEGRADED"]).await;
            } else if service.pid().is_some() {
                service.ask_to_end();
                service.ended().await;
            }
        }
    }
}

/// `sudo -u postgres COMMAND…` for the owner of the data, who may be ourselves.
fn write_sudo(folder: &Path, data: &Path) {
    let (ours, theirs) = (std::fs::metadata("/proc/self").unwrap().uid(), std::fs::metadata(data).unwrap());
    let becomes = match theirs.uid() {
        user if user == ours => String::new(),
        user => format!("setpriv --reuid={user} --regid={} --clear-groups ", theirs.gid()),
    };
    let path: PathBuf = folder.join("sudo");
    std::fs::write(&path, format!("#!/bin/sh\nshift 2\ncd /\nexec {becomes}\"$@\"\n")).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
}

fn output_of(command: &mut Command) -> String {
    let output = command.stdin(std::process::Stdio::null()).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let complained = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}:\n{said}\n{complained}");
    said
}
