//! A payment provider on loopback: speaks the protocols of Stripe and Razorpay, keeps a ledger of its own for each, and
//! notes every breach of them.
//!
//! For laptops, where `cargo xtask up` starts it, and for tests, which plan faults and decide when webhooks arrive. It
//! moves no real money and calls nobody but the shop. Its only means of payment are the test tokens of both providers.

#![warn(missing_docs)]

pub mod faults;
mod frame;
pub mod hooks;
mod journal;
mod keys;
mod news;
mod pages;
pub mod razorpay;
mod server;
mod state;
pub mod stripe;

pub use faults::Fault;
pub use hooks::{Happened, Provider, Webhooks};
pub use state::Called;
pub(crate) use state::{Shared, State};

use journal::Journal;
use serde::Serialize;
use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// How a sandbox is set up. By default it has a free port of the loopback address, and webhooks wait for
/// [`Sandbox::happened`].
#[derive(Clone, Debug)]
pub struct Options {
    /// Where it listens.
    pub address: SocketAddr,
    /// The secret key that shops show to Stripe.
    pub stripe_secret_key: String,
    /// The key that browsers show to Stripe.
    pub stripe_publishable_key: String,
    /// The user that shops show to Razorpay.
    pub razorpay_key_id: String,
    /// The password that shops show to Razorpay. It also signs what browsers bring back to the shop.
    pub razorpay_key_secret: String,
    /// Where webhooks go at once.
    pub webhooks: Option<Webhooks>,
    /// Where the ledgers are kept over a restart.
    pub file: Option<PathBuf>,
    /// After this long refunds of `pm_card_refundFail` fail and those of `pm_card_refundPending` succeed; else on command.
    pub refunds_settle_after: Option<Duration>,
    /// Prints breaches instead of collecting them, and collects no calls.
    pub is_program: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            address: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            stripe_secret_key: "sk_test_sandbox".to_owned(),
            stripe_publishable_key: "pk_test_sandbox".to_owned(),
            razorpay_key_id: "rzp_test_sandbox".to_owned(),
            razorpay_key_secret: "sandbox-secret".to_owned(),
            webhooks: None,
            file: None,
            refunds_settle_after: None,
            is_program: false,
        }
    }
}

/// Money in hundredths.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize)]
pub struct Totals {
    /// Taken from the customer.
    pub captured: u64,
    /// Given back of that.
    pub refunded: u64,
}

/// A running sandbox. Ends when dropped.
#[derive(Debug)]
pub struct Sandbox {
    address: SocketAddr,
    shared: Arc<Shared>,
    running: Mutex<Option<JoinHandle<()>>>,
}

