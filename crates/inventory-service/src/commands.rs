//! Changes, each in the transaction of its caller: lock, decide, write, announce. None can reach the network.

pub mod products;
pub mod reservations;
pub mod stock;
