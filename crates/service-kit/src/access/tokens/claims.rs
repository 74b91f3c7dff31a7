//! What our own tokens say: one struct for who signs them and who reads them.

use crate::access::Role;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use uuid::Uuid;

/// The `typ` of an access token (RFC 9068).
pub const ACCESS_TOKEN: &str = "at+jwt";

/// The `typ` of what one service shows to another.
pub const SERVICE_ASSERTION: &str = "svc+jwt";

/// The `client_id` of a person who logged in.
pub const WEB: &str = "web";

/// In `amr`: the token was given for an API key, and `client_id` is that key's id.
pub const AMR_API_KEY: &str = "api_key";

/// The claims of an access token of ours (RFC 9068). It holds no name and no address.
///
/// Times are seconds since 1970.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct AccessClaims {
    /// The issuer's URL.
    pub iss: String,
    /// The account.
    pub sub: Uuid,
    /// The services that the token is for, by name.
    pub aud: Vec<String>,
    /// [`WEB`], or the id of the API key.
    pub client_id: String,
    /// Signed at.
    pub iat: i64,
    /// Good until.
    pub exp: i64,
    /// The token's own id.
    pub jti: Uuid,
    /// The session; in a token given for an API key, the key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sid: Option<Uuid>,
    /// When the person last proved who they are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auth_time: Option<i64>,
    /// By what: `pwd`, or [`AMR_API_KEY`].
    #[serde(default)]
    pub amr: Vec<String>,
    /// What the person is.
    #[serde(default)]
    pub roles: BTreeSet<Role>,
    /// What an API key is for, with spaces between.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scope: Option<String>,
    /// From where a token given for an API key may be used, as networks; from everywhere where it is missing.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub networks: Vec<String>,
    /// The seller that the person sells for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seller: Option<Uuid>,
}

/// The claims of a service's assertion: who calls, and whom.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ServiceClaims {
    /// The calling service.
    pub iss: String,
    /// The same once more.
    pub sub: String,
    /// The service that is called.
    pub aud: String,
    /// Signed at, in seconds since 1970.
    pub iat: i64,
    /// Good until.
    pub exp: i64,
    /// The assertion's own id.
    pub jti: Uuid,
}
