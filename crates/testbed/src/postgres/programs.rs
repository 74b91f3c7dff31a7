//! Finding the PostgreSQL server programs, which Debian and others keep out of the search path.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::error::{Result, TestbedError};

const NEEDED: [&str; 5] = ["initdb", "pg_ctl", "postgres", "psql", "createdb"];

// Folders of folders, one for each version: `/usr/lib/postgresql/15/bin`.
const VERSIONED: [(&str, &str); 6] = [
    ("/usr/lib/postgresql", "bin"),
    ("/usr", "pgsql-*/bin"),
    ("/opt/homebrew/opt", "postgresql@*/bin"),
    ("/usr/local/opt", "postgresql@*/bin"),
    ("/opt/local/lib", "postgresql*/bin"),
    ("/Applications/Postgres.app/Contents/Versions", "bin"),
];

/// A folder that holds the server programs of one major version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Programs {
    /// Where they are.
    pub folder: PathBuf,
    /// Their major version: 15, 16, ….
    pub major: u32,
}

impl Programs {
    /// A command that runs one of them, untouched by the caller's `PG…` variables and language.
    pub fn command(&self, program: &str) -> Command {
        let mut command = Command::new(self.folder.join(program));
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("PG") {
                command.env_remove(name);
            }
        }
        command.env("LC_ALL", "C");
        command
    }
}

/// The newest installed programs or, when `major` is given, the newest of that major version.
pub fn find(major: Option<u32>) -> Result<Programs> {
    let found: Vec<Programs> = folders().iter().filter_map(|it| inspect(it)).collect();
    newest(found, major).ok_or_else(|| match major {
        None => TestbedError::new("PostgreSQL is not installed"),
        Some(major) => TestbedError::new(format!("PostgreSQL {major} is not installed")),
    })
}

fn newest(found: Vec<Programs>, major: Option<u32>) -> Option<Programs> {
    // Reversed, because of equals `max_by_key` takes the last and the search path comes first.
    found.into_iter().rev().filter(|it| major.is_none_or(|wanted| it.major == wanted)).max_by_key(|it| it.major)
}

fn folders() -> Vec<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut folders: Vec<PathBuf> = std::env::split_paths(&path).collect();
    for (parent, pattern) in VERSIONED {
        let (name, rest) = pattern.split_once("*/").unwrap_or(("", pattern));
        let Ok(entries) = std::fs::read_dir(parent) else {
            continue;
        };
        let matching = entries.flatten().filter(|entry| entry.file_name().to_string_lossy().starts_with(name));
        folders.extend(matching.map(|entry| entry.path().join(rest)));
    }
    folders
}

fn inspect(folder: &Path) -> Option<Programs> {
    if !NEEDED.iter().all(|program| folder.join(program).is_file()) {
        return None;
    }
    let output = Command::new(folder.join("postgres")).arg("--version").output().ok()?;
    Some(Programs { folder: folder.to_owned(), major: parse_major(&String::from_utf8_lossy(&output.stdout))? })
}

/// The major version out of `postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)`.
fn parse_major(version: &str) -> Option<u32> {
    let number = version.split_once("(PostgreSQL) ")?.1;
    let digits = number.split(|it: char| !it.is_ascii_digit()).next()?;
    digits.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn programs(folder: &str, major: u32) -> Programs {
        Programs { folder: PathBuf::from(folder), major }
    }

    #[test]
    fn reads_the_major_version() {
        let debian = "postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)\n";
        assert_eq!(parse_major(debian), Some(15));
        assert_eq!(parse_major("postgres (PostgreSQL) 19beta1"), Some(19));
        assert_eq!(parse_major("something else"), None);
    }

    #[test]
    fn takes_the_newest_unless_the_data_asks_for_an_older_one() {
        let found = vec![programs("a", 9), programs("b", 17), programs("c", 15)];
        assert_eq!(newest(found.clone(), None), Some(programs("b", 17)));
        assert_eq!(newest(found.clone(), Some(15)), Some(programs("c", 15)));
        assert_eq!(newest(found, Some(16)), None);
    }

    #[test]
    fn prefers_the_search_path_among_equals() {
        let found = vec![programs("path", 15), programs("elsewhere", 15)];
        assert_eq!(newest(found, None), Some(programs("path", 15)));
    }
}
