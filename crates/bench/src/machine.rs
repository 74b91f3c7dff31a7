//! The machine a run was made on: figures mean nothing without it.

use serde::{Deserialize, Serialize};
use std::process::Command;
use testbed::process::output_of;

/// Hardware and versions.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Machine {
    /// Model of the processor.
    pub cpu: String,
    /// Cores that this program may use.
    pub cores: usize,
    pub memory_mib: u64,
    pub kernel: String,
    pub postgresql: String,
    pub rabbitmq: String,
    pub rustc: String,
}

impl Machine {
    /// Looks at this machine; what cannot be found out is `unknown`.
    pub fn look(postgresql: String, rabbitmq: String) -> Self {
        let cpu_info = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let memory = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
        Self {
            cpu: field(&cpu_info, "model name").unwrap_or("unknown").to_owned(),
            cores: std::thread::available_parallelism().map_or(1, |count| count.get()),
            memory_mib: field(&memory, "MemTotal").and_then(kib).unwrap_or_default() / 1024,
            kernel: said_by("uname", &["-sr"]),
            postgresql,
            rabbitmq,
            rustc: said_by("rustc", &["--version"]),
        }
    }
}

/// The commit of the checkout around the current folder; with `+` where files differ from it.
pub fn commit() -> String {
    let commit = said_by("git", &["rev-parse", "--short=12", "HEAD"]);
    match said_by("git", &["status", "--porcelain", "--untracked-files=no"]).as_str() {
        "" | "unknown" => commit,
        _ => format!("{commit}+"),
    }
}

fn said_by(program: &str, arguments: &[&str]) -> String {
    let said = output_of(Command::new(program).args(arguments));
    said.map_or("unknown".to_owned(), |text| text.trim().to_owned())
}

/// The value behind `name :` in a file of `/proc`.
fn field<'text>(text: &'text str, name: &str) -> Option<&'text str> {
    let lines = text.lines().filter_map(|line| line.split_once(':'));
    lines.into_iter().find(|(key, _)| key.trim() == name).map(|(_, value)| value.trim())
}

fn kib(value: &str) -> Option<u64> {
    value.strip_suffix(" kB")?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::{field, kib};

    #[test]
    fn reads_the_files_of_proc() {
        assert_eq!(field("processor\t: 0\nmodel name\t: Fast One\n", "model name"), Some("Fast One"));
        assert_eq!(field("MemTotal:       24684 kB\n", "MemTotal").and_then(kib), Some(24684));
        assert_eq!(field("", "MemTotal"), None);
    }
}
