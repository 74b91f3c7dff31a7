//! How many calls a second a provider gets, so that it does not have to say no.

use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};
use std::num::NonZeroU32;
use std::time::Duration;

/// How long a call waits for its turn: who waits longer is told to come again.
const PATIENCE: Duration = Duration::from_secs(2);

/// Lets so many calls a second through, and has the others wait.
#[derive(Debug)]
pub(super) struct Limiter(Option<DefaultDirectRateLimiter>);

impl Limiter {
    /// So many; 0 for no limit.
    pub(super) fn new(calls_per_second: u32) -> Self {
        Self(NonZeroU32::new(calls_per_second).map(|calls| RateLimiter::direct(Quota::per_second(calls))))
    }

    /// Waits for its turn; gives whether it came.
    pub(super) async fn turn(&self) -> bool {
        match &self.0 {
            Some(limiter) => tokio::time::timeout(PATIENCE, limiter.until_ready()).await.is_ok(),
            None => true,
        }
    }
}
