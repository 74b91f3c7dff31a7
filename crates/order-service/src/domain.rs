//! Pure decisions: what a valid order is, what it costs, and until when it may be written.

pub mod notifications;
pub mod orders;
