//! Orders: placing them at once or later, their statuses and their timeline.
//!
//! Others may call what is named here by `pub use`, and mount the module by `routes`, `consumers` and `jobs`. Stock is
//! not decided here but asked for, by `inventory`.

mod commands;
mod config;
mod consumers;
mod customer_keys;
mod domain;
mod error;
mod explain;
mod http;
mod inventory;
mod jobs;
mod measuring;
mod paying;
mod placing;
mod reads;
mod reconciling;
mod state;
mod store;

pub use config::Config;
pub use consumers::consumers;
pub use domain::Unsellable;
pub use http::routes;
pub use jobs::jobs;
pub use state::Orders;
pub use store::invariants::INVARIANTS;
pub use store::months::PARTITIONED;
