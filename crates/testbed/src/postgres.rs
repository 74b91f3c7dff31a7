//! A private PostgreSQL: its own data, its own port, the loopback address only.

mod home;
mod programs;

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

pub use home::is_root;
pub use programs::{Programs, find as find_programs};

use crate::durability::Durability;
use crate::error::{Result, TestbedError};
use crate::folders::delete_folder;
use crate::poll;
use crate::process::{self, Identity, Signal};
use crate::state::{SERVER_FILE, State};
use home::Owner;

/// What the state file of a private server of this kind says under `kind`.
pub(crate) const KIND: &str = "postgres";

const SERVER: &str = "server";
const DATABASE: &str = "oms";
const MAX_CONNECTIONS: u32 = 300;

/// A handle on a server that runs, was killed, or was stopped. Dropping it leaves the server as it is, unless
/// [`Postgres::stop_on_drop`] was asked for.
#[derive(Debug)]
pub struct Postgres {
    dir: PathBuf,
    home: PathBuf,
    port: u16,
    durability: Durability,
    programs: Programs,
    owner: Owner,
    settings: String,
    stops_on_drop: bool,
}

impl Postgres {
    /// Starts a server whose files are in `dir`, making the data and the database `oms` the first time. A server that
    /// runs there already is taken over as it is.
    pub fn start(dir: &Path, port: u16, durability: Durability) -> Result<Self> {
        Self::start_with(dir, port, durability, "")
    }

    /// [`Postgres::start`] with more settings, as the server takes them on its command line: `-c name=value …`.
    pub fn start_with(dir: &Path, port: u16, durability: Durability, settings: &str) -> Result<Self> {
        std::fs::create_dir_all(dir).map_err(|cause| TestbedError::io("cannot create", dir, &cause))?;
        let dir = dir.canonicalize().map_err(|cause| TestbedError::io("cannot find", dir, &cause))?;
        if let Some(running) = Self::attach(&dir)? {
            return Ok(running);
        }
        let owner = Owner::choose()?;
        let home = home::prepare(&dir, &owner, durability)?;
        let server = Self {
            programs: find_programs(made_with(&home))?,
            dir,
            home,
            port,
            durability,
            owner,
            settings: settings.to_owned(),
            stops_on_drop: false,
        };
        server.launch()?;
        Ok(server)
    }

    /// A streaming replica of this server, with its files in `dir`; it shows what was committed here a moment later.
    pub fn start_replica(&self, dir: &Path, port: u16) -> Result<Self> {
        std::fs::create_dir_all(dir).map_err(|cause| TestbedError::io("cannot create", dir, &cause))?;
        let dir = dir.canonicalize().map_err(|cause| TestbedError::io("cannot find", dir, &cause))?;
        let home = home::prepare(&dir, &self.owner, self.durability)?;
        let replica = Self {
            programs: self.programs.clone(),
            dir,
            home,
            port,
            durability: self.durability,
            owner: self.owner,
            settings: self.settings.clone(),
            stops_on_drop: false,
        };
        let mut copy = self.programs.command("pg_basebackup");
        copy.args([
            "--host=127.0.0.1",
            "--username=postgres",
            "--checkpoint=fast",
            "--no-sync",
            "--write-recovery-conf",
        ]);
        copy.args(["--port", &self.port.to_string(), "--pgdata"]).arg(replica.data());
        replica.run(&mut copy)?;
        replica.launch()?;
        Ok(replica)
    }

    /// The server that [`Postgres::start`] left running in `dir`, or `None` when none runs there.
    pub fn attach(dir: &Path) -> Result<Option<Self>> {
        let Some(state) = State::read(&dir.join(SERVER_FILE))? else {
            return Ok(None);
        };
        let running = state.process(SERVER).is_some_and(|it| it.is_running());
        let (Some(port), Some(home), Some(durability), true) =
            (state.get("port"), state.get::<PathBuf>("home"), state.get("durability"), running)
        else {
            return Ok(None);
        };
        Ok(Some(Self {
            dir: dir.to_owned(),
            programs: find_programs(made_with(&home))?,
            home,
            port,
            durability,
            owner: Owner::choose()?,
            settings: state.get("settings").unwrap_or_default(),
            stops_on_drop: false,
        }))
    }

    /// The port that a server in `dir` was last started on.
    pub fn last_port(dir: &Path) -> Result<Option<u16>> {
        Ok(State::read(&dir.join(SERVER_FILE))?.and_then(|state| state.get("port")))
    }

