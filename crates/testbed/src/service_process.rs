//! A service as a process: started, waited for, killed, stopped, paused, and its log shown when a test fails.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use crate::error::{Result, TestbedError};
use crate::process::{self, Signal, tail};
use crate::{poll, ports, readiness};

/// How long a service may take to be ready. Only a start that fails waits for so long.
pub const START_LIMIT: Duration = Duration::from_secs(60);

/// Lines of each log that are shown when a test fails.
const LOG_LINES: usize = 40;

/// One service process on a port of its own, which it keeps across restarts. Killed when dropped.
#[derive(Debug)]
pub struct Service {
    name: String,
    binary: PathBuf,
    environment: Vec<(String, String)>,
    port: u16,
    base: String,
    log: PathBuf,
    child: Option<Child>,
}

impl Service {
    /// A service that is not started yet; its log goes to `<folder>/<name>.log`.
    pub fn new(name: String, binary: &Path, folder: &Path, environment: Vec<(String, String)>) -> Result<Self> {
        let port = ports::free_port()?;
        let log = folder.join(format!("{name}.log"));
        // What an earlier run left there would be taken for this one's.
        let _ = std::fs::remove_file(&log);
        let (binary, base) = (binary.to_owned(), format!("http://127.0.0.1:{port}"));
        Ok(Self { name, binary, environment, port, base, log, child: None })
    }

    /// Which one it is: `order-1`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its port on the loopback address.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Its URL without a path.
    pub fn base(&self) -> &str {
        &self.base
    }

    /// Its process id while it runs.
    pub fn pid(&self) -> Option<u32> {
        self.child.as_ref().map(Child::id)
    }

    /// The value of a variable that it was told.
    pub fn environment(&self, name: &str) -> Option<String> {
        self.environment.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone())
    }

    /// Gives a variable another value, from the next start on.
    pub fn set(&mut self, name: &str, value: &str) {
        self.environment.retain(|(known, _)| known != name);
        self.environment.push((name.to_owned(), value.to_owned()));
    }

    /// Gives it another program, from the next start on.
    pub fn exchange(&mut self, binary: &Path) {
        binary.clone_into(&mut self.binary);
    }

    /// Starts the process and returns at once.
    pub fn launch(&mut self) -> Result<()> {
        let log = || {
            let file = File::options().create(true).append(true).open(&self.log);
            file.map_err(|cause| TestbedError::io("cannot open", &self.log, &cause))
        };
        let child = Command::new(&self.binary)
            .env_clear()
            .envs(std::env::vars_os().filter(|(name, _)| name == "PATH" || name == "HOME"))
            .env("NO_COLOR", "1")
            .env("PORT", self.port.to_string())
            .env("BIND_ADDRESS", "127.0.0.1")
            .env("ACCESS", "local")
            .envs(self.environment.iter().cloned())
            .stdin(Stdio::null())
            .stdout(log()?)
            .stderr(log()?)
            .spawn()
            .map_err(|cause| TestbedError::io("cannot start", &self.binary, &cause))?;
        self.child = Some(child);
        Ok(())
    }

    /// Waits until `/health/ready` shows one of these states.
    pub fn ready_as(&mut self, states: &[&str]) -> Result<()> {
        let mut seen = String::new();
        let what = format!("{} to be {}", self.name, states.join(" or "));
        let outcome = poll::until(START_LIMIT, &what, || {
            if let Some(status) = self.exit_status() {
                return Err(TestbedError::new(format!("{} ended: {status}", self.name)));
            }
            match readiness::check(self.port, states) {
                Ok(()) => Ok(Some(())),
                Err(says) => {
                    seen = says;
                    Ok(None)
                }
            }
        });
        outcome.map_err(|cause| cause.with_details(&format!("it says: {seen}\n{}", tail(&self.log, LOG_LINES))))
    }

    /// `kill -9`, as a crash would; one that has ended is collected.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            // It may have ended by itself; either way it is gone afterwards.
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// Sends SIGTERM and returns at once.
    pub fn ask_to_end(&self) {
        self.signal(Signal::Terminate);
    }

    /// SIGSTOP: it holds its connections and answers nothing.
    pub fn pause(&self) {
        self.signal(Signal::Stop);
    }

    /// SIGCONT: goes on after [`Self::pause`].
    pub fn resume(&self) {
        self.signal(Signal::Continue);
    }

    /// How the process ended, if it has.
    pub fn exit_status(&mut self) -> Option<ExitStatus> {
        self.child.as_mut().and_then(|child| child.try_wait().ok().flatten())
    }

    /// Waits until a process that was asked to end has done so; an error when it takes longer than `limit`.
    pub fn ended(&mut self, limit: Duration) -> Result<ExitStatus> {
        let what = format!("{} to end", self.name);
        let status = poll::until(limit, &what, || Ok(self.exit_status()))?;
        self.child = None;
        Ok(status)
    }

    /// Where its log is.
    pub fn log_path(&self) -> &Path {
        &self.log
    }

    /// What it has logged.
    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    fn signal(&self, signal: Signal) {
        if let Some(pid) = self.pid() {
            process::send(signal, i64::from(pid));
        }
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        if std::thread::panicking() {
            println!("--- end of {} ---\n{}", self.log.display(), tail(&self.log, LOG_LINES));
        }
        self.kill();
    }
}
