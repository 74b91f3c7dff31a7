//! Waiting for a condition with a limit, so that nothing here waits for a fixed time.

use std::time::{Duration, Instant};

use crate::error::{Result, TestbedError};
use crate::interrupt;

const PAUSE: Duration = Duration::from_millis(20);

/// Asks `check` until it gives a value. An error of `check`, the end of `limit` and Ctrl-C end the wait.
pub fn until<T>(limit: Duration, what: &str, mut check: impl FnMut() -> Result<Option<T>>) -> Result<T> {
    let started = Instant::now();
    loop {
        interrupt::check()?;
        if let Some(value) = check()? {
            return Ok(value);
        }
        if started.elapsed() >= limit {
            return Err(TestbedError::new(format!("gave up waiting for {what} after {} s", limit.as_secs())));
        }
        std::thread::sleep(PAUSE);
    }
}

/// Whether `done` came true within `limit`. Ctrl-C does not end this wait: it is for stopping things.
pub fn came_true(limit: Duration, mut done: impl FnMut() -> bool) -> bool {
    let started = Instant::now();
    loop {
        if done() {
            return true;
        }
        if started.elapsed() >= limit {
            return false;
        }
        std::thread::sleep(PAUSE);
    }
}
