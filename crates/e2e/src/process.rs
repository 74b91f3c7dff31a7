//! A service process as the tests use it: whatever it cannot do fails the test at hand.

use crate::client::{Client, Response};
use crate::poll;
use reqwest::Method;
use std::ops::{Deref, DerefMut};
use std::process::ExitStatus;
use testbed::readiness;
use testbed::service_process::START_LIMIT;

/// A process and what calls it.
#[derive(Debug)]
pub struct Service {
    process: testbed::Service,
    client: Client,
}

impl Service {
    /// Calls this process, which need not be started yet.
    pub fn new(process: testbed::Service) -> Self {
        let client = Client::new(process.base());
        Self { process, client }
    }

    /// What calls it.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// Starts the process and returns at once.
    pub fn launch(&mut self) {
        self.process.launch().unwrap_or_else(|error| panic!("{error}"));
    }

    /// Starts the process and waits until it says that it is ready.
    pub async fn start(&mut self) {
        self.launch();
        self.ready_as(&["UP", "DEGRADED"]).await;
    }

    /// Waits until `/health/ready` shows one of these states.
    pub async fn ready_as(&mut self, states: &[&'static str]) {
        let what = format!("{} to be {}", self.name(), states.join(" or "));
        poll::within(START_LIMIT, &what, async || {
            if let Some(status) = self.process.exit_status() {
                panic!("{} ended: {status}", self.process.name());
            }
            let (port, states) = (self.process.port(), states.to_owned());
            // Away from the thread of the test, on which its stand-ins for other servers may be answering.
            tokio::task::spawn_blocking(move || readiness::check(port, &states)).await.expect("an answer or none")
        })
        .await;
    }

    /// `kill -9`, as a crash would.
    pub fn kill(&mut self) {
        self.process.kill();
    }

    /// `kill -9`, and starts it anew: what its jobs do at the start is done soon.
    pub async fn restart(&mut self) -> &mut Self {
        self.kill();
        self.start().await;
        self
    }

    /// Waits until a process that was asked to end has done so.
    pub async fn ended(&mut self) -> ExitStatus {
        let what = format!("{} to end", self.name());
        let status =
            poll::eventually(&what, async || self.process.exit_status().ok_or_else(|| "it runs".to_owned())).await;
        self.process.kill();
        status
    }

    /// The log without the times of its lines: their microseconds may be the digits that a test looks for.
    pub fn log_without_times(&self) -> String {
        let log = self.log();
        let lines = log.lines().map(|line| match line.split_once("\"timestamp\":\"") {
            Some((before, after)) => format!("{before}{}", after.split_once('"').map_or("", |(_, rest)| rest)),
            None => line.to_owned(),
        });
        lines.collect::<Vec<_>>().join("\n")
    }

    /// How many lines of the log have all of these texts in them.
    pub fn log_lines(&self, texts: &[&str]) -> usize {
        self.log().lines().filter(|line| texts.iter().all(|text| line.contains(text))).count()
    }

    /// Asks for a page that everybody has, which shows that it serves.
    pub async fn live(&self) -> Response {
        self.client.call(Method::GET, "/health/live").await
    }
}

impl Deref for Service {
    type Target = testbed::Service;

    fn deref(&self) -> &testbed::Service {
        &self.process
    }
}

impl DerefMut for Service {
    fn deref_mut(&mut self) -> &mut testbed::Service {
        &mut self.process
    }
}
