//! Reservations: what is asked for, whether it can be held, and what may become of it.

pub mod ages;
pub mod batches;
pub mod changes;
pub mod holds;
pub mod requests;
pub mod settling;
