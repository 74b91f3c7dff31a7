//! Bounds how many requests a second one client may make to the API; off unless configured.
//!
//! A client is an address, and where it says who it is also a person or an API key. Says how much is left in `RateLimit`
//! and `RateLimit-Policy` (IETF draft), and answers 429 with `Retry-After`.

use crate::access::{Caller, User};
use crate::config::ServerConfig;
use crate::problem::Problem;
use crate::proxies::{TrustedProxies, one_client};
use crate::server::Connection;
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use governor::clock::{Clock, DefaultClock};
use governor::middleware::StateInformationMiddleware;
use governor::state::keyed::DefaultKeyedStateStore;
use governor::{Quota, RateLimiter};
use std::hash::Hash;
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::{Arc, Weak};
use std::time::Duration;
use uuid::Uuid;

type Limiter<Client> = RateLimiter<Client, DefaultKeyedStateStore<Client>, DefaultClock, StateInformationMiddleware>;

/// How often clients are forgotten that have been quiet for a second.
const SWEEP_EVERY: Duration = Duration::from_secs(5);

/// The limits of a service and what each client has used of them; clones share them.
#[derive(Clone, Debug)]
pub struct RateLimits {
    address: Option<Limit<IpAddr>>,
    user: Option<Limit<Uuid>>,
    key: Option<Limit<Uuid>>,
    proxies: TrustedProxies,
}

/// One limit.
#[derive(Clone, Debug)]
struct Limit<Client: Hash + Eq + Clone> {
    /// The name of its policy in the headers.
    name: &'static str,
    per_second: NonZeroU32,
    limiter: Arc<Limiter<Client>>,
}

/// What the limits say of a request so far.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Counted(Vec<Verdict>);

/// What one limit says of a request.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Verdict {
    name: &'static str,
    per_second: NonZeroU32,
    /// The requests left, or the seconds to wait.
    taken: Result<u32, u64>,
}

impl RateLimits {
    /// Those that are configured, if any is. Clients behind one of the proxies are told apart.
    pub fn of(config: &ServerConfig) -> Option<Self> {
        let limits = Self {
            address: Limit::new("default", config.rate_limit_per_second),
            user: Limit::new("user", config.rate_limit_user_per_second),
            key: Limit::new("key", config.rate_limit_key_per_second),
            proxies: config.trusted_proxies.clone(),
        };
        let any = limits.address.is_some() || limits.user.is_some() || limits.key.is_some();
        any.then_some(limits)
    }

    /// Forgets quiet clients again and again, beside the requests, as long as the limits are in use.
    pub fn sweep_regularly(&self) {
        self.address.iter().for_each(Limit::sweep_regularly);
        self.user.iter().chain(&self.key).for_each(Limit::sweep_regularly);
    }

    /// The address that a request counts for.
    fn address_of(&self, request: &Request) -> IpAddr {
        let connection = request.extensions().get::<Arc<Connection>>();
        one_client(self.proxies.client_behind(connection.map(Arc::as_ref), request.headers()))
    }

    /// Counts a request to `/api/` by the address it comes from. Before anybody looks at who makes it: what is refused for
    /// that costs as much as what is served, and an API key that is made up costs a call of account-service.
    pub fn arrives(&self, request: &Request) -> Counted {
        let is_limited = request.uri().path().starts_with("/api/");
        let limit = self.address.as_ref().filter(|_| is_limited);
        Counted(limit.map(|limit| limit.take(&self.address_of(request))).into_iter().collect())
    }

    /// Counts a request to `/api/` that was let in by who makes it. An API key has its own limit, not its owner's.
    pub fn is_let_in(&self, request: &Request, counted: &mut Counted) {
        let caller = Caller::of(request.extensions()).filter(|_| request.uri().path().starts_with("/api/"));
        let by_name = caller.and_then(|caller| caller.principal.user()).and_then(|user| match user {
            User { key: Some(key), .. } => Some(self.key.as_ref()?.take(&key.id)),
            User { id, .. } => Some(self.user.as_ref()?.take(id)),
        });
        counted.0.extend(by_name);
    }
}

