//! A server of another maker as a process: started in a folder of its own and remembered there, killed, started again, ended.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::error::{Result, TestbedError};
use crate::folders::{delete_folder, make_folder};
use crate::place::Place;
use crate::poll;
use crate::process::{self, Identity, Signal, tail};
use crate::state::{SERVER_FILE, State};

/// What the state file of such a server says under `kind`.
pub(crate) const KIND: &str = "daemon";

const SERVER: &str = "server";

/// How long a server may take to end in order.
const PATIENCE: Duration = Duration::from_secs(15);

/// What is run.
#[derive(Debug, Clone)]
pub struct Program {
    /// The file of the program.
    pub file: PathBuf,
    /// What it is told on its command line.
    pub arguments: Vec<String>,
    /// What it is told by its environment.
    pub variables: Vec<(String, String)>,
    /// Whether PostgreSQL's own user runs it, where we are root.
    pub as_postgres: bool,
    /// Where it runs.
    pub place: Place,
}

/// One server. Dropping it ends the server.
#[derive(Debug)]
pub struct Daemon {
    folder: PathBuf,
    program: Program,
    /// The file in which another process, which ends with it, has its id in the first line.
    child: Option<PathBuf>,
    /// A folder for files of its own, where these cannot be in the other one.
    home: Option<PathBuf>,
}

impl Daemon {
    /// A server with this folder for its state and its log; it is not started yet.
    pub fn new(folder: &Path, program: Program) -> Result<Self> {
        make_folder(folder)?;
        Ok(Self { folder: folder.to_owned(), program, child: None, home: None })
    }

    /// With a process of its own below it, whose id stands in the first line of this file.
    #[must_use]
    pub fn with_child(mut self, file: PathBuf) -> Self {
        self.child = Some(file);
        self
    }

    /// With its files in this folder, which is deleted with the other one.
    #[must_use]
    pub fn with_home(mut self, folder: PathBuf) -> Self {
        self.home = Some(folder);
        self
    }

    /// Starts it and returns at once.
    pub fn launch(&self) -> Result<()> {
        let Program { file, arguments, variables, as_postgres, place } = &self.program;
        let mut command = if *as_postgres && crate::postgres::is_root() {
            let mut setpriv = Command::new("setpriv");
            setpriv.args(["--reuid=postgres", "--regid=postgres", "--init-groups"]).arg(file);
            setpriv
        } else {
            Command::new(file)
        };
        command.args(arguments).envs(variables.iter().cloned());
        let started = process::spawn_detached(&place.enter(command), &self.log())
            .map_err(|cause| cause.with_details(&tail(&self.log(), 20)))?;
        let process = became(&started).ok_or_else(|| self.ended())?;
        let text = |path: &Option<PathBuf>| path.as_deref().map(|it| it.display().to_string()).unwrap_or_default();
        let state = State::default().with("kind", KIND).with("child", text(&self.child)).with("home", text(&self.home));
        let state = state.with_process(SERVER, &process);
        state.write(&self.folder.join(SERVER_FILE))
    }

    /// Waits until it is so; an error with the end of the log where the server ends, or takes longer.
    pub fn wait(&self, limit: Duration, what: &str, is_so: impl Fn() -> bool) -> Result<()> {
        let waited = poll::until(limit, what, || match self.process()? {
            Some(_) => Ok(is_so().then_some(())),
            None => Err(TestbedError::new(format!("it ended while waiting for {what}"))),
        });
        waited.map_err(|cause| cause.with_details(&tail(&self.log(), 20)))
    }

    /// The process while it runs.
    pub fn process(&self) -> Result<Option<Identity>> {
        let state = State::read(&self.folder.join(SERVER_FILE))?;
        Ok(state.and_then(|it| it.process(SERVER)).filter(Identity::is_running))
    }

    /// `kill -9` of the process, of those of its group, and of the one below it.
    pub fn kill(&self) -> Result<()> {
        end(&self.folder, false)
    }