    /// Stops what runs in `dir`, if anything, without ceremony, and deletes all of its files.
    pub fn delete(dir: &Path) -> Result<()> {
        if let Some(running) = Self::attach(dir)? {
            running.kill()?;
        }
        let home = State::read(&dir.join(SERVER_FILE))?.and_then(|it| it.get::<PathBuf>("home"));
        if let Some(home) = home.filter(|it| made_with(it).is_some()) {
            delete_folder(&home)?;
        }
        delete_folder(dir)
    }

    /// The URL of the database `oms`, with the rights of a superuser.
    pub fn url(&self) -> String {
        self.url_of(DATABASE)
    }

    /// The URL of another database of this server, with the same rights.
    pub fn url_of(&self, database: &str) -> String {
        format!("postgres://postgres@127.0.0.1:{}/{database}", self.port)
    }

    /// The port it listens on.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The major version of the server programs.
    pub fn major_version(&self) -> u32 {
        self.programs.major
    }

    /// Where its data and its log are, and other files may be put that it reads or writes.
    pub fn home(&self) -> &Path {
        &self.home
    }

    /// Its data: `PGDATA`.
    pub fn data(&self) -> PathBuf {
        self.home.join("data")
    }

    /// The server's log.
    pub fn log(&self) -> PathBuf {
        self.home.join("postgres.log")
    }

    /// A `psql` on the database `oms` that ends at the first error.
    pub fn psql(&self) -> std::process::Command {
        self.psql_on(DATABASE)
    }

    /// The same on another database of this server.
    pub fn psql_on(&self, database: &str) -> std::process::Command {
        let mut psql = self.programs.command("psql");
        psql.args(["--no-psqlrc", "--quiet", "--set=ON_ERROR_STOP=1", "--dbname"]).arg(self.url_of(database));
        psql
    }

    /// Another of PostgreSQL's own programs, of the server's version.
    pub fn program(&self, name: &str) -> std::process::Command {
        self.programs.command(name)
    }

    /// The main process while the server runs.
    pub fn process(&self) -> Result<Option<Identity>> {
        let state = State::read(&self.dir.join(SERVER_FILE))?;
        Ok(state.and_then(|it| it.process(SERVER)).filter(Identity::is_running))
    }

    /// Stops it in order, rolling back what is under way; a server that does not run is left alone.
    pub fn stop(&self) -> Result<()> {
        if let Some(process) = self.process()? {
            process.end(Signal::Interrupt, Duration::from_secs(30));
        }
        Ok(())
    }

    /// `kill -9` of the main process, as a crash would.
    pub fn kill(&self) -> Result<()> {
        if let Some(process) = self.process()? {
            process.kill();
        }
        Ok(())
    }

    /// PostgreSQL's immediate shutdown: every connection breaks off, and the next start recovers as after a crash.
    pub fn stop_immediately(&self) -> Result<()> {
        if let Some(process) = self.process()? {
            process.end(Signal::Quit, Duration::from_secs(30));
        }
        Ok(())
    }

    /// Stops it if it runs, and starts it on the same data and port; also the way back after a kill.
    pub fn restart(&self) -> Result<()> {
        self.stop()?;
        self.launch()
    }

    /// The same with other settings than before, as [`Postgres::start_with`] takes them.
    pub fn restart_with(&mut self, settings: &str) -> Result<()> {
        settings.clone_into(&mut self.settings);
        self.restart()
    }

    /// Makes dropping this handle stop the server, also when a test panics.
    #[must_use]
    pub fn stop_on_drop(mut self) -> Self {
        self.stops_on_drop = true;
        self
    }

    fn launch(&self) -> Result<()> {
        if made_with(&self.home).is_none() {
            self.make_data()?;
        }
        self.forget_dead_server()?;
        // Right after a crash the old server's children may still hold its shared memory for a moment.
        let mut error = TestbedError::new("PostgreSQL did not start");
        poll::until(Duration::from_secs(20), "the old PostgreSQL to be gone", || match self.launch_once() {
            Ok(()) => Ok(Some(())),
            Err(cause) => {
                error = self.explain(cause);
                if error.to_string().contains("still in use") {
                    return Ok(None);
                }
                Err(error.clone())
            }
        })?;
        self.remember()?;
        self.make_database()
    }

