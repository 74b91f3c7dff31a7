//! Pure decisions: what is put in is parsed, what is asked for is decided. No I/O, no clock.

pub mod movements;
pub mod products;
pub mod reservations;
