//! How often one network may try, whatever it names. It holds for each instance by itself.

use super::config::Config;
use axum::http::StatusCode;
use governor::clock::{Clock, DefaultClock};
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};
use service_kit::problem::Problem;
use service_kit::proxies::one_client;
use std::net::IpAddr;
use std::num::NonZeroU32;

/// What is tried.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// Logging in.
    LogIn,
    /// Registering.
    Register,
    /// Asking for a code, or trying one.
    Code,
}

/// The limits of each kind, and what each network has used of them.
#[derive(Debug)]
pub struct NetworkLimits {
    log_in: DefaultKeyedRateLimiter<IpAddr>,
    register: DefaultKeyedRateLimiter<IpAddr>,
    code: DefaultKeyedRateLimiter<IpAddr>,
}

impl NetworkLimits {
    /// Nothing is used yet.
    pub fn new(config: &Config) -> Self {
        let limiter = |per_minute: NonZeroU32| RateLimiter::keyed(Quota::per_minute(per_minute));
        Self {
            log_in: limiter(config.logins_per_minute),
            register: limiter(config.registrations_per_minute),
            code: limiter(config.resets_per_minute),
        }
    }

    /// Takes one of the tries of the client's network, or says with 429 when there is one again.
    pub fn take(&self, kind: Kind, client: IpAddr) -> Result<(), Problem> {
        let limiter = match kind {
            Kind::LogIn => &self.log_in,
            Kind::Register => &self.register,
            Kind::Code => &self.code,
        };
        limiter.check_key(&one_client(client)).map_err(|refused| {
            let wait = refused.wait_time_from(DefaultClock::default().now()).as_secs() + 1;
            too_many(u32::try_from(wait).unwrap_or(60))
        })
    }

    /// Forgets networks that have been quiet.
    pub fn sweep(&self) {
        for limiter in [&self.log_in, &self.register, &self.code] {
            limiter.retain_recent();
            limiter.shrink_to_fit();
        }
    }
}

/// 429 with when to try again.
pub fn too_many(seconds: u32) -> Problem {
    let detail = format!("too many tries; the next is possible in {seconds} s");
    let mut problem = Problem::new(StatusCode::TOO_MANY_REQUESTS, "too-many-tries", "Too many tries", detail);
    problem.retry_after = Some(seconds);
    problem
}

#[cfg(test)]
mod tests {
    use super::{Kind, NetworkLimits};
    use crate::guesses::Config;
    use std::net::IpAddr;
    use std::num::NonZeroU32;

    #[test]
    fn each_network_has_its_tries_of_each_kind() {
        let two = NonZeroU32::new(2).unwrap();
        let limits = NetworkLimits::new(&Config {
            logins_per_minute: two,
            registrations_per_minute: two,
            resets_per_minute: two,
        });
        let (one, other): (IpAddr, IpAddr) = ("203.0.113.7".parse().unwrap(), "203.0.113.8".parse().unwrap());
        assert!(limits.take(Kind::LogIn, one).is_ok() && limits.take(Kind::LogIn, one).is_ok());
        let refused = limits.take(Kind::LogIn, one).unwrap_err();
        assert_eq!(refused.status, 429);
        assert!(refused.retry_after.is_some_and(|seconds| (1..=60).contains(&seconds)));
        assert!(limits.take(Kind::LogIn, other).is_ok() && limits.take(Kind::Register, one).is_ok());
    }
}
