//! The catalogue: what can be ordered, at which price, and the calls about one product, its stock among them.
//!
//! Others may call what is named here by `pub use`: lock products, and tell the cache of every change of theirs. Stock
//! moves by `stock` alone.

mod cache;
mod commands;
mod domain;
mod http;
mod jobs;
mod store;

pub use cache::ProductCache;
pub use domain::Product;
pub use http::routes;
pub use jobs::load_sample_data;
pub use store::lock;
