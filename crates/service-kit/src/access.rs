//! Who is asking, and what they may see and do.
//!
//! A route is added with its rule ([`Guarded::add`]), and the server refuses whoever the rule does not let in. For the
//! others it finds the [`Scope`]: the rows that they may see. No function over owned rows works without one.

pub(crate) mod audit;
mod caller;
mod config;
mod guarded;
mod principal;
mod rule;
mod scope;
mod scopes;
mod table;
pub mod tokens;

pub use caller::Caller;
pub use config::{AccessConfig, Mode};
pub use guarded::{ACCESS, BEARER, Guarded};
pub use principal::{ApiKey, Principal, Role, User};
pub use rule::{Access, Reach, Refusal};
pub use scope::Scope;
pub use scopes::KEY_SCOPES;
pub(crate) use table::table;
