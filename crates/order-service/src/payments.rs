//! Payments of orders: what is owed, taken and given back, and what each step of it was.
//!
//! Others may call what is named here by `pub use`. The module knows orders by their numbers only: `orders` locks an order,
//! has its money moved here, and moves the order on. So locks are taken in one order: the order, then its payment.

mod commands;
mod config;
mod domain;
mod error;
mod state;
mod store;

pub use commands::call_off::call_off;
pub use commands::collect::collect;
pub use commands::open::{NewPayment, open, open_all};
pub use commands::refund::{Refund, refund};
pub use config::Config;
pub use domain::{
    AskedPayment, CollectPayment, DUE, LatestPayment, Method, OpenPayment, Operation, OrderPaymentStatus, Payment,
    PaymentWithOperations, PlacePayment, RefundPayment,
};
pub use error::Error;
pub use state::Payments;
pub use store::invariants::INVARIANTS;
pub use store::{find, latest, of_order, operations_of, order_of};
