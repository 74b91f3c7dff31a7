//! A service as a process: started, waited for, killed, stopped, paused, and its log shown when a test fails.

use crate::client::{Client, Response};
use crate::poll;
use reqwest::Method;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;
use xtask::ports;
use xtask::process::tail;

/// How long a service may take to be ready. Only a failing test waits for so long.
const START_LIMIT: Duration = Duration::from_secs(60);

/// Lines of each log that are shown when a test fails.
const LOG_LINES: usize = 40;

/// One service process on a port of its own, which it keeps across restarts. Killed when dropped.
#[derive(Debug)]
pub struct Service {
    name: String,
    binary: PathBuf,
    environment: Vec<(String, String)>,
    port: u16,
    log: PathBuf,
    child: Option<Child>,
    client: Client,
}

impl Service {
    /// A service that is not started yet; its log goes to `<folder>/<name>.log`.
    pub fn new(name: impl Into<String>, binary: PathBuf, folder: PathBuf, environment: Vec<(String, String)>) -> Self {
        let (name, port) = (name.into(), ports::free_port().expect("a free port"));
        let log = folder.join(format!("{name}.log"));
        // What an earlier run left there would be taken for this one's.
        let _ = std::fs::remove_file(&log);
        let client = Client::new(format!("http://127.0.0.1:{port}"));
        Self { name, binary, environment, port, log, child: None, client }
    }

    /// What calls it.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// Its process id while it runs.
    pub fn pid(&self) -> Option<u32> {
        self.child.as_ref().map(Child::id)
    }

    /// Gives a variable another value, from the next start on.
    pub fn set(&mut self, name: &str, value: &str) {
        self.environment.retain(|(known, _)| known != name);
        self.environment.push((name.to_owned(), value.to_owned()));
    }

    /// Starts the process and returns at once.
    pub fn launch(&mut self) {
        let log = || File::options().create(true).append(true).open(&self.log).expect("a log file");
        let child = Command::new(&self.binary)
            .env_clear()
            .envs(std::env::vars_os().filter(|(name, _)| name == "PATH" || name == "HOME"))
            .env("NO_COLOR", "1")
            .env("PORT", self.port.to_string())
            .env("BIND_ADDRESS", "127.0.0.1")
            .envs(self.environment.iter().cloned())
            .stdin(Stdio::null())
            .stdout(log())
            .stderr(log())
            .spawn()
            .unwrap_or_else(|error| panic!("cannot start {}: {error}", self.binary.display()));
        self.child = Some(child);
    }

    /// Starts the process and waits until it says that it is ready.
    pub async fn start(&mut self) {
        self.launch();
        self.ready_as(&["UP", "DEGRADED"]).await;
    }

    /// Waits until `/health/ready` shows one of these states.
    pub async fn ready_as(&mut self, states: &[&str]) {
        let what = format!("{} to be {}", self.name, states.join(" or "));
        let (client, name) = (self.client.clone(), self.name.clone());
        let child = &mut self.child;
        poll::within(START_LIMIT, &what, async || {
            let ended = child.as_mut().and_then(|child| child.try_wait().expect("a child of ours"));
            if let Some(status) = ended {
                panic!("{name} ended: {status}");
            }
            let answer = client.get("/health/ready").attempt().await.map_err(|error| error.to_string())?;
            let state = answer.json()["status"].as_str().unwrap_or_default().to_owned();
            if states.contains(&state.as_str()) { Ok(()) } else { Err(answer.text) }
        })
        .await;
    }

    /// `kill -9`, as a crash would.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().expect("a child of ours");
            child.wait().expect("a child of ours");
        }
    }

    /// Sends SIGTERM and returns at once.
    pub fn ask_to_end(&self) {
        self.signal("TERM");
    }

    /// Waits until a process that was asked to end has done so.
    pub async fn ended(&mut self) -> ExitStatus {
        let mut child = self.child.take().expect("a running process");
        poll::eventually(&format!("{} to end", self.name), async || {
            child.try_wait().expect("a child of ours").ok_or_else(|| "it runs".to_owned())
        })
        .await
    }

    /// How the process ended, if it has.
    pub fn exit_status(&mut self) -> Option<ExitStatus> {
        self.child.as_mut().and_then(|child| child.try_wait().expect("a child of ours"))
    }

    /// SIGSTOP: it holds its connections and answers nothing.
    pub fn pause(&self) {
        self.signal("STOP");
    }

    /// SIGCONT: goes on after [`Self::pause`].
    pub fn resume(&self) {
        self.signal("CONT");
    }

    /// Where its log is.
    pub fn log_path(&self) -> &Path {
        &self.log
    }

    /// What it has logged.
    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// How many lines of the log have all of these texts in them.
    pub fn log_lines(&self, texts: &[&str]) -> usize {
        self.log().lines().filter(|line| texts.iter().all(|text| line.contains(text))).count()
    }

    /// Asks for a page that everybody has, which shows that it serves.
    pub async fn live(&self) -> Response {
        self.client.call(Method::GET, "/health/live").await
    }

    fn signal(&self, signal: &str) {
        let pid = self.child.as_ref().expect("a running process").id().to_string();
        let status = Command::new("kill").args(["-s", signal, &pid]).status().expect("the program `kill`");
        assert!(status.success(), "kill -s {signal} {pid}: {status}");
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        if std::thread::panicking() {
            println!("--- end of {} ---\n{}", self.log.display(), tail(&self.log, LOG_LINES));
        }
        if let Some(mut child) = self.child.take() {
            // It may have ended by itself; either way it is gone afterwards.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}
