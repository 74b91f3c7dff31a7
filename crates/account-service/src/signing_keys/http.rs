//! EDGE: what verifiers of tokens ask for.

use super::state::SigningKeys;
use super::store;
use axum::Json;
use axum::extract::{FromRef, State};
use axum::http::{HeaderName, header};
use serde::Serialize;
use service_kit::access::{Access, Guarded};
use service_kit::documented::Unavailable;
use service_kit::problem::Problem;
use std::sync::Arc;
use time::OffsetDateTime;
use utoipa::ToSchema;
use utoipa_axum::routes;

/// Verifiers may keep these answers for five minutes.
const KEPT: [(HeaderName, &str); 1] = [(header::CACHE_CONTROL, "public, max-age=300")];

/// The calls about keys.
pub fn routes<S>() -> Guarded<S>
where
    Arc<SigningKeys>: FromRef<S>,
    S: Clone + Send + Sync + 'static,
{
    Guarded::new()
        .add(Access::PUBLIC, routes!(get_keys))
        .add(Access::PUBLIC, routes!(get_openid_configuration))
        .add(Access::PUBLIC, routes!(get_authorization_server))
}

/// The public keys that tokens are signed with (RFC 7517).
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct KeySet {
    /// The keys, the oldest first.
    #[schema(value_type = Vec<Object>)]
    keys: Vec<serde_json::Value>,
}

/// The public keys that tokens are signed with
#[utoipa::path(get, path = "/.well-known/jwks.json", tag = "keys", responses(
    (status = 200, description = "The keys", body = KeySet), Unavailable))]
pub async fn get_keys(
    State(keys): State<Arc<SigningKeys>>,
) -> Result<([(HeaderName, &'static str); 1], Json<KeySet>), Problem> {
    let published = store::published(keys.db.pool(), OffsetDateTime::now_utc()).await?;
    Ok((KEPT, Json(KeySet { keys: published })))
}

/// What a verifier has to know of the issuer (OpenID Connect Discovery, RFC 8414).
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Issuer {
    /// Its name in tokens.
    #[schema(example = "http://localhost:8083")]
    issuer: String,
    /// Where its keys are.
    #[schema(example = "http://localhost:8083/.well-known/jwks.json")]
    jwks_uri: String,
    /// Where API keys are exchanged for tokens.
    #[schema(example = "http://localhost:8083/api/auth/token")]
    token_endpoint: String,
    /// Where services ask whether a token is good (RFC 7662).
    #[schema(example = "http://localhost:8083/api/auth/introspect")]
    introspection_endpoint: String,
    /// Where services take a token back (RFC 7009).
    #[schema(example = "http://localhost:8083/api/auth/revoke")]
    revocation_endpoint: String,
    /// What for.
    grant_types_supported: [&'static str; 1],
    /// There is no page to log in on.
    response_types_supported: [&'static str; 0],
    /// One account has one `sub`.
    subject_types_supported: [&'static str; 1],
    /// How tokens are signed.
    id_token_signing_alg_values_supported: [&'static str; 1],
    /// How API keys are shown.
    token_endpoint_auth_methods_supported: [&'static str; 1],
}

impl Issuer {
    fn of(keys: &SigningKeys) -> Self {
        let issuer = keys.issuer();
        Self {
            issuer: issuer.to_owned(),
            jwks_uri: format!("{issuer}/.well-known/jwks.json"),
            token_endpoint: keys.token_endpoint(),
            introspection_endpoint: format!("{issuer}/api/auth/introspect"),
            revocation_endpoint: format!("{issuer}/api/auth/revoke"),
            grant_types_supported: ["client_credentials"],
            response_types_supported: [],
            subject_types_supported: ["public"],
            id_token_signing_alg_values_supported: ["ES256"],
            token_endpoint_auth_methods_supported: ["client_secret_post"],
        }
    }
}

/// What a verifier has to know of the issuer
#[utoipa::path(get, path = "/.well-known/openid-configuration", tag = "keys", responses(
    (status = 200, description = "The issuer", body = Issuer), Unavailable))]
pub async fn get_openid_configuration(
    State(keys): State<Arc<SigningKeys>>,
) -> ([(HeaderName, &'static str); 1], Json<Issuer>) {
    (KEPT, Json(Issuer::of(&keys)))
}

/// The same, for clients of OAuth
#[utoipa::path(get, path = "/.well-known/oauth-authorization-server", tag = "keys", responses(
    (status = 200, description = "The issuer", body = Issuer), Unavailable))]
pub async fn get_authorization_server(
    State(keys): State<Arc<SigningKeys>>,
) -> ([(HeaderName, &'static str); 1], Json<Issuer>) {
    (KEPT, Json(Issuer::of(&keys)))
}
