//! All SQL of inventory-service, checked against the schema when it is compiled.

pub mod invariants;
pub mod movements;
pub mod products;
pub mod reservations;
