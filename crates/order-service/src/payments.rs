//! Payments of orders: what is owed, taken and given back, and what each step of it was.
//!
//! Others may call what is named here by `pub use`. The module knows orders by their numbers only: `orders` locks an order,
//! has its money moved here, and moves the order on. So locks are taken in one order: the order, then its payment. Who takes
//! the money is asked by `providers`, never in a transaction: `commands` write down what is to be asked, and what came of it.

mod commands;
mod config;
mod domain;
mod error;
mod providers;
mod state;
mod store;
mod webhooks;

pub use commands::archived::note_archived;
pub use commands::ask::{announce, capture, capture_by_hand, close, try_means};
pub use commands::call_off::{call_off, void_by_hand as void};
pub use commands::collect::collect;
pub use commands::dispatch::{End, Next, end, next};
pub use commands::dispute::note_dispute;
pub use commands::held::Held;
pub use commands::open::{NewPayment, open, open_all};
pub use commands::reconcile::{Suspects, compare, compare_refunds, note_difference};
pub use commands::refund::{Refund, refund};
pub use commands::resolve::resolve;
pub use commands::review::review;
pub use commands::see::see;
pub use config::Config;
pub use domain::{
    AskedPayment, Capture, Cause, ConfirmPayment, DUE, Decision, Finding, FindingKind, LatestPayment, Method,
    OpenPayment, Operation, OperationKind, OperationStatus, OrderPaymentStatus, PROVIDER_ERROR, Payment, PaymentStatus,
    PaymentWithOperations, PlacePayment, Provider, Reconciled, ReconciledProvider, RefundPayment, RequestedPayment,
    ResolveFinding, ReviewPayment, Session, Shown, TakePayment, Trial, not_through,
};
pub use error::Error;
pub use providers::{Answer, Outcome};
pub use state::Payments;
pub use store::findings;
pub use store::invariants::INVARIANTS;
pub use store::measuring;
pub use store::queue;
pub use store::reconciling;
pub use store::{by_name, find, forget_events, insert_event, latest, of_order, operations_of, order_of, page};
pub use webhooks::{Told, Unheard};
