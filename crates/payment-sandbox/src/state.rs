//! What a sandbox knows, behind one lock, and how a change of it is written down and told.

use crate::faults::Faults;
use crate::frame::Call;
use crate::hooks::{Happened, Provider, Webhooks, deliver};
use crate::journal::{Journal, Record};
use crate::keys::Keys;
use crate::{Options, razorpay, stripe};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::runtime::Handle;
use tokio::sync::Notify;

/// A call that a shop made.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Called {
    /// `POST /v1/refunds`
    pub call: String,
    /// Its idempotency key.
    pub key: Option<String>,
    /// Its body.
    pub body: String,
    /// The status it was answered with; none while it was not answered.
    pub status: Option<u16>,
}

#[derive(Debug)]
pub(crate) struct State {
    pub stripe: stripe::ledger::Ledger,
    pub razorpay: razorpay::ledger::Ledger,
    pub keys: Keys,
    pub faults: Faults,
    pub breaches: Vec<String>,
    pub happened: Vec<Happened>,
    pub called: Vec<Called>,
    pub held: usize,
    pub webhooks: Option<Webhooks>,
    pub journal: Option<Journal>,
    records: Vec<Record>,
    prints: bool,
}

#[derive(Debug)]
pub(crate) struct Shared {
    pub options: Options,
    pub http: reqwest::Client,
    pub released: Notify,
    runtime: Handle,
    state: Mutex<State>,
}

impl State {
    pub(crate) fn new(options: &Options, base: String) -> Self {
        Self {
            stripe: stripe::ledger::Ledger::new(base),
            razorpay: razorpay::ledger::Ledger::default(),
            keys: Keys::default(),
            faults: Faults::default(),
            breaches: Vec::new(),
            happened: Vec::new(),
            called: Vec::new(),
            held: 0,
            webhooks: options.webhooks.clone(),
            journal: None,
            records: Vec::new(),
            prints: options.is_program,
        }
    }

    /// Notes what no shop should do.
    pub(crate) fn breach(&mut self, text: &str) {
        if self.prints {
            eprintln!("breach: {text}");
        } else {
            self.breaches.push(text.to_owned());
        }
    }

    /// Keeps the answer to a call under its key.
    pub(crate) fn keep(&mut self, provider: Provider, name: &str, status: u16, body: &str) {
        self.records.extend(self.keys.answered(provider, name, status, body).map(Record::Key));
    }

    /// Takes in what a journal has.
    pub(crate) fn load(&mut self, record: Record) {
        match record {
            Record::Intent(it) => drop(self.stripe.intents.insert(it.id.clone(), it)),
            Record::StripeRefund(it) => self.stripe.load_refund(it),
            Record::Dispute(it) => drop(self.stripe.disputes.insert(it.id.clone(), it)),
            Record::Order(it) => self.razorpay.load_order(it),
            Record::Payment(it) => self.razorpay.load_payment(it),
            Record::RazorpayRefund(it) => drop(self.razorpay.refunds.insert(it.id.clone(), it)),
            Record::Key(it) => self.keys.load(it),
        }
    }

    /// Everything, for a new journal.
    pub(crate) fn records(&self) -> Vec<Record> {
        let (stripe, razorpay) = (&self.stripe, &self.razorpay);
        let intents = stripe.intents.values().cloned().map(Record::Intent);
        let refunds = stripe.refunds.values().cloned().map(Record::StripeRefund);
        let disputes = stripe.disputes.values().cloned().map(Record::Dispute);
        let orders = razorpay.orders.values().cloned().map(Record::Order);
        let payments = razorpay.payments.values().cloned().map(Record::Payment);
        let returned = razorpay.refunds.values().cloned().map(Record::RazorpayRefund);
        let keys = self.keys.all().cloned().map(Record::Key);
        intents.chain(refunds).chain(disputes).chain(orders).chain(payments).chain(returned).chain(keys).collect()
    }

