//! Holding stock and settling what becomes of it, for many reservations in a fixed number of statements.
//!
//! Why no two transactions can wait for each other in a circle. There are two ways to take locks:
//!
//! * [`reserve`] locks products, in the order of their ids. Only then does it write reservations: one that is held
//!   anew is locked without waiting, new ones are inserted in the order of their ids, where it may wait for another
//!   `reserve` that inserts the same one.
//! * [`change`] locks reservations, in the order of their ids, and then products, in the order of theirs. [`commit`] does the
//!   first half.
//!
//! Whoever waits for a reservation's row in `change` holds no product yet, so no `reserve` waits for it. Whoever
//! waits for a product waits for one with a lower place in the order, or for a transaction that has all its products
//! and can at the most wait for an insert; and inserts wait for each other in the order of their ids.

mod change;
mod commit;
mod reserve;
mod sell;
mod ship;

pub use change::{change, moved_by_change};
pub use commit::{commit, refuse};
pub use reserve::{Duplicates, HoldOutcome, reserve};
pub use sell::sell;
pub use ship::ship;
