//! What can be done to orders: each command takes the connection of its caller's transaction, the time and plain
//! data, so it cannot reach the network, and HTTP, consumers and jobs share it.

pub mod notifications;
pub mod orders;
