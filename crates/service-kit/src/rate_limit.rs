//! Bounds how many requests a second one client may make to the API; off unless configured.
//!
//! Says how much is left in `RateLimit` and `RateLimit-Policy` (IETF draft), and answers 429 with `Retry-After`.

use crate::listener::ClientAddress;
use crate::problem::Problem;
use axum::extract::{ConnectInfo, Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use governor::clock::{Clock, DefaultClock};
use governor::middleware::StateInformationMiddleware;
use governor::state::keyed::DefaultKeyedStateStore;
use governor::{Quota, RateLimiter};
use std::net::{IpAddr, Ipv4Addr};
use std::num::NonZeroU32;
use std::sync::Arc;

type Limiter = RateLimiter<IpAddr, DefaultKeyedStateStore<IpAddr>, DefaultClock, StateInformationMiddleware>;

/// Clients remembered before those that have been quiet are forgotten.
const REMEMBERED: usize = 10_000;

/// The limit and what each client has used of it; clones share it.
#[derive(Clone, Debug)]
pub struct RateLimit {
    per_second: NonZeroU32,
    limiter: Arc<Limiter>,
}

impl RateLimit {
    /// Allows each address `per_second` requests a second, and as many at once.
    pub fn new(per_second: NonZeroU32) -> Self {
        let limiter = RateLimiter::keyed(Quota::per_second(per_second)).with_middleware();
        Self { per_second, limiter: Arc::new(limiter) }
    }

    /// The requests left, or the seconds to wait.
    fn take(&self, client: IpAddr) -> Result<u32, u64> {
        if self.limiter.len() > REMEMBERED {
            self.limiter.retain_recent();
        }
        match self.limiter.check_key(&client) {
            Ok(state) => Ok(state.remaining_burst_capacity()),
            Err(refused) => Err(refused.wait_time_from(DefaultClock::default().now()).as_secs() + 1),
        }
    }
}

/// Middleware: counts requests to `/api/` by the address they come from.
pub async fn limit(State(limit): State<RateLimit>, request: Request, next: Next) -> Response {
    if !request.uri().path().starts_with("/api/") {
        return next.run(request).await;
    }
    let connection = request.extensions().get::<ConnectInfo<ClientAddress>>();
    let client = connection.map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |ConnectInfo(client)| client.0.ip());
    let (mut response, left, wait) = match limit.take(client) {
        Ok(left) => (next.run(request).await, left, 1),
        Err(wait) => {
            let detail = format!("more than {} requests a second", limit.per_second);
            let mut problem = Problem::new(StatusCode::TOO_MANY_REQUESTS, "rate-limited", "Too many requests", detail);
            problem.retry_after = u32::try_from(wait).ok();
            (problem.into_response(), 0, wait)
        }
    };
    set(response.headers_mut(), "ratelimit-policy", format!("\"default\";q={};w=1", limit.per_second));
    set(response.headers_mut(), "ratelimit", format!("\"default\";r={left};t={wait}"));
    response
}

fn set(headers: &mut HeaderMap, name: &'static str, value: String) {
    if let Ok(value) = HeaderValue::from_str(&value) {
        headers.insert(name, value);
    }
}

#[cfg(test)]
mod tests {
    use super::RateLimit;
    use std::net::{IpAddr, Ipv4Addr};
    use std::num::NonZeroU32;

    #[test]
    fn each_client_has_its_own_share() {
        let limit = RateLimit::new(NonZeroU32::new(2).unwrap());
        let (one, other) = (IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1)), IpAddr::V4(Ipv4Addr::new(10, 0, 0, 2)));
        assert_eq!(limit.take(one), Ok(1));
        assert_eq!(limit.take(one), Ok(0));
        assert_eq!(limit.take(one), Err(1));
        assert_eq!(limit.take(other), Ok(1));
    }
}
