//! What was done to whose account, by whom: entries that stay, each chained to the one before.
//!
//! A command writes its entry with `record`, as the last statement of its transaction: until it ends, other entries wait.

mod domain;
mod store;

pub use domain::{Action, Actor, Entry};
pub use store::invariants::INVARIANTS;
pub use store::{list, record};