    /// After a crash PostgreSQL refuses to start while its old pid is taken: by a stranger, or by the dead server itself
    /// that nobody has collected. We know better, as we know the old server's start time too. That its children are gone
    /// PostgreSQL still checks by their shared memory.
    fn forget_dead_server(&self) -> Result<()> {
        let known = State::read(&self.dir.join(SERVER_FILE))?.and_then(|state| state.process(SERVER));
        let lock = self.data().join("postmaster.pid");
        let holder = pid_in(&lock);
        if known.is_some_and(|server| !server.is_running() && Some(server.pid) == holder) {
            std::fs::remove_file(&lock).map_err(|cause| TestbedError::io("cannot delete", &lock, &cause))?;
        }
        Ok(())
    }

    fn launch_once(&self) -> Result<()> {
        let _ = std::fs::remove_file(self.log());
        let mut options = format!(
            "-p {} -c listen_addresses=127.0.0.1 -c unix_socket_directories= -c max_connections={MAX_CONNECTIONS} -c max_locks_per_transaction=1024",
            self.port
        );
        if !self.settings.is_empty() {
            options.push_str(&format!(" {}", self.settings));
        }
        if self.durability == Durability::ThrowAway {
            options.push_str(" -c fsync=off -c synchronous_commit=off -c full_page_writes=off");
        }
        let mut start = self.programs.command("pg_ctl");
        start
            .args(["start", "--silent", "--wait", "--timeout=120", "--pgdata"])
            .arg(self.data())
            .arg("--log")
            .arg(self.log())
            .args(["--options", &options]);
        self.run(&mut start)
    }

    fn make_data(&self) -> Result<()> {
        // Under another name until it is whole: an interrupted start must not leave half of it.
        let unfinished = self.home.join("data.unfinished");
        delete_folder(&unfinished)?;
        let mut make = self.programs.command("initdb");
        make.args(["--username=postgres", "--auth=trust", "--encoding=UTF8"])
            .args(["--no-locale", "--pgdata"])
            .arg(&unfinished);
        if self.durability == Durability::ThrowAway {
            make.arg("--no-sync");
        }
        self.run(&mut make)?;
        std::fs::rename(&unfinished, self.data())
            .map_err(|cause| TestbedError::io("cannot rename", &unfinished, &cause))
    }

    fn make_database(&self) -> Result<()> {
        let port = self.port.to_string();
        let address = ["--host=127.0.0.1", "--username=postgres", "--port", &port];
        let mut ask = self.programs.command("psql");
        ask.args(address)
            .args(["--no-psqlrc", "-Atc"])
            .args([&format!("SELECT 1 FROM pg_database WHERE datname = '{DATABASE}'"), "postgres"]);
        if process::output_of(&mut ask)?.trim() == "1" {
            return Ok(());
        }
        let mut make = self.programs.command("createdb");
        make.args(address).arg(DATABASE);
        process::output_of(&mut make).map(drop)
    }

    fn remember(&self) -> Result<()> {
        let process = pid_in(&self.data().join("postmaster.pid"))
            .and_then(Identity::of)
            .ok_or_else(|| TestbedError::new("PostgreSQL ended right after its start"))?;
        State::default()
            .with("kind", KIND)
            .with("port", self.port)
            .with("home", self.home.display())
            .with("durability", self.durability)
            .with("settings", &self.settings)
            .with_process(SERVER, &process)
            .write(&self.dir.join(SERVER_FILE))
    }

    fn run(&self, command: &mut std::process::Command) -> Result<()> {
        command.current_dir(&self.home).stdout(Stdio::null());
        process::output_of(self.owner.run_as(command)).map(drop)
    }

    fn explain(&self, cause: TestbedError) -> TestbedError {
        cause.with_details(&process::tail(&self.log(), 15))
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        if self.stops_on_drop {
            // Nobody is left to hear of a failure here.
            let _ = self.stop();
        }
    }
}

/// A folder for the files of a server that is not of this kind: `dir` where the owner of the database can get at it.
pub(crate) fn home_for(dir: &Path) -> Result<PathBuf> {
    home::prepare(dir, &Owner::choose()?, Durability::Durable)
}

/// The main process's id out of `postmaster.pid`.
fn pid_in(lock: &Path) -> Option<u32> {
    std::fs::read_to_string(lock).ok()?.lines().next()?.trim().parse().ok()
}

/// The major version that the data in `home` was made with, if there is any.
fn made_with(home: &Path) -> Option<u32> {
    let text = std::fs::read_to_string(home.join("data/PG_VERSION")).ok()?;
    text.trim().parse().ok()
}
