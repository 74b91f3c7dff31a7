//! All SQL of the service. Every function takes the connection or transaction of its caller.

pub mod invariants;
pub mod notifications;
pub mod orders;