impl Counted {
    /// The answer, where a limit is exceeded: that with the longest wait.
    pub fn refusal(&self) -> Option<Problem> {
        let refused = self.0.iter().filter_map(|verdict| Some((verdict, verdict.taken.err()?)));
        let (verdict, wait) = refused.max_by_key(|(_, wait)| *wait)?;
        let detail = format!("more than {} requests a second", verdict.per_second);
        let mut problem = Problem::new(StatusCode::TOO_MANY_REQUESTS, "rate-limited", "Too many requests", detail);
        problem.retry_after = u32::try_from(wait).ok();
        Some(problem)
    }

    /// Tells the client what is left.
    pub fn tell(&self, headers: &mut HeaderMap) {
        let policy = |it: &Verdict| format!("\"{}\";q={};w=1", it.name, it.per_second);
        let left = |it: &Verdict| match it.taken {
            Ok(left) => format!("\"{}\";r={left};t=1", it.name),
            Err(wait) => format!("\"{}\";r=0;t={wait}", it.name),
        };
        set(headers, "ratelimit-policy", &self.0, policy);
        set(headers, "ratelimit", &self.0, left);
    }
}

impl<Client: Hash + Eq + Clone + Send + Sync + 'static> Limit<Client> {
    /// Allows each client this many requests a second, and as many at once; none where it is 0.
    fn new(name: &'static str, per_second: u32) -> Option<Self> {
        let per_second = NonZeroU32::new(per_second)?;
        let limiter = RateLimiter::keyed(Quota::per_second(per_second)).with_middleware();
        Some(Self { name, per_second, limiter: Arc::new(limiter) })
    }

    fn take(&self, client: &Client) -> Verdict {
        let taken = match self.limiter.check_key(client) {
            Ok(state) => Ok(state.remaining_burst_capacity()),
            Err(refused) => Err(refused.wait_time_from(DefaultClock::default().now()).as_secs() + 1),
        };
        Verdict { name: self.name, per_second: self.per_second, taken }
    }

    fn sweep_regularly(&self) {
        let limiter: Weak<Limiter<Client>> = Arc::downgrade(&self.limiter);
        tokio::spawn(async move {
            loop {
                tokio::time::sleep(SWEEP_EVERY).await;
                let Some(limiter) = limiter.upgrade() else { return };
                sweep(&limiter);
            }
        });
    }
}

fn sweep<Client: Hash + Eq + Clone>(limiter: &Limiter<Client>) {
    limiter.retain_recent();
    limiter.shrink_to_fit();
}

/// Nothing where nothing was counted.
fn set(headers: &mut HeaderMap, name: &'static str, verdicts: &[Verdict], item: impl Fn(&Verdict) -> String) {
    let list = verdicts.iter().map(item).collect::<Vec<_>>().join(", ");
    if let Some(value) = HeaderValue::from_str(&list).ok().filter(|list| !list.is_empty()) {
        headers.insert(name, value);
    }
}

#[cfg(test)]
mod tests {
    use super::{Limit, RateLimits, sweep};
    use crate::access::{Access, ApiKey, Caller, Principal, Role, User};
    use crate::proxies::TrustedProxies;
    use crate::server::Connection;
    use axum::body::Body;
    use axum::extract::Request;
    use std::net::{IpAddr, Ipv4Addr};
    use std::sync::Arc;
    use uuid::Uuid;

    fn limits(address: u32, user: u32, key: u32) -> RateLimits {
        RateLimits {
            address: Limit::new("default", address),
            user: Limit::new("user", user),
            key: Limit::new("key", key),
            proxies: "10.0.0.1".parse().unwrap(),
        }
    }

    fn request(peer: &str, forwarded: &str) -> Request {
        let request = Request::get("/api/orders").header("x-forwarded-for", forwarded);
        let mut request = request.body(Body::empty()).unwrap();
        let connection = Connection::new(format!("{peer}:1").parse().unwrap(), None);
        request.extensions_mut().insert(Arc::new(connection));
        request
    }

