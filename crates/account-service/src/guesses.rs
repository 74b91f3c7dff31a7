//! Guessing passwords is made slow, without letting a stranger lock a customer out.
//!
//! A try is counted before its password is compared (`claim`), so that many at once are not free. `NetworkLimits` bounds
//! what one network may ask for, whichever accounts it names.

mod config;
mod domain;
mod limits;
mod networks;
mod store;

pub use config::Config;
pub use domain::Guesser;
pub use limits::{Kind, NetworkLimits, too_many};
pub use networks::{guesser_at, network_of};
pub use store::{Claim, claim, forget_account, forget_old, succeeded};
