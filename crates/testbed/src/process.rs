//! Starting, recognising and ending other programs. A process is only ever signalled after it was recognised by its
//! pid, its start time and its name, so that a reused pid never hits a stranger.

use std::fs::File;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::error::{Result, TestbedError};
use crate::poll;

/// Enough about a running process to know it again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// Its process id.
    pub pid: u32,
    /// When it started, as the system words it.
    pub started: String,
    /// The name of its program as the system keeps it (Linux cuts it at 15 characters).
    pub program: String,
}

/// The signals this crate sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signal {
    /// Ask to end.
    Terminate,
    /// As Ctrl-C does; PostgreSQL's fast shutdown.
    Interrupt,
    /// PostgreSQL's immediate shutdown.
    Quit,
    /// `kill -9`.
    Kill,
    /// Stand still, holding all it has.
    Stop,
    /// Go on after [`Signal::Stop`].
    Continue,
}

impl Signal {
    fn name(self) -> &'static str {
        match self {
            Self::Terminate => "TERM",
            Self::Interrupt => "INT",
            Self::Quit => "QUIT",
            Self::Kill => "KILL",
            Self::Stop => "STOP",
            Self::Continue => "CONT",
        }
    }
}

impl Identity {
    /// The process that has this pid now, unless there is none or it is dead and only not yet collected.
    pub fn of(pid: u32) -> Option<Self> {
        if cfg!(target_os = "linux") { Self::from_proc(pid) } else { Self::from_ps(pid) }
    }

    /// Whether this very process still runs.
    pub fn is_running(&self) -> bool {
        Self::of(self.pid).as_ref() == Some(self)
    }

    /// Sends the signal if the process still runs.
    pub fn signal(&self, signal: Signal) {
        if self.is_running() {
            send(signal, i64::from(self.pid));
        }
    }

    /// Sends the signal to the process group that this process leads or belongs to, if the process still runs.
    pub fn signal_group(&self, signal: Signal) {
        if let Some(group) = self.is_running().then(|| group_of(self.pid)).flatten() {
            send(signal, -i64::from(group));
        }
    }

    /// Sends `first`, waits up to `patience` for the end, then sends `kill -9`. Whether `first` was enough.
    pub fn end(&self, first: Signal, patience: Duration) -> bool {
        self.signal(first);
        if poll::came_true(patience, || !self.is_running()) {
            return true;
        }
        self.kill();
        false
    }

    /// `kill -9`, and waits until the process is gone.
    pub fn kill(&self) {
        self.signal(Signal::Kill);
        poll::came_true(Duration::from_secs(10), || !self.is_running());
    }

    fn from_proc(pid: u32) -> Option<Self> {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        let (program, fields) = split_stat(&stat)?;
        // proc(5): after the name come the state (field 3) and, as field 22, the start time in ticks since boot.
        if matches!(fields.first()?, &"Z" | &"X") {
            return None;
        }
        Some(Self { pid, started: (*fields.get(19)?).to_owned(), program: program.to_owned() })
    }

    fn from_ps(pid: u32) -> Option<Self> {
        let ask = |column: &str| {
            let output =
                Command::new("ps").args(["-o", column, "-p", &pid.to_string()]).env("LC_ALL", "C").output().ok()?;
            let text = String::from_utf8_lossy(&output.stdout).trim().to_owned();
            (!text.is_empty()).then_some(text)
        };
        if ask("stat=")?.starts_with('Z') {
            return None;
        }
        Some(Self { pid, started: ask("lstart=")?, program: ask("comm=")? })
    }
}

/// Splits a line of `/proc/PID/stat` into the program's name and the fields after it. The name may hold anything.
fn split_stat(stat: &str) -> Option<(&str, Vec<&str>)> {
    let (before, after) = stat.rsplit_once(") ")?;
    let (_pid, program) = before.split_once('(')?;
    Some((program, after.split_whitespace().collect()))
}

fn group_of(pid: u32) -> Option<u32> {
    let output = Command::new("ps").args(["-o", "pgid=", "-p", &pid.to_string()]).output();
    let from_ps = || String::from_utf8_lossy(&output.ok()?.stdout).trim().parse().ok();
    let Ok(stat) = std::fs::read_to_string(format!("/proc/{pid}/stat")) else {
        return from_ps();
    };
    split_stat(&stat)?.1.get(2)?.parse().ok()
}