    fn request_of(id: Uuid, key: Option<Uuid>) -> Request {
        let key = key.map(|id| ApiKey { id, scopes: ["a:b".to_owned()].into(), networks: Vec::new() });
        let user = User { id, session: None, roles: [Role::Customer].into(), authenticated_at: None, key };
        let principal = Principal::User(Arc::new(user));
        let scope = Access::SELF.with_scope("a:b").decide(&principal, false).unwrap();
        let mut request = request("198.51.100.1", "");
        request.extensions_mut().insert(Caller { principal, scope });
        request
    }

    fn left(limits: &RateLimits, request: &Request) -> Vec<(&'static str, Result<u32, u64>)> {
        let mut counted = limits.arrives(request);
        limits.is_let_in(request, &mut counted);
        counted.0.into_iter().map(|verdict| (verdict.name, verdict.taken)).collect()
    }

    #[test]
    fn each_client_has_its_own_share() {
        let limit = Limit::new("default", 2).unwrap();
        let (one, other) = (IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1)), IpAddr::V4(Ipv4Addr::new(10, 0, 0, 2)));
        let taken = [one, one, one, other].map(|client| limit.take(&client).taken);
        assert_eq!(taken, [Ok(1), Ok(0), Err(1), Ok(1)]);
    }

    #[test]
    fn people_and_keys_have_their_own_limits() {
        let limits = limits(0, 2, 3);
        let (ada, eve, key) = (Uuid::from_u128(1), Uuid::from_u128(2), Uuid::from_u128(3));
        assert_eq!(left(&limits, &request_of(ada, None)), [("user", Ok(1))]);
        assert_eq!(left(&limits, &request_of(ada, None)), [("user", Ok(0))]);
        assert_eq!(left(&limits, &request_of(ada, None)), [("user", Err(1))]);
        assert_eq!(left(&limits, &request_of(ada, Some(key))), [("key", Ok(2))], "a key does not use up its owner's");
        assert_eq!(left(&limits, &request_of(eve, None)), [("user", Ok(1))]);
        assert_eq!(left(&limits, &request("198.51.100.1", "")), [], "nobody is counted by address alone");
    }

    #[test]
    fn a_request_counts_for_its_address_and_its_caller() {
        let limits = limits(2, 1, 0);
        let ada = || request_of(Uuid::from_u128(1), None);
        assert_eq!(left(&limits, &ada()), [("default", Ok(1)), ("user", Ok(0))]);
        assert_eq!(left(&limits, &ada()), [("default", Ok(0)), ("user", Err(1))]);
    }

    #[test]
    fn only_calls_of_the_api_are_counted() {
        let limits = limits(1, 1, 1);
        for path in ["/health/ready", "/metrics", "/", "/internal/codes/1/take"] {
            let mut request = request_of(Uuid::from_u128(1), None);
            *request.uri_mut() = path.parse().unwrap();
            assert_eq!(left(&limits, &request), [], "{path}");
        }
    }

    #[test]
    fn clients_behind_a_proxy_are_told_apart() {
        let limits = limits(2, 0, 0);
        let client = |peer: &str, forwarded: &str| limits.address_of(&request(peer, forwarded)).to_string();
        assert_eq!(client("10.0.0.1", "198.51.100.1"), "198.51.100.1");
        assert_eq!(client("10.0.0.1", "1.1.1.1, 198.51.100.1"), "198.51.100.1");
        assert_eq!(client("10.0.0.2", "198.51.100.1"), "10.0.0.2", "a proxy that is not known is a client");
        assert_eq!(client("10.0.0.1", "2001:db8:1:2:3:4:5:6"), "2001:db8:1:2::");
    }

    #[test]
    fn quiet_clients_are_forgotten() {
        // A thousandth of a second without a request, and a client has its whole share again.
        let limit = Limit::new("default", 1000).unwrap();
        for last in 0..200 {
            limit.take(&IpAddr::V4(Ipv4Addr::new(198, 51, 100, last))).taken.unwrap();
        }
        while !limit.limiter.is_empty() {
            sweep(&limit.limiter);
        }
    }

    #[test]
    fn without_a_setting_nothing_is_limited() {
        let none = RateLimits { proxies: TrustedProxies::default(), ..limits(0, 0, 0) };
        assert!(none.address.is_none() && none.user.is_none() && none.key.is_none());
        assert_eq!(left(&none, &request_of(Uuid::from_u128(1), None)), []);
    }
}
