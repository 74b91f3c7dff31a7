//! The folder of one run of a command that needs servers for a short time, and what dead runs left behind.

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::daemon;
use crate::error::Result;
use crate::folders::{delete_folder, make_folder};
use crate::postgres::{self, Postgres};
use crate::process::{Identity, Signal};
use crate::rabbitmq::{self, RabbitMq};
use crate::state::{SERVER_FILE, State};
use crate::step::Steps;

// Tests put their own servers at most this many folders below that of the run.
const DEPTH: u32 = 4;

/// How long a run may take to end its servers.
const END_LIMIT: Duration = Duration::from_secs(120);

/// `.run/NAME-PID`, deleted together with the servers in it when dropped.
#[derive(Debug)]
pub struct RunFolder {
    path: PathBuf,
    kept: bool,
}

impl RunFolder {
    /// Makes `<run_folder>/<name>-PID`, after deleting those of runs that have died. With `kept`, dropping it only ends the servers.
    pub fn make(run_folder: &Path, name: &str, kept: bool, steps: &Steps) -> Result<Self> {
        clean_up_after_dead_runs(run_folder, steps)?;
        let path = run_folder.join(format!("{name}-{}", std::process::id()));
        make_folder(&path)?;
        Ok(Self { path, kept })
    }

    /// Ends the servers and deletes the files, unless these are to be kept or the run has failed; says where they are
    /// then.
    pub fn end(mut self, failed: bool, steps: &Steps) {
        self.kept |= failed;
        if self.kept {
            steps.say(&format!("kept until the next run: {}", self.path.display()));
        }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for RunFolder {
    fn drop(&mut self) {
        let result = if self.kept { end_servers(&self.path, DEPTH, false) } else { delete(&self.path) };
        if let Err(error) = result {
            eprintln!("warning: {error}");
        }
    }
}

/// Asks the runs of this name that are at work to end, and waits until they have; whether there were any.
pub fn end_runs(run_folder: &Path, name: &str, steps: &Steps) -> Result<bool> {
    let mut any = false;
    for folder in folders_in(run_folder) {
        let file_name = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let pid = file_name.strip_prefix(&format!("{name}-")).and_then(|pid| pid.parse().ok());
        let pid = pid.filter(|pid| is_live_run(*pid));
        if let Some(run) = pid.and_then(Identity::of) {
            steps.say(&format!("ending {}", folder.display()));
            run.end(Signal::Terminate, END_LIMIT);
            any = true;
        }
    }
    Ok(any)
}

fn clean_up_after_dead_runs(run_folder: &Path, steps: &Steps) -> Result<()> {
    for folder in folders_in(run_folder) {
        let name = folder.file_name().unwrap_or_default().to_string_lossy();
        if pid_in(&name).is_some_and(|pid| !is_live_run(pid)) {
            steps.say(&format!("cleaning up after a run that ended early: {}", folder.display()));
            delete(&folder)?;
        }
    }
    Ok(())
}

/// The process id in the name of a run's folder: 42 in `test-42`.
fn pid_in(name: &str) -> Option<u32> {
    name.rsplit_once('-')?.1.parse().ok()
}

/// Our own pid in the name of a folder that we did not make yet is a dead run's as well.
fn is_live_run(pid: u32) -> bool {
    pid != std::process::id() && Identity::of(pid).is_some_and(|process| process.program.contains("xtask"))
}

fn delete(folder: &Path) -> Result<()> {
    end_servers(folder, DEPTH, true)?;
    delete_folder(folder)
}

fn end_servers(folder: &Path, depth: u32, with_files: bool) -> Result<()> {
    if let Some(state) = State::read(&folder.join(SERVER_FILE))? {
        let kind = state.get::<String>("kind").unwrap_or_default();
        return match (kind.as_str(), with_files) {
            (postgres::KIND, true) => Postgres::delete(folder),
            (postgres::KIND, false) => Postgres::attach(folder)?.map_or(Ok(()), |it| it.stop()),
            (rabbitmq::KIND, true) => RabbitMq::delete(folder),
            (rabbitmq::KIND, false) => RabbitMq::attach(folder)?.map_or(Ok(()), |it| it.stop()),
            (daemon::KIND, true) => daemon::delete(folder),
            (daemon::KIND, false) => daemon::end(folder, true),
            _ => Ok(()),
        };
    }
    if depth > 0 {
        for inner in folders_in(folder) {
            end_servers(&inner, depth - 1, with_files)?;
        }
    }
    Ok(())
}

fn folders_in(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    entries.map(|entry| entry.path()).filter(|path| path.is_dir()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_pid_out_of_the_folder_name() {
        assert_eq!(pid_in("test-42"), Some(42));
        assert_eq!(pid_in("dev"), None);
        assert_eq!(pid_in("some-thing"), None);
    }

    #[test]
    fn takes_no_other_program_for_a_run() {
        assert!(!is_live_run(std::process::id()));
        assert!(!is_live_run(1));
    }
}
