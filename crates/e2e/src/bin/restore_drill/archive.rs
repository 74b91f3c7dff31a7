//! pgBackRest for the drill's PostgreSQL: the files of `deploy/backup`, with its folders and its port put in.

use crate::document::Document;
use e2e::environment::workspace;
use serde_json::Value;
use std::os::unix::fs::{MetadataExt, chown};
use std::path::{Path, PathBuf};
use testbed::postgres::Postgres;

/// Where everything of the backups is: as if it were on another machine, so no damage reaches it.
pub struct Archive {
    folder: PathBuf,
}

impl Archive {
    /// Has the server archive from now on, as `deploy/backup/postgresql.conf` says.
    pub fn begin(postgres: &mut Postgres) -> Self {
        let archive = Self { folder: postgres.home().join("backup") };
        let owner = std::fs::metadata(postgres.data()).unwrap();
        std::fs::create_dir(&archive.folder).unwrap();
        let text = |path: PathBuf| path.display().to_string();
        let mut config = deployed("pgbackrest.conf");
        for (name, value) in [
            ("repo1-path", text(archive.folder.join("repository"))),
            ("repo1-cipher-pass", "correct horse battery staple".to_owned()),
            ("lock-path", text(archive.folder.join("lock"))),
            ("pg1-path", text(postgres.data())),
            ("pg1-port", postgres.port().to_string()),
            ("pg1-socket-path", text(postgres.home().to_owned())),
        ] {
            config = with(&config, name, &value);
        }
        // What PostgreSQL calls for each segment knows the usual place of the configuration only.
        let get = format!("pgbackrest --config={} --stanza=oms archive-get %f \"%p\"", archive.config().display());
        config += &format!("\n[global:restore]\nrecovery-option=restore_command={get}\n");
        std::fs::write(archive.config(), config).unwrap();
        chown(&archive.folder, Some(owner.uid()), Some(owner.gid())).unwrap();
        let mut settings = format!("-c unix_socket_directories={}", postgres.home().display());
        for line in deployed("postgresql.conf").lines().filter(|line| !line.starts_with('#')) {
            let (name, value) = line.split_once(" = ").unwrap();
            let config = format!("'pgbackrest --config={} ", archive.config().display());
            settings += &format!(" -c {name}={}", value.replace("'pgbackrest ", &config));
        }
        postgres.restart_with(&settings).unwrap();
        archive
    }

    /// Its configuration.
    pub fn config(&self) -> PathBuf {
        self.folder.join("pgbackrest.conf")
    }

    /// How many bytes the archived WAL takes.
    pub fn bytes_of_wal(&self) -> u64 {
        bytes_below(&self.folder.join("repository/archive"))
    }

    /// The newest backup, as pgBackRest knows it.
    pub async fn newest(&self, document: &Document) -> Value {
        let info = document.other("sudo -u postgres pgbackrest --stanza=oms --output=json info").await;
        let info: Value = serde_json::from_str(&info).unwrap();
        info[0]["backup"].as_array().unwrap().last().unwrap().clone()
    }
}

/// After how many seconds a segment is archived, however little is in it.
pub fn timeout() -> u64 {
    let text = deployed("postgresql.conf");
    text.split("\narchive_timeout = ").nth(1).unwrap().lines().next().unwrap().parse().unwrap()
}

fn deployed(file: &str) -> String {
    std::fs::read_to_string(workspace().join("deploy/backup").join(file)).unwrap()
}

/// The text with another value behind this name.
fn with(text: &str, name: &str, value: &str) -> String {
    let begin = format!("{name}=");
    assert_eq!(text.lines().filter(|line| line.starts_with(&begin)).count(), 1, "{name} in pgbackrest.conf");
    let line = |line: &str| if line.starts_with(&begin) { format!("{begin}{value}\n") } else { format!("{line}\n") };
    text.lines().map(line).collect()
}

fn bytes_below(folder: &Path) -> u64 {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap());
    let bytes = |entry: std::fs::DirEntry| match entry.metadata().unwrap() {
        it if it.is_dir() => bytes_below(&entry.path()),
        it => it.len(),
    };
    entries.map(bytes).sum()
}
