//! EDGE: what is known of a token, and its end, in the words of OAuth (RFC 7662, RFC 7009).

use super::domain::{Introspection, TokenQuestion, token_of};
use super::error::Error;
use super::state::TokenChecks;
use crate::forms::Form;
use crate::schema::SCHEMA;
use crate::{api_keys, sessions};
use axum::Json;
use axum::extract::{FromRef, State};
use axum::http::StatusCode;
use service_kit::access::tokens::{TokenFault, api_key_id};
use service_kit::access::{Access, Caller, Guarded, Principal};
use service_kit::documented::Unavailable;
use service_kit::documented_problems;
use std::borrow::Cow;
use std::sync::Arc;
use time::OffsetDateTime;
use utoipa_axum::routes;

/// Who may ask about the tokens of others, beside administrators.
const ORDER_SERVICE: &[Cow<'static, str>] = &[Cow::Borrowed("order-service")];

/// The calls about tokens.
pub fn routes<S>() -> Guarded<S>
where
    Arc<TokenChecks>: FromRef<S>,
    S: Clone + Send + Sync + 'static,
{
    Guarded::new()
        .add(Access::service(ORDER_SERVICE), routes!(introspect_token))
        .add(Access::service(ORDER_SERVICE), routes!(revoke_token))
}

documented_problems! {
    /// A form that names no token.
    NoTokenNamed {
        "400": "the form is at fault; `error` is `invalid_request`",
        "413": "the body is longer than 4 KiB",
        "415": "the body is not application/x-www-form-urlencoded"
    }
    /// A form that names no token, or one that cannot be revoked.
    NotRevocable {
        "400": "the form is at fault, or the token belongs to an API key, which its owner ends; `error` is `invalid_request` or `unsupported_token_type`",
        "413": "the body is longer than 4 KiB",
        "415": "the body is not application/x-www-form-urlencoded"
    }
}

/// Says whether an access token is good at this moment (RFC 7662).
///
/// Its session or API key is looked up, so the answer is right also where a message of its end has not arrived. What is no
/// access token, such as a refresh token, is not active.
#[utoipa::path(post, path = "/api/auth/introspect", tag = "auth", extensions(("x-passes-over-unknown" = json!(true))),
    request_body(content = TokenQuestion, content_type = "application/x-www-form-urlencoded"), responses(
    (status = 200, description = "What it is good for", body = Introspection), NoTokenNamed, Unavailable))]
pub async fn introspect_token(
    State(checks): State<Arc<TokenChecks>>,
    caller: Caller,
    Form(form): Form,
) -> Result<Json<Introspection>, Error> {
    let (token, now) = (token_of(&form)?, OffsetDateTime::now_utc());
    checks.verifier.look_now(&checks.db, SCHEMA).await?;
    let read = checks.verifier.read(token, now).await;
    let (Principal::User(user), claims) = (match read {
        Ok(read) => read,
        Err(fault @ TokenFault::Unknown) => return Err(Error::Unknown(fault)),
        Err(TokenFault::Invalid(_)) => return Ok(Json(Introspection::inactive())),
    }) else {
        return Ok(Json(Introspection::inactive()));
    };
    let pool = checks.db.pool();
    let is_good = match (&user.key, user.session) {
        (Some(key), _) => api_keys::is_good(pool, caller.scope, key.id, now).await?,
        (None, Some(session)) => sessions::is_live(pool, caller.scope, session, now).await?,
        (None, None) => false,
    };
    Ok(Json(if is_good { Introspection::of(claims) } else { Introspection::inactive() }))
}

/// Ends the session of an access or refresh token, with all of its tokens (RFC 7009).
///
/// A token that is good for nothing any more changes nothing. The owner of a token logs out by `POST /api/auth/logout`.
#[utoipa::path(post, path = "/api/auth/revoke", tag = "auth", extensions(("x-passes-over-unknown" = json!(true))),
    request_body(content = TokenQuestion, content_type = "application/x-www-form-urlencoded"), responses(
    (status = 200, description = "It is good for nothing"), NotRevocable, Unavailable))]
pub async fn revoke_token(
    State(checks): State<Arc<TokenChecks>>,
    caller: Caller,
    Form(form): Form,
) -> Result<StatusCode, Error> {
    let (token, now) = (token_of(&form)?, OffsetDateTime::now_utc());
    if api_key_id(token).is_some() {
        return Err(Error::OfApiKey);
    }
    let mut transaction = checks.db.begin().await?;
    let session = match checks.verifier.read(token, now).await {
        Ok((Principal::User(user), _)) if user.key.is_some() => return Err(Error::OfApiKey),
        Ok((Principal::User(user), _)) => user.session,
        Ok(_) => None,
        Err(fault @ TokenFault::Unknown) => return Err(Error::Unknown(fault)),
        Err(TokenFault::Invalid(_)) => sessions::session_of(&mut transaction, token).await?,
    };
    if let Some(session) = session {
        sessions::revoke(&mut transaction, now, &caller, session).await?;
    }
    checks.db.commit(transaction).await?;
    Ok(StatusCode::OK)
}
