//! What is remembered about a started program from one command to the next: a small file of `key=value` lines.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::path::Path;
use std::str::FromStr;

use crate::error::{Result, TestbedError};
use crate::process::Identity;

/// The name of the state file in the folder of a private server.
pub const SERVER_FILE: &str = "server.state";

/// The content of one state file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct State {
    values: BTreeMap<String, String>,
}

impl State {
    /// The file's content, or `None` when there is no such file.
    pub fn read(path: &Path) -> Result<Option<Self>> {
        match std::fs::read_to_string(path) {
            Ok(text) => Ok(Some(Self::parse(&text))),
            Err(cause) if cause.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(cause) => Err(TestbedError::io("cannot read", path, &cause)),
        }
    }

    /// Writes the file whole: a reader, or a crash, meets the old content or the new.
    pub fn write(&self, path: &Path) -> Result<()> {
        let unfinished = path.with_extension("unfinished");
        std::fs::write(&unfinished, self.render())
            .and_then(|()| std::fs::rename(&unfinished, path))
            .map_err(|cause| TestbedError::io("cannot write", path, &cause))
    }

    /// The value of `key`, if it is there and can be read as a `T`.
    pub fn get<T: FromStr>(&self, key: &str) -> Option<T> {
        self.values.get(key)?.parse().ok()
    }

    /// The same state with `key` set.
    #[must_use]
    pub fn with(mut self, key: &str, value: impl Display) -> Self {
        self.values.insert(key.to_owned(), value.to_string());
        self
    }

    /// The same state with the process remembered under `name`.
    #[must_use]
    pub fn with_process(self, name: &str, process: &Identity) -> Self {
        self.with(&format!("{name}.pid"), process.pid)
            .with(&format!("{name}.started"), &process.started)
            .with(&format!("{name}.program"), &process.program)
    }

    /// The process remembered under `name`, whether or not it still runs.
    pub fn process(&self, name: &str) -> Option<Identity> {
        Some(Identity {
            pid: self.get(&format!("{name}.pid"))?,
            started: self.get(&format!("{name}.started"))?,
            program: self.get(&format!("{name}.program"))?,
        })
    }

    fn parse(text: &str) -> Self {
        let values = text
            .lines()
            .filter_map(|line| line.split_once('='))
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .collect();
        Self { values }
    }

    fn render(&self) -> String {
        self.values.iter().map(|(key, value)| format!("{key}={value}\n")).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comes_back_as_it_was_written() {
        let process =
            Identity { pid: 42, started: "Mon Jan  5 10:00:00 2026".to_owned(), program: "postgres".to_owned() };
        let state =
            State::default().with("port", 15_000).with("data", "/somewhere/a=b").with_process("server", &process);
        let path = std::env::temp_dir().join(format!("testbed-state-{}", std::process::id()));
        state.write(&path).unwrap();
        let read = State::read(&path).unwrap().unwrap();
        std::fs::remove_file(&path).unwrap();
        assert_eq!(read, state);
        assert_eq!(read.get::<u16>("port"), Some(15_000));
        assert_eq!(read.get::<String>("data").as_deref(), Some("/somewhere/a=b"));
        assert_eq!(read.process("server"), Some(process));
    }

    #[test]
    fn a_missing_file_is_no_error_and_a_broken_line_is_skipped() {
        assert_eq!(State::read(Path::new("/nonexistent/state")).unwrap(), None);
        let state = State::parse("port=x\nnonsense\nother=1\n");
        assert_eq!(state.get::<u16>("port"), None);
        assert_eq!(state.get::<u16>("other"), Some(1));
    }
}
