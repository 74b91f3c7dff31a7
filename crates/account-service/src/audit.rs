//! What was done to whose account, by whom: entries that stay, each chained to the one before.
//!
//! A command writes its entry with `record`, as the last statement of its transaction: until it ends, other entries wait.

mod config;
mod domain;
mod store;

pub use config::Config;
pub use domain::{Action, Actor, Entry};
pub use store::invariants::INVARIANTS;
pub use store::ranges::PARTITIONED;
pub use store::{list, record};