/// The processes that this one has started and that run; none where the system has no `/proc`.
pub fn children_of(pid: u32) -> Vec<Identity> {
    let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    let is_child = |child: &u32| {
        let stat = std::fs::read_to_string(format!("/proc/{child}/stat")).unwrap_or_default();
        split_stat(&stat).and_then(|(_, fields)| fields.get(1)?.parse().ok()) == Some(pid)
    };
    pids.filter(is_child).filter_map(Identity::of).collect()
}

/// Sends a signal to a pid, or to a process group when `target` is negative, through the shell's own `kill`.
pub fn send(signal: Signal, target: i64) {
    let command = format!("kill -s {} -- {target}", signal.name());
    // A target that is gone already is as good as one that has ended.
    let _ = Command::new("sh").args(["-c", &command]).stdout(Stdio::null()).stderr(Stdio::null()).status();
}

/// Runs a command to its end and gives its standard output; an error with its standard error when it fails.
pub fn output_of(command: &mut Command) -> Result<String> {
    let name = command.get_program().to_string_lossy().into_owned();
    let output = command
        .stdin(Stdio::null())
        .output()
        .map_err(|cause| TestbedError::new(format!("cannot run {name}: {cause}")))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(TestbedError::new(format!("{name} failed ({}): {}", output.status, said.trim())))
}

/// Starts a program that lives on after this one, in a process group of its own, with its output added to `log`.
/// The shell in between makes it a child of the system's first process, which collects it when it ends.
pub fn spawn_detached(command: &Command, log: &Path) -> Result<Identity> {
    let name = command.get_program().to_string_lossy().into_owned();
    let failed = |cause: std::io::Error| TestbedError::new(format!("cannot start {name}: {cause}"));
    let log = File::options()
        .create(true)
        .append(true)
        .open(log)
        .map_err(|cause| TestbedError::io("cannot open", log, &cause))?;
    let mut shell = Command::new("sh");
    shell.args(["-c", r#""$@" </dev/null >&2 & echo $!"#, "sh"]).arg(command.get_program()).args(command.get_args());
    for (key, value) in command.get_envs() {
        match value {
            Some(value) => shell.env(key, value),
            None => shell.env_remove(key),
        };
    }
    if let Some(directory) = command.get_current_dir() {
        shell.current_dir(directory);
    }
    let output = shell.process_group(0).stdin(Stdio::null()).stderr(log).output().map_err(failed)?;
    let pid = String::from_utf8_lossy(&output.stdout);
    recognise_started(pid.trim()).ok_or_else(|| TestbedError::new(format!("{name} ended at once after its start")))
}

/// Waits until the forked shell has become the program: before that it carries the shell's name.
fn recognise_started(pid: &str) -> Option<Identity> {
    let pid = pid.parse().ok()?;
    let mut seen = Identity::of(pid)?;
    poll::came_true(Duration::from_secs(2), || {
        if let Some(now) = Identity::of(pid) {
            seen = now;
        }
        !matches!(seen.program.as_str(), "sh" | "/bin/sh") || !seen.is_running()
    });
    seen.is_running().then_some(seen)
}

/// The last `lines` lines of a log, for showing why something failed.
pub fn tail(log: &Path, lines: usize) -> String {
    let bytes = std::fs::read(log).unwrap_or_default();
    let text = String::from_utf8_lossy(&bytes);
    let all: Vec<&str> = text.lines().collect();
    let from = all.len().saturating_sub(lines);
    all[from..].join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_a_name_with_brackets_and_blanks() {
        let (program, fields) = split_stat("7 (a (b) c) S 1 7 7 0").unwrap();
        assert_eq!(program, "a (b) c");
        assert_eq!(fields[..2], ["S", "1"]);
    }

    #[test]
    fn knows_itself_and_not_a_process_that_took_its_pid() {
        let own = Identity::of(std::process::id()).unwrap();
        assert!(own.is_running());
        let stranger = Identity { started: "long ago".to_owned(), ..own };
        assert!(!stranger.is_running());
    }

    #[test]
    fn ends_a_detached_program() {
        let log = std::env::temp_dir().join(format!("testbed-process-{}", std::process::id()));
        let sleeper = spawn_detached(Command::new("sleep").arg("60"), &log).unwrap();
        std::fs::remove_file(&log).unwrap();
        assert!(sleeper.is_running());
        assert_eq!(sleeper.program, "sleep");
        let mut child = Command::new("sleep").arg("60").spawn().unwrap();
        assert!(children_of(std::process::id()).contains(&Identity::of(child.id()).unwrap()));
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(sleeper.end(Signal::Terminate, Duration::from_secs(10)));
        assert!(!sleeper.is_running());
    }
}
