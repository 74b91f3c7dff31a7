//! A payment provider on loopback: speaks Stripe's protocol, keeps a ledger of its own, and notes every breach of the protocol.
//!
//! For laptops, where `cargo xtask up` starts it, and for tests, which plan faults and decide when webhooks arrive. It never
//! moves real money and never talks to anybody but the shop. Its only means of payment are Stripe's test tokens.

pub mod faults;
mod form;
pub mod hooks;
mod keys;
pub mod ledger;
mod stripe;

use faults::{Fault, Faults};
use hooks::Happened;
use keys::Keys;
use ledger::{Intent, Ledger, Refund};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// How a sandbox is set up.
#[derive(Clone, Debug)]
pub struct Options {
    /// Where it listens.
    pub address: SocketAddr,
    /// The secret key that shops show.
    pub key: String,
    /// Where webhooks go at once; without it they wait for [`Sandbox::happened`].
    pub webhook: Option<Webhook>,
    /// Where the ledger is kept over a restart.
    pub file: Option<PathBuf>,
}

/// Where webhooks go.
#[derive(Clone, Debug)]
pub struct Webhook {
    /// The URL.
    pub url: String,
    /// The secret that signs them.
    pub secret: String,
}

/// A running sandbox. Ends when dropped.
#[derive(Debug)]
pub struct Sandbox {
    address: SocketAddr,
    shared: Arc<Shared>,
    running: JoinHandle<()>,
}

#[derive(Debug)]
pub(crate) struct Shared {
    options: Options,
    base: String,
    state: Mutex<State>,
    http: reqwest::Client,
}

#[derive(Debug, Default)]
pub(crate) struct State {
    ledger: Ledger,
    keys: Keys,
    faults: Faults,
    breaches: Vec<String>,
    happened: Vec<Happened>,
    events: u64,
}

/// Why a sandbox does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The port or the file.
    #[error(transparent)]
    Io(#[from] std::io::Error),
    /// The ledger cannot be read.
    #[error("the ledger cannot be read: {0}")]
    Ledger(#[from] serde_json::Error),
    /// The client for webhooks.
    #[error(transparent)]
    Client(#[from] reqwest::Error),
}

/// Seconds since 1970.
pub(crate) fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map(|since| since.as_secs()).unwrap_or_default()
}

impl Sandbox {
    /// Starts it.
    pub async fn start(options: Options) -> Result<Self, StartError> {
        let ledger = match options.file.as_deref().map(std::fs::read) {
            Some(Ok(kept)) => serde_json::from_slice(&kept)?,
            _ => Ledger::default(),
        };
        let listener = TcpListener::bind(options.address).await?;
        let address = listener.local_addr()?;
        let state = Mutex::new(State { ledger, ..State::default() });
        let (base, http) = (format!("http://{address}"), http_client::client().build()?);
        let shared = Arc::new(Shared { options, base, state, http });
        let routes = stripe::routes(Arc::clone(&shared));
        let running = tokio::spawn(async move {
            let _ended = axum::serve(listener, routes).await;
        });
        Ok(Self { address, shared, running })
    }

    /// Waits until it ends, which it does not by itself.
    pub async fn ended(mut self) {
        let _ended = (&mut self.running).await;
    }

    /// For `STRIPE_URL`.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// What it knows, as it is now.
    pub fn ledger(&self) -> Ledger {
        self.shared.lock().ledger.clone()
    }

    /// What was wrong with the calls so far.
    pub fn breaches(&self) -> Vec<String> {
        self.shared.lock().breaches.clone()
    }

    /// The next call whose `METHOD /path` begins so meets this fault.
    pub fn plan(&self, call: &str, fault: Fault) {
        self.shared.lock().faults.plan(call, fault);
    }

    /// Forgets every idempotency key, as the provider does after a day.
    pub fn prune_keys(&self) {
        self.shared.lock().keys.prune();
    }

    /// What has happened since this was last asked, oldest first.
    pub fn happened(&self) -> Vec<Happened> {
        std::mem::take(&mut self.shared.lock().happened)
    }

    /// The customer pays, at the provider's page.
    pub fn pays(&self, intent: &str, payment_method: &str) -> Result<Intent, ledger::Refusal> {
        self.shared.change(|ledger| ledger.confirm(intent, payment_method)).map(|(intent, _)| intent)
    }

    /// The customer says yes or no at the page of their bank.
    pub fn acts(&self, intent: &str, succeeds: bool) -> Result<Intent, ledger::Refusal> {
        self.shared.change(|ledger| ledger.act(intent, succeeds)).map(|(intent, _)| intent)
    }

    /// Somebody gives money back in the provider's dashboard.
    pub fn refunds(&self, intent: &str, amount: Option<u64>) -> Result<Refund, ledger::Refusal> {
        self.shared.lock().ledger.refund(intent, amount, std::collections::BTreeMap::new(), now())
    }

    /// A refund that succeeded fails after all.
    pub fn refund_fails(&self, refund: &str) -> Result<Refund, ledger::Refusal> {
        self.shared.lock().ledger.fail_refund(refund)
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        self.running.abort();
    }
}

impl Shared {
    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes a payment, and tells of it.
    pub(crate) fn change(
        &self,
        change: impl FnOnce(&mut Ledger) -> Result<Intent, ledger::Refusal>,
    ) -> Result<(Intent, serde_json::Value), ledger::Refusal> {
        let mut state = self.lock();
        let outcome = change(&mut state.ledger);
        let about = match &outcome {
            Ok(intent) => Some(intent.clone()),
            Err(refusal) => refusal.intent.as_ref().and_then(|id| state.ledger.intent(id).ok().cloned()),
        };
        if let Some(intent) = about {
            let shown = intent.shown(&self.base);
            self.tell(&mut state, kind(&intent), &shown);
        }
        drop(state);
        self.keep();
        outcome.map(|intent| {
            let shown = intent.shown(&self.base);
            (intent, shown)
        })
    }

    /// Notes that something happened, and sends it where webhooks go at once.
    pub(crate) fn tell(&self, state: &mut State, kind: &str, object: &serde_json::Value) {
        state.events += 1;
        let happened = hooks::event(now() * 1000 + state.events, kind, object, now());
        let Some(Webhook { url, secret }) = &self.options.webhook else {
            state.happened.push(happened);
            return;
        };
        let signature = hooks::signature(secret, now(), &happened.body);
        let call = self.http.post(url).header("stripe-signature", signature).body(happened.body);
        let call = call.header("content-type", "application/json");
        // Once: the shop looks by itself where it hears nothing.
        tokio::spawn(async move { call.send().await.map(drop) });
    }

    /// Writes the ledger down, where it is kept.
    pub(crate) fn keep(&self) {
        let Some(file) = &self.options.file else { return };
        let Ok(text) = serde_json::to_vec(&self.lock().ledger) else { return };
        let new = file.with_extension("new");
        let _kept = std::fs::write(&new, text).and_then(|()| std::fs::rename(&new, file));
    }

    pub(crate) fn key(&self) -> &str {
        &self.options.key
    }

    pub(crate) fn base(&self) -> &str {
        &self.base
    }
}

fn kind(intent: &Intent) -> &'static str {
    use ledger::Status;
    match intent.status {
        Status::RequiresPaymentMethod if intent.decline.is_some() => "payment_intent.payment_failed",
        Status::RequiresPaymentMethod => "payment_intent.created",
        Status::RequiresAction => "payment_intent.requires_action",
        Status::RequiresCapture => "payment_intent.amount_capturable_updated",
        Status::Succeeded => "payment_intent.succeeded",
        Status::Canceled => "payment_intent.canceled",
    }
}