    /// SIGSTOP of all that [`Self::kill`] kills, and of what these have started: it holds its connections and says nothing.
    pub fn pause(&self) -> Result<()> {
        self.signal(Signal::Stop)
    }

    /// SIGCONT: goes on after [`Self::pause`].
    pub fn resume(&self) -> Result<()> {
        self.signal(Signal::Continue)
    }

    fn signal(&self, signal: Signal) -> Result<()> {
        if let Some(process) = self.process()? {
            process.signal_group(signal);
        }
        if let Some(child) = self.child.as_deref().and_then(first_line).and_then(Identity::of) {
            child.signal(signal);
            process::children_of(child.pid).iter().for_each(|it| it.signal(signal));
        }
        Ok(())
    }

    /// Ends it in order; one that takes too long is killed.
    pub fn stop(&self) -> Result<()> {
        end(&self.folder, true)
    }

    /// What it has written.
    pub fn log(&self) -> PathBuf {
        self.folder.join("server.log")
    }

    fn ended(&self) -> TestbedError {
        TestbedError::new(format!("{} ended at once", self.program.file.display())).with_details(&tail(&self.log(), 20))
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // Nobody is left to hear of a failure here.
        let _ = self.stop();
    }
}

/// Ends what runs in a folder, if anything does.
pub(crate) fn end(folder: &Path, in_order: bool) -> Result<()> {
    let Some(state) = State::read(&folder.join(SERVER_FILE))? else { return Ok(()) };
    if let Some(process) = state.process(SERVER).filter(Identity::is_running)
        && (!in_order || !process.end(Signal::Terminate, PATIENCE))
    {
        process.signal_group(Signal::Kill);
        process.kill();
    }
    let child = state.get::<PathBuf>("child").filter(|file| !file.as_os_str().is_empty());
    let child = child.and_then(|file| first_line(&file)).and_then(Identity::of);
    if let Some(child) = child.filter(|it| it.program.starts_with("postgres")) {
        child.kill();
    }
    Ok(())
}

/// Ends what runs in a folder, and deletes its files.
pub(crate) fn delete(folder: &Path) -> Result<()> {
    end(folder, false)?;
    let state = State::read(&folder.join(SERVER_FILE))?;
    if let Some(home) = state.and_then(|it| it.get::<PathBuf>("home")).filter(|home| !home.as_os_str().is_empty()) {
        delete_folder(&home)?;
    }
    delete_folder(folder)
}

fn first_line(file: &Path) -> Option<u32> {
    std::fs::read_to_string(file).ok()?.lines().next()?.trim().parse().ok()
}

/// The process once it is the program itself, and no longer one that changes user, network or priority for it.
fn became(started: &Identity) -> Option<Identity> {
    let mut now = Identity::of(started.pid);
    poll::came_true(Duration::from_secs(5), || {
        now = Identity::of(started.pid);
        now.as_ref().is_none_or(|it| !matches!(it.program.as_str(), "sh" | "ip" | "nice" | "setpriv"))
    });
    now
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_remembered_killed_and_started_again() {
        let folder = std::env::temp_dir().join(format!("testbed-daemon-{}", std::process::id()));
        let sleep = Program {
            file: PathBuf::from("sleep"),
            arguments: vec!["60".to_owned()],
            variables: Vec::new(),
            as_postgres: false,
            place: Place::default(),
        };
        let daemon = Daemon::new(&folder, sleep).unwrap();
        daemon.launch().unwrap();
        let first = daemon.process().unwrap().unwrap();
        daemon.kill().unwrap();
        assert!(!first.is_running() && daemon.process().unwrap().is_none());
        daemon.launch().unwrap();
        let second = daemon.process().unwrap().unwrap();
        drop(daemon);
        assert!(!second.is_running());
        std::fs::remove_dir_all(folder).unwrap();
    }
}
