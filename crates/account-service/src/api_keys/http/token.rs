//! EDGE: the exchange of an API key for an access token (RFC 6749, 4.4).

use crate::api_keys::commands;
use crate::api_keys::domain::grant::{Grant, Refused, TokenForm};
use crate::api_keys::error::Error;
use crate::api_keys::state::ApiKeys;
use crate::forms::Form;
use axum::Json;
use axum::extract::State;
use axum::http::HeaderMap;
use serde::Serialize;
use service_kit::access::Scope;
use service_kit::documented::Unavailable;
use service_kit::documented_problems;
use service_kit::proxies::Peer;
use std::sync::Arc;
use time::OffsetDateTime;
use utoipa::ToSchema;

documented_problems! {
    /// There is no token.
    NoToken {
        "400": "the form is at fault; `error` is `invalid_request`, `unsupported_grant_type` or `invalid_scope`",
        "401": "the API key is not good; `error` is `invalid_client`",
        "413": "the body is longer than 4 KiB",
        "415": "the body is not application/x-www-form-urlencoded"
    }
}

/// A token for a program (RFC 6749, 5.1).
#[derive(Serialize, ToSchema)]
pub struct TokenAnswer {
    /// To be sent as `Authorization: Bearer`.
    #[schema(example = "eyJhbGciOiJFUzI1NiJ9.e30.c2ln")]
    access_token: String,
    /// How it is sent.
    #[schema(example = "Bearer")]
    token_type: &'static str,
    /// Seconds for which it is good.
    #[schema(example = 600)]
    expires_in: i64,
    /// What it is for, with spaces between.
    #[schema(example = "orders:read")]
    scope: String,
}

/// Exchanges an API key for an access token of ten minutes.
///
/// A program may also send the key itself as `Authorization: Bearer oms_…`: the services exchange it then. A key with
/// networks is exchanged for callers in these alone, and its token is good in these alone.
#[utoipa::path(post, path = "/api/auth/token", tag = "auth", extensions(("x-passes-over-unknown" = json!(true))),
    request_body(content = TokenForm, content_type = "application/x-www-form-urlencoded"), responses(
    (status = 200, description = "The token", body = TokenAnswer), NoToken, Unavailable))]
pub async fn exchange_api_key(
    State(keys): State<Arc<ApiKeys>>,
    scope: Scope,
    Peer(peer): Peer,
    headers: HeaderMap,
    Form(form): Form,
) -> Result<Json<TokenAnswer>, Error> {
    let grant = Grant::parse(&form)?;
    let (now, address) = (OffsetDateTime::now_utc(), keys.proxies.client(peer, &headers));
    let mut transaction = keys.db.begin().await?;
    let token = commands::exchange(&mut transaction, now, scope, &keys.signing_keys, grant, address).await?;
    keys.db.commit(transaction).await?;
    let scope = token.scopes.into_iter().collect::<Vec<_>>().join(" ");
    Ok(Json(TokenAnswer { access_token: token.text, token_type: "Bearer", expires_in: token.expires_in, scope }))
}

impl From<Refused> for Error {
    fn from(refused: Refused) -> Self {
        Self::NoToken(refused)
    }
}
