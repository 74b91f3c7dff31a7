//! The stock of every product: how much there is, what moved it and why, and when it is low.
//!
//! Others may call what is named here by `pub use`. The level of a product stands in its row of `inventory.products`, so
//! that one lock guards both; nobody changes it but together with a movement.

mod commands;
mod config;
mod documented;
mod domain;
mod error;
mod store;

pub use commands::{add, announce_crossing, count, reduce};
pub use config::Config;
pub use documented::InsufficientStock;
pub use domain::counting::{CountBody, StockOnHand};
pub use domain::levels::{MAX_STOCK, Shortage, fits_on_hand, is_low};
pub use domain::movements::{API, Movement, MovementColumns, MovementReason, NewMovement, StockChangeBody};
pub use error::{Error, insufficient_stock};
pub use store::invariants::INVARIANTS;
pub use store::ranges::PARTITIONED;
pub use store::{LockedLevel, list_movements, lock_levels, record, unreserve};