    /// Makes everything older by this many seconds.
    pub(crate) fn age(&mut self, by: u64) {
        let (stripe, razorpay) = (&mut self.stripe, &mut self.razorpay);
        let stripes = stripe.intents.values_mut().map(|it| &mut it.created);
        let stripes = stripes.chain(stripe.refunds.values_mut().map(|it| &mut it.created));
        let orders = razorpay.orders.values_mut().map(|it| &mut it.created_at);
        let payments = razorpay.payments.values_mut().map(|it| &mut it.created_at);
        let refunds = razorpay.refunds.values_mut().map(|it| &mut it.created_at);
        stripes.chain(orders).chain(payments).chain(refunds).for_each(|created| *created = created.saturating_sub(by));
        self.keys.age(by);
    }
}

impl Shared {
    pub(crate) fn new(options: Options, http: reqwest::Client, state: State) -> Self {
        let (runtime, released) = (Handle::current(), Notify::new());
        Self { options, http, released, runtime, state: Mutex::new(state) }
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the ledgers. What changed is written down before anybody hears of it, and then told.
    pub(crate) fn change<T>(self: &Arc<Self>, change: impl FnOnce(&mut State) -> T) -> T {
        let mut state = self.lock();
        let outcome = change(&mut state);
        let (stripe, razorpay) = (state.stripe.news(), state.razorpay.news());
        let mut records = std::mem::take(&mut state.records);
        records.extend(stripe.records.into_iter().chain(razorpay.records));
        let written = match &mut state.journal {
            Some(journal) if !records.is_empty() => journal.add(&records),
            _ => Ok(()),
        };
        if let Err(error) = written {
            state.breach(&format!("the ledger cannot be written: {error}"));
        }
        for happened in stripe.happened.into_iter().chain(razorpay.happened) {
            match state.webhooks.clone() {
                Some(to) => drop(self.runtime.spawn(deliver(Arc::clone(self), to, happened))),
                None => state.happened.push(happened),
            }
        }
        for record in records {
            if let Record::StripeRefund(refund) = record {
                self.settle_later(&state, &refund);
            }
        }
        outcome
    }

    /// Lets a refund end as its card wants it, where that comes by itself.
    pub(crate) fn settle_later(self: &Arc<Self>, state: &State, refund: &stripe::Refund) {
        let Some(time) = self.options.refunds_settle_after.filter(|_| state.stripe.is_unsettled(refund)) else {
            return;
        };
        let (shared, id) = (Arc::clone(self), refund.id.clone());
        self.runtime.spawn(async move {
            tokio::time::sleep(time).await;
            shared.change(|state| state.stripe.settle_refund(&id).map(drop))
        });
    }

    /// Waits until the test lets it go on.
    pub(crate) async fn hold(&self) {
        let released = self.released.notified();
        self.lock().held += 1;
        released.await;
        self.lock().held -= 1;
    }

    /// Notes a call with what is wrong with it; gives its number.
    pub(crate) fn arrived(&self, call: &Call, key: Option<String>, breaches: &[String]) -> usize {
        let mut state = self.lock();
        let what = call.what();
        breaches.iter().for_each(|breach| state.breach(&format!("{what}: {breach}")));
        // A program would only ever collect them.
        if !self.options.is_program {
            let body = String::from_utf8_lossy(&call.body).into_owned();
            state.called.push(Called { call: what, key, body, status: None });
        }
        state.called.len()
    }

    /// Notes the answer to the call with this number.
    pub(crate) fn answered(&self, number: usize, status: u16) {
        let mut state = self.lock();
        if let Some(called) = number.checked_sub(1).and_then(|index| state.called.get_mut(index)) {
            called.status = Some(status);
        }
    }

    /// Says something to the person at the terminal.
    pub(crate) fn print(&self, text: &str) {
        if self.options.is_program {
            eprintln!("{text}");
        }
    }
}
