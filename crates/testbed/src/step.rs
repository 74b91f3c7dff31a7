//! Telling the person at the terminal what happens and how long it took.

use std::io::Write;
use std::time::{Duration, Instant};

/// Counts from the start of a command; shared by the threads that work at once.
#[derive(Debug, Clone, Copy)]
pub struct Steps {
    started: Instant,
}

impl Steps {
    /// Starts counting and prints the first line at once.
    pub fn begin(title: &str) -> Self {
        let steps = Self { started: Instant::now() };
        steps.say(title);
        steps
    }

    /// A line with the time since the start: `[ 12.3s] text`.
    pub fn say(&self, text: &str) {
        let mut out = std::io::stdout().lock();
        // A closed standard output is no reason to leave servers behind.
        let _ = writeln!(out, "[{:5.1}s] {text}", self.started.elapsed().as_secs_f64());
        let _ = out.flush();
    }

    /// A line for something that began at `since`: `[ 12.3s] text (0.6s)`.
    pub fn done(&self, text: &str, since: Instant) {
        self.say(&format!("{text} ({})", seconds(since.elapsed())));
    }
}

/// A duration as people say it: `0.6s`.
pub fn seconds(duration: Duration) -> String {
    format!("{:.1}s", duration.as_secs_f64())
}
