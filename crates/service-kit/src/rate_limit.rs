//! Bounds how many requests a second one client may make to the API; off unless configured.
//!
//! Says how much is left in `RateLimit` and `RateLimit-Policy` (IETF draft), and answers 429 with `Retry-After`.

use crate::problem::Problem;
use crate::proxies::{TrustedProxies, one_client};
use crate::server::Connection;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use governor::clock::{Clock, DefaultClock};
use governor::middleware::StateInformationMiddleware;
use governor::state::keyed::DefaultKeyedStateStore;
use governor::{Quota, RateLimiter};
use std::net::{IpAddr, Ipv4Addr};
use std::num::NonZeroU32;
use std::sync::{Arc, Weak};
use std::time::Duration;

type Limiter = RateLimiter<IpAddr, DefaultKeyedStateStore<IpAddr>, DefaultClock, StateInformationMiddleware>;

/// How often clients are forgotten that have been quiet for a second.
const SWEEP_EVERY: Duration = Duration::from_secs(5);

/// The limit and what each client has used of it; clones share it.
#[derive(Clone, Debug)]
pub struct RateLimit {
    per_second: NonZeroU32,
    limiter: Arc<Limiter>,
    proxies: TrustedProxies,
}

impl RateLimit {
    /// Allows each client `per_second` requests a second, and as many at once. Clients behind one of the proxies are told
    /// apart.
    pub fn new(per_second: NonZeroU32, proxies: TrustedProxies) -> Self {
        let limiter = RateLimiter::keyed(Quota::per_second(per_second)).with_middleware();
        Self { per_second, limiter: Arc::new(limiter), proxies }
    }

    /// Forgets quiet clients again and again, beside the requests, as long as the limit is in use.
    pub fn sweep_regularly(&self) {
        let limiter: Weak<Limiter> = Arc::downgrade(&self.limiter);
        tokio::spawn(async move {
            loop {
                tokio::time::sleep(SWEEP_EVERY).await;
                let Some(limiter) = limiter.upgrade() else { return };
                sweep(&limiter);
            }
        });
    }

    /// The client that a request counts for.
    fn client(&self, request: &Request) -> IpAddr {
        let connection = request.extensions().get::<Arc<Connection>>();
        let peer = connection.map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |connection| connection.peer.ip());
        one_client(self.proxies.client(peer, request.headers()))
    }

    /// The requests left, or the seconds to wait.
    fn take(&self, client: IpAddr) -> Result<u32, u64> {
        match self.limiter.check_key(&client) {
            Ok(state) => Ok(state.remaining_burst_capacity()),
            Err(refused) => Err(refused.wait_time_from(DefaultClock::default().now()).as_secs() + 1),
        }
    }
}

fn sweep(limiter: &Limiter) {
    limiter.retain_recent();
    limiter.shrink_to_fit();
}

/// Middleware: counts requests to `/api/` by the address they come from.
pub async fn limit(State(limit): State<RateLimit>, request: Request, next: Next) -> Response {
    if !request.uri().path().starts_with("/api/") {
        return next.run(request).await;
    }
    let client = limit.client(&request);
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
    use super::{RateLimit, sweep};
    use crate::proxies::TrustedProxies;
    use crate::server::Connection;
    use axum::body::Body;
    use axum::extract::Request;
    use std::net::{IpAddr, Ipv4Addr};
    use std::num::NonZeroU32;
    use std::sync::Arc;

    fn limit() -> RateLimit {
        RateLimit::new(NonZeroU32::new(2).unwrap(), "10.0.0.1".parse().unwrap())
    }

    #[test]
    fn each_client_has_its_own_share() {
        let limit = limit();
        let (one, other) = (IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1)), IpAddr::V4(Ipv4Addr::new(10, 0, 0, 2)));
        assert_eq!(limit.take(one), Ok(1));
        assert_eq!(limit.take(one), Ok(0));
        assert_eq!(limit.take(one), Err(1));
        assert_eq!(limit.take(other), Ok(1));
    }

    #[test]
    fn clients_behind_a_proxy_are_told_apart() {
        let limit = limit();
        let client = |peer: &str, forwarded: &str| {
            let mut request = Request::builder().header("x-forwarded-for", forwarded).body(Body::empty()).unwrap();
            let connection = Connection::new(format!("{peer}:1").parse().unwrap(), None);
            request.extensions_mut().insert(Arc::new(connection));
            limit.client(&request).to_string()
        };
        assert_eq!(client("10.0.0.1", "198.51.100.1"), "198.51.100.1");
        assert_eq!(client("10.0.0.1", "1.1.1.1, 198.51.100.1"), "198.51.100.1");
        assert_eq!(client("10.0.0.2", "198.51.100.1"), "10.0.0.2", "a proxy that is not known is a client");
        assert_eq!(client("10.0.0.1", "2001:db8:1:2:3:4:5:6"), "2001:db8:1:2::");
    }

    #[test]
    fn quiet_clients_are_forgotten() {
        // A thousandth of a second without a request, and a client has its whole share again.
        let limit = RateLimit::new(NonZeroU32::new(1000).unwrap(), TrustedProxies::default());
        for last in 0..200 {
            limit.take(IpAddr::V4(Ipv4Addr::new(198, 51, 100, last))).unwrap();
        }
        while !limit.limiter.is_empty() {
            sweep(&limit.limiter);
        }
    }
}
