//! Placing orders, at once or later, a batch at a time.

pub mod accepted;
pub mod accepting;
pub mod addresses;
pub mod immediate;
pub mod requests;
