//! One issuer and its keys, as far as they are known.

use super::config::{AuthConfig, KeySource};
use super::fault::{Flaw, TokenFault};
use super::fetch;
use super::keys::{Key, KeySet};
use crate::config::ConfigError;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use time::OffsetDateTime;
use tokio::sync::{Notify, watch};

/// How often an unknown `kid` may make us ask the issuer, however many come.
pub(super) const ASK_AGAIN: Duration = Duration::from_secs(30);

/// Whoever signs tokens.
#[derive(Debug)]
pub(super) struct Issuer {
    /// Its `iss`, to the letter.
    pub name: String,
    pub source: KeySource,
    /// How long its keys are good for after they were fetched, in seconds.
    keep: i64,
    state: Mutex<State>,
    /// Somebody brought a `kid` that is not known.
    pub wanted: Notify,
    /// Counts the fetches, failed ones too.
    fetches: watch::Sender<u64>,
}

#[derive(Debug, Default)]
struct State {
    keys: Arc<KeySet>,
    /// Seconds since 1970.
    fetched_at: Option<i64>,
    token_endpoint: Option<String>,
    asked: Asked,
}

/// Whether a fetch for an unknown `kid` is due.
#[derive(Clone, Copy, Debug, Default)]
enum Asked {
    /// The next one is.
    #[default]
    LongAgo,
    /// It is under way.
    Now,
    /// Not until some time has passed.
    At(Instant),
    /// None ever is: this service is the issuer, and has every key.
    Never,
}

impl Issuer {
    pub fn new(name: &str, source: KeySource, keep: i64) -> Arc<Self> {
        let (state, fetches) = (Mutex::default(), watch::Sender::new(0));
        Arc::new(Self { name: name.to_owned(), source, keep, state, wanted: Notify::new(), fetches })
    }

    /// The issuer of access tokens.
    pub fn of_users(config: &AuthConfig) -> Result<Option<Arc<Self>>, ConfigError> {
        let keep = config.keep_seconds();
        Ok(config.issuer()?.map(|(name, url)| {
            // So the age of keys that never come is known, too.
            tell_of_fetch(OffsetDateTime::now_utc().unix_timestamp());
            Self::new(name, KeySource::Issuer(url), keep)
        }))
    }

    /// The services that may call.
    pub fn of_services(config: &AuthConfig) -> Result<Vec<Arc<Self>>, ConfigError> {
        let keep = config.keep_seconds();
        let services = config.trusted_services.iter();
        let services = services.map(|service| {
            let issuer = Self::new(&service.name, service.keys.clone(), keep);
            if let KeySource::File(path) = &service.keys {
                let refused = |error| ConfigError {
                    variable: "TRUSTED_SERVICES",
                    reason: format!("{}: {error}", path.display()),
                };
                let keys = fetch::read_file(path).map_err(refused)?;
                issuer.set(keys, None, OffsetDateTime::now_utc().unix_timestamp());
            }
            Ok(issuer)
        });
        services.collect()
    }

    /// The key of that name. An unknown name makes the issuer be asked, once in [`ASK_AGAIN`] however many come, and whether
    /// the key exists is unknown until it has answered.
    pub fn key(&self, kid: &str, now: i64) -> Result<Key, TokenFault> {
        let mut state = self.state();
        if state.fetched_at.is_none_or(|at| now.saturating_sub(at) > self.keep) {
            return Err(TokenFault::Unknown);
        }
        if let Some(key) = state.keys.get(kid) {
            return Ok(key.clone());
        }
        match state.asked {
            Asked::Now => Err(TokenFault::Unknown),
            Asked::Never => Err(Flaw::Key.into()),
            Asked::At(at) if at.elapsed() < ASK_AGAIN => Err(Flaw::Key.into()),
            Asked::At(_) | Asked::LongAgo => {
                state.asked = Asked::Now;
                self.wanted.notify_one();
                Err(TokenFault::Unknown)
            }
        }
    }

    /// One of its keys was revoked: it is asked for the next one, however lately it was asked. Strangers with made-up keys
    /// could put that off otherwise.
    pub fn ask_anew(&self) {
        let mut state = self.state();
        if !matches!(state.asked, Asked::Never) {
            state.asked = Asked::Now;
            self.wanted.notify_one();
        }
    }

    /// Takes what was fetched at that time, in seconds since 1970.
    pub fn set(&self, keys: KeySet, token_endpoint: Option<String>, fetched_at: i64) {
        let mut state = self.state();
        state.keys = Arc::new(keys);
        state.fetched_at = Some(fetched_at);
        state.token_endpoint = token_endpoint.or(state.token_endpoint.take());
        drop(state);
        if matches!(self.source, KeySource::Issuer(_)) {
            tell_of_fetch(fetched_at);
        }
    }

    /// Takes the keys of the issuer that this service is itself, and where it exchanges API keys.
    pub fn set_own(&self, keys: KeySet, token_endpoint: String, now: i64) {
        self.set(keys, Some(token_endpoint), now);
        self.state().asked = Asked::Never;
    }

    /// A fetch has ended, well or not. One that failed has not told whether a key exists.
    pub fn fetched(&self, well: bool) {
        let mut state = self.state();
        if well && matches!(state.asked, Asked::Now) {
            state.asked = Asked::At(Instant::now());
        }
        drop(state);
        self.fetches.send_modify(|fetches| *fetches += 1);
    }

    /// To wait for the end of the next fetch.
    pub fn fetches(&self) -> watch::Receiver<u64> {
        self.fetches.subscribe()
    }

    /// Whether any keys are there.
    pub fn has_keys(&self) -> bool {
        self.state().fetched_at.is_some()
    }

    /// Where API keys are exchanged for tokens.
    pub fn token_endpoint(&self) -> Option<String> {
        self.state().token_endpoint.clone()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn tell_of_fetch(at: i64) {
    metrics::gauge!("auth_keys_fetched_timestamp_seconds").set(at as f64);
}
