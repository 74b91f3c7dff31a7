//! The catalogue: what can be ordered, at which price, and the calls about one product, its stock among them.
//!
//! Others may call what is named here by `pub use`, and mount the module by `routes`. Every change of a product,
//! or of its stock, is told to `Products::changed` after the commit. Stock moves by `stock` alone.

mod cache;
mod commands;
mod config;
mod domain;
mod error;
mod http;
mod jobs;
mod state;
mod store;

pub use config::Config;
pub use domain::Product;
pub use http::routes;
pub use jobs::{fold_names_at_start, jobs, load_sample_data};
pub use state::Products;
pub use store::invariants::INVARIANTS;
pub use store::lock;
