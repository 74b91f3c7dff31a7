//! Time since the run began, on every line that is printed.

use std::io::Write;
use std::time::{Duration, Instant};

/// Copies count from the same start.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    started: Instant,
}

impl Clock {
    /// Begins to count.
    pub fn start() -> Self {
        Self { started: Instant::now() }
    }

    /// How long it has run.
    pub fn elapsed(self) -> Duration {
        self.started.elapsed()
    }

    /// Prints a line with the time: `[ 12.3s] text`.
    pub fn say(self, text: &str) {
        println!("[{:5.1}s] {text}", self.elapsed().as_secs_f64());
        // A closed standard output is no reason to leave servers behind.
        let _ = std::io::stdout().flush();
    }
}
