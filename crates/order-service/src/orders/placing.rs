//! Placing orders, at once or later, a batch at a time.

pub mod accepted;
pub mod accepting;
pub mod immediate;
pub mod requests;
