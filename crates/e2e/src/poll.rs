//! Waiting for a condition with a deadline: nothing here waits for a fixed time.

use std::time::{Duration, Instant};

/// How long a condition may take that needs no more than some messages or a reconnect. Generous: on a busy machine
/// only a failing test waits it out.
pub const PATIENCE: Duration = Duration::from_secs(30);

const PAUSE: Duration = Duration::from_millis(20);

/// Asks `check` until it gives a value; fails the test with what `check` saw last when `limit` is over.
pub async fn within<T>(limit: Duration, what: &str, mut check: impl AsyncFnMut() -> Result<T, String>) -> T {
    let started = Instant::now();
    loop {
        match check().await {
            Ok(value) => return value,
            Err(seen) if started.elapsed() >= limit => {
                panic!("gave up waiting for {what} after {:.1} s; last seen: {seen}", started.elapsed().as_secs_f64())
            }
            Err(_) => tokio::time::sleep(PAUSE).await,
        }
    }
}

/// [`within`] the usual [`PATIENCE`].
pub async fn eventually<T>(what: &str, check: impl AsyncFnMut() -> Result<T, String>) -> T {
    within(PATIENCE, what, check).await
}

/// `Ok` when `seen` is what it should be, else what it is: the end of most checks.
pub fn equal<T: PartialEq + std::fmt::Debug>(seen: T, wanted: T) -> Result<T, String> {
    if seen == wanted { Ok(seen) } else { Err(format!("{seen:?}, wanted {wanted:?}")) }
}