/// Why a sandbox does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The port or the file.
    #[error(transparent)]
    Io(#[from] std::io::Error),
    /// The file holds something else.
    #[error("the ledger cannot be read: {0}")]
    Ledger(#[from] serde_json::Error),
    /// The client for webhooks.
    #[error(transparent)]
    Client(#[from] reqwest::Error),
}

/// Seconds since 1970.
pub fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map(|since| since.as_secs()).unwrap_or_default()
}

impl Sandbox {
    /// Starts it.
    pub async fn start(options: Options) -> Result<Self, StartError> {
        let listener = TcpListener::bind(options.address).await?;
        let address = listener.local_addr()?;
        let mut state = State::new(&options, format!("http://{address}"));
        if let Some(file) = &options.file {
            let journal = Journal::open(file, &mut state)?;
            state.journal = Some(journal);
        }
        let http = http_client::client().timeout(Duration::from_secs(10)).build()?;
        let shared = Arc::new(Shared::new(options, http, state));
        {
            let state = shared.lock();
            state.stripe.refunds.values().for_each(|refund| shared.settle_later(&state, refund));
        }
        let running = Mutex::new(Some(tokio::spawn(server::serve(listener, Arc::clone(&shared)))));
        Ok(Self { address, shared, running })
    }

    /// Its URL, for `STRIPE_URL` and `RAZORPAY_URL`.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// What the customers, the banks and the dashboard of Stripe do, and what its ledger has.
    pub fn stripe(&self) -> stripe::Stripe<'_> {
        stripe::Stripe(&self.shared)
    }

    /// What the customers, the banks and the dashboard of Razorpay do, and what its ledger has.
    pub fn razorpay(&self) -> razorpay::Razorpay<'_> {
        razorpay::Razorpay(&self.shared)
    }

    /// What both providers took, and gave back of that, under each reference of the shop: Stripe's `metadata[reference]`,
    /// Razorpay's receipt, and the provider's id where there is none. References without money are left out.
    pub fn all_totals(&self) -> BTreeMap<String, Totals> {
        all_totals(&self.shared)
    }

    /// The part of [`Self::all_totals`] of one reference.
    pub fn totals(&self, reference: &str) -> Totals {
        self.all_totals().remove(reference).unwrap_or_default()
    }

    /// Every reference under which a provider took money.
    pub fn references(&self) -> Vec<String> {
        self.all_totals().into_keys().collect()
    }

    /// What was wrong with the calls so far.
    pub fn breaches(&self) -> Vec<String> {
        self.shared.lock().breaches.clone()
    }

    /// Fails the test where a call was not as the provider wants it.
    #[track_caller]
    pub fn assert_no_breach(&self) {
        assert_eq!(self.breaches(), Vec::<String>::new());
    }

    /// Every call that showed a right key, in the order in which they came.
    pub fn called(&self) -> Vec<Called> {
        self.shared.lock().called.clone()
    }

    /// The next call whose `METHOD /path` begins so meets this fault.
    pub fn plan(&self, call: &str, fault: Fault) {
        self.shared.lock().faults.plan(call, fault);
    }

    /// Every call whose `METHOD /path` begins so meets this fault, until [`Self::clear_faults`].
    pub fn always(&self, call: &str, fault: Fault) {
        self.shared.lock().faults.always(call, fault);
    }

    /// No call meets a fault from now on. Calls that are held stay so.
    pub fn clear_faults(&self) {
        self.shared.lock().faults.clear();
    }

    /// How many calls wait for [`Self::release`].
    pub fn held(&self) -> usize {
        self.shared.lock().held
    }

    /// Lets all calls go on that are held.
    pub fn release(&self) {
        self.shared.released.notify_waiters();
    }

    /// Refuses connections from now on, and cuts those that there are. Calls under way take effect.
    pub async fn close(&self) {
        let running = self.running.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(running) = running {
            running.abort();
            let _ended = running.await;
        }
    }

    /// Takes connections again, on the same port.
    pub async fn open(&self) -> Result<(), StartError> {
        self.close().await;
        let listener = TcpListener::bind(self.address).await?;
        let running = tokio::spawn(server::serve(listener, Arc::clone(&self.shared)));
        *self.running.lock().unwrap_or_else(PoisonError::into_inner) = Some(running);
        Ok(())
    }

    /// Forgets every idempotency key that has its answer, as a provider may after a day.
    pub fn prune_keys(&self) {
        self.shared.lock().keys.prune();
    }

    /// Makes everything in the ledgers, and all keys, older by this long.
    pub fn ages(&self, by: Duration) {
        self.shared.lock().age(by.as_secs());
    }

    /// What has happened since this was last asked, oldest first, unless webhooks go out at once.
    pub fn happened(&self) -> Vec<Happened> {
        std::mem::take(&mut self.shared.lock().happened)
    }

    /// Delivers what happens from now on at once, or collects it.
    pub fn deliver_to(&self, webhooks: Option<Webhooks>) {
        self.shared.lock().webhooks = webhooks;
    }
}

fn all_totals(shared: &Arc<Shared>) -> BTreeMap<String, Totals> {
    let mut all = stripe::Stripe(shared).all_totals();
    for (reference, totals) in razorpay::Razorpay(shared).all_totals() {
        let sum = all.entry(reference).or_default();
        sum.captured += totals.captured;
        sum.refunded += totals.refunded;
    }
    all
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        if let Some(running) = self.running.lock().unwrap_or_else(PoisonError::into_inner).take() {
            running.abort();
        }
    }
}
