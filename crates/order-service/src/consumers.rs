//! What the service does about events of the other service, one file for each noun.

pub mod notifications;
pub mod reservations;
