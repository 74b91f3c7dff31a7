//! Tokens: how account-service and the services sign them, and the one place where they are verified.

mod claims;
mod provider;
mod signing;

pub use claims::{ACCESS_TOKEN, AMR_API_KEY, AccessClaims, SERVICE_ASSERTION, ServiceClaims, WEB};
pub use jsonwebtoken::jwk::Jwk;
pub use signing::{KeyError, SigningKey};
