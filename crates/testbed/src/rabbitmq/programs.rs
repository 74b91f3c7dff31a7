//! Finding the RabbitMQ server program and the Erlang port mapper that goes with it.

use std::path::{Path, PathBuf};

use crate::error::{Result, TestbedError};

// Debian's wrapper in /usr/sbin changes the user and drops the environment, so the real one comes first and the search
// path last.
const SERVER_FOLDERS: [&str; 5] = [
    "/usr/lib/rabbitmq/bin",
    "/opt/homebrew/opt/rabbitmq/sbin",
    "/usr/local/opt/rabbitmq/sbin",
    "/opt/rabbitmq/sbin",
    "/opt/local/sbin",
];

/// Where the programs are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Programs {
    /// `rabbitmq-server`.
    pub server: PathBuf,
    /// `epmd`, the Erlang port mapper.
    pub epmd: PathBuf,
}

/// Both programs, or an error when one of them is missing.
pub fn find() -> Result<Programs> {
    let server = folders()
        .map(|folder| folder.join("rabbitmq-server"))
        .find(|it| it.is_file())
        .ok_or_else(|| TestbedError::new("RabbitMQ is not installed"))?;
    let epmd = search_path()
        .map(|folder| folder.join("epmd"))
        .chain(epmd_inside_erlang())
        .find(|it| it.is_file())
        .ok_or_else(|| TestbedError::new("RabbitMQ is there, but not Erlang's port mapper epmd"))?;
    Ok(Programs { server, epmd })
}

fn folders() -> impl Iterator<Item = PathBuf> {
    SERVER_FOLDERS.into_iter().map(PathBuf::from).chain(search_path())
}

fn search_path() -> impl Iterator<Item = PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut folders: Vec<PathBuf> = std::env::split_paths(&path).collect();
    folders.extend(["/usr/bin", "/opt/homebrew/bin", "/usr/local/bin"].map(PathBuf::from));
    folders.into_iter()
}

fn epmd_inside_erlang() -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(Path::new("/usr/lib/erlang")) else {
        return Vec::new();
    };
    entries
        .flatten()
        .filter(|entry| entry.file_name().to_string_lossy().starts_with("erts-"))
        .map(|entry| entry.path().join("bin/epmd"))
        .collect()
}
