//! Hashing beside the requests: on few threads, with a queue that has an end.

use super::config::Config;
use super::domain::{Password, PersonalWords, weakness};
use super::hashing;
use secrecy::{ExposeSecret, SecretString};
use service_kit::fault::Fault;
use service_kit::validation::FieldErrors;
use std::sync::Arc;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Log-ins that wait for their turn; more are refused with 503.
const QUEUE: usize = 64;

/// Why a password was not hashed.
#[derive(Debug, thiserror::Error)]
pub enum Unhashed {
    /// It is guessed too easily; why, in words.
    #[error("{0}")]
    Weak(String),
    /// Too many wait.
    #[error("too many log-ins at once; try again")]
    Busy,
    /// The hash could not be made.
    #[error("a password could not be hashed")]
    Failed,
}

impl Unhashed {
    /// The error of a request that had the password in this field.
    pub fn in_field(self, field: &str) -> Fault {
        match self {
            Self::Weak(reason) => FieldErrors::one(field, reason).into(),
            Self::Busy => Fault::Overloaded("too many log-ins at once; try again"),
            Self::Failed => Fault::Overloaded("a password could not be hashed; try again"),
        }
    }
}

impl From<Unhashed> for Fault {
    fn from(unhashed: Unhashed) -> Self {
        unhashed.in_field("password")
    }
}

/// The module's part of the application state.
#[derive(Debug)]
pub struct Passwords {
    shortest: u8,
    shop: String,
    places: Arc<Semaphore>,
    turns: Arc<Semaphore>,
}

impl Passwords {
    /// Nothing is hashed yet.
    pub fn new(config: &Config) -> Self {
        Self {
            shortest: config.password_min_length,
            shop: config.shop_name.clone(),
            places: Arc::new(Semaphore::new(QUEUE + config.at_once())),
            turns: Arc::new(Semaphore::new(config.at_once())),
        }
    }

    /// Characters that a password has at the least.
    pub fn shortest(&self) -> u8 {
        self.shortest
    }

    /// Refuses a password that is guessed too easily by who knows these words.
    pub async fn check(&self, password: &Password, words: PersonalWords) -> Result<(), Unhashed> {
        let (password, shop) = (password.clone(), self.shop.clone());
        let weakness = self.in_turn(move || weakness(&password, &words, &shop)).await?;
        weakness.map_or(Ok(()), |reason| Err(Unhashed::Weak(reason)))
    }

    /// The hash of a password, to be kept.
    pub async fn hash(&self, password: &Password) -> Result<SecretString, Unhashed> {
        let password = password.clone();
        self.in_turn(move || hashing::hash(&password)).await?.map(SecretString::from).map_err(|_| Unhashed::Failed)
    }

    /// Whether it is the password that is kept. It takes as long where none is.
    pub async fn matches(&self, password: &Password, kept: Option<SecretString>) -> Result<bool, Unhashed> {
        let password = password.clone();
        self.in_turn(move || hashing::matches(&password, kept.as_ref().map(ExposeSecret::expose_secret))).await
    }

    /// Works on a thread of its own when it is its turn. The turn ends with the work, not with the request: a client that
    /// hangs up does not make room for more than may run at once.
    async fn in_turn<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T, Unhashed> {
        let place = self.places.clone().try_acquire_owned().map_err(|_| Unhashed::Busy)?;
        let turn = self.turns.clone().acquire_owned().await.map_err(|_| Unhashed::Busy)?;
        let permits: (OwnedSemaphorePermit, OwnedSemaphorePermit) = (place, turn);
        let working = tokio::task::spawn_blocking(move || {
            let done = work();
            drop(permits);
            done
        });
        working.await.map_err(|_| Unhashed::Failed)
    }
}

#[cfg(test)]
mod tests {
    use super::{Passwords, QUEUE, Unhashed};
    use crate::passwords::Config;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::mpsc;

    fn passwords() -> Arc<Passwords> {
        let config = Config { password_min_length: 15, password_hashes_at_once: Some(2), shop_name: String::new() };
        Arc::new(Passwords::new(&config))
    }

    #[tokio::test]
    async fn no_more_than_their_number_work_at_once_and_the_queue_has_an_end() {
        let passwords = passwords();
        let (most, now) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let (go, gate) = mpsc::channel::<()>();
        let gate = Arc::new(std::sync::Mutex::new(gate));
        let work = || {
            let (passwords, most, now, gate) = (passwords.clone(), most.clone(), now.clone(), gate.clone());
            async move {
                passwords
                    .in_turn(move || {
                        let working = now.fetch_add(1, Ordering::SeqCst) + 1;
                        most.fetch_max(working, Ordering::SeqCst);
                        gate.lock().unwrap().recv().unwrap();
                        now.fetch_sub(1, Ordering::SeqCst);
                    })
                    .await
            }
        };
        let waiting: Vec<_> = (0..QUEUE + 2).map(|_| tokio::spawn(work())).collect();
        while passwords.places.available_permits() > 0 {
            tokio::task::yield_now().await;
        }
        assert!(matches!(work().await, Err(Unhashed::Busy)), "the queue is full");
        for _ in &waiting {
            go.send(()).unwrap();
        }
        for done in waiting {
            done.await.unwrap().unwrap();
        }
        assert!(most.load(Ordering::SeqCst) <= 2);
        assert_eq!(passwords.places.available_permits(), QUEUE + 2);
    }

    #[tokio::test]
    async fn a_turn_ends_with_the_work_also_where_nobody_waits_for_it() {
        let passwords = passwords();
        let (go, gate) = mpsc::channel::<()>();
        let (began, beginning) = tokio::sync::oneshot::channel();
        let request = tokio::spawn({
            let passwords = passwords.clone();
            async move {
                let work = move || {
                    began.send(()).unwrap();
                    gate.recv().unwrap();
                };
                passwords.in_turn(work).await
            }
        });
        beginning.await.unwrap();
        request.abort();
        assert!(request.await.unwrap_err().is_cancelled());
        assert_eq!(passwords.turns.available_permits(), 1, "the thread still works");
        go.send(()).unwrap();
        while passwords.turns.available_permits() < 2 {
            tokio::task::yield_now().await;
        }
    }
}
