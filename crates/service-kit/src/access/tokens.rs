//! Tokens: how account-service and the services sign them, and the one place where they are verified.

mod api_keys;
mod cache;
mod claims;
pub mod config;
mod fault;
mod fetch;
mod identity;
mod issuer;
mod keys;
mod keys_table;
mod provider;
mod reading;
mod revocations;
mod signing;
mod start;
#[cfg(test)]
mod tests;
mod verifier;

pub use api_keys::{api_key_id, new_api_key};
pub use claims::{ACCESS_TOKEN, AMR_API_KEY, AccessClaims, SERVICE_ASSERTION, ServiceClaims, WEB};
pub use config::AuthConfig;
pub use fault::{Flaw, TokenFault};
pub use identity::ServiceIdentity;
pub use jsonwebtoken::jwk::Jwk;
pub use signing::{KeyError, SigningKey};
pub(crate) use start::expire_revocations;
pub use start::{record_revocations, second_to_sign};
pub use verifier::Verifier;
