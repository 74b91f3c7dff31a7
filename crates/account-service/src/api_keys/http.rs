//! EDGE: the calls about the caller's own API keys.

mod token;

use super::domain::{ApiKey, ApiKeyBody, NewApiKey};
use super::error::Error;
use super::state::ApiKeys;
use super::{commands, store};
use crate::schema::IDEMPOTENCY;
use crate::sessions::recently_authenticated;
use axum::extract::{FromRef, State};
use axum::http::StatusCode;
use secrecy::ExposeSecret;
use service_kit::access::{Access, Caller, Guarded, Scope};
use service_kit::answer::Answer;
use service_kit::documented::{Invalid, InvalidBody, KeyReused, Keyed, NotFound, Unavailable};
use service_kit::documented_problems;
use service_kit::extract::{Json, Path};
use service_kit::idempotency::IdempotencyKey;
use sqlx::PgConnection;
use std::sync::Arc;
use time::OffsetDateTime;
use utoipa_axum::routes;
use uuid::Uuid;

/// The calls about the caller's own API keys. A key makes no other keys: it has no scope for that.
pub fn routes<S>() -> Guarded<S>
where
    Arc<ApiKeys>: FromRef<S>,
    S: Clone + Send + Sync + 'static,
{
    Guarded::new()
        .add(Access::SELF, routes!(list_api_keys, create_api_key))
        .add(Access::SELF, routes!(get_api_key, delete_api_key))
        .add(Access::PUBLIC, routes!(token::exchange_api_key))
}

documented_problems! {
    /// There are as many as a person may have.
    TooMany { "409": "the account has 50 API keys already" }
}

/// The caller's API keys, the oldest first, without what is secret.
#[utoipa::path(get, path = "/api/api-keys", tag = "api-keys", responses(
    (status = 200, description = "All of them, 50 at the most", body = [ApiKey]),
    Invalid, Unavailable))]
pub async fn list_api_keys(State(keys): State<Arc<ApiKeys>>, scope: Scope) -> Result<Answer, Error> {
    Ok(Answer::ok(&store::list(keys.db.pool(), scope).await?)?)
}

/// Makes an API key for a program that acts for the caller. Its text is in this answer and in no other.
///
/// It is made within ten minutes of logging in. The program may do what both the roles and the scopes of the key allow.
#[utoipa::path(post, path = "/api/api-keys", tag = "api-keys", params(Keyed), request_body = ApiKeyBody,
    responses(
        (status = 201, description = "The key, with its text", body = NewApiKey, headers(("Location" = String, description = "Path of the key"))),
        InvalidBody, NotFound, TooMany, KeyReused, Unavailable))]
pub async fn create_api_key(
    State(keys): State<Arc<ApiKeys>>,
    caller: Caller,
    key: IdempotencyKey,
    Json(body): Json<ApiKeyBody>,
) -> Result<Answer, Error> {
    let now = OffsetDateTime::now_utc();
    let owner = caller.principal.user().ok_or(Error::UnknownAccount)?;
    if !recently_authenticated(&caller.principal, now) {
        return Err(Error::LogInAgain);
    }
    let input = body.clone().parse_for(owner, now)?;
    let create = async |conn: &mut PgConnection| {
        let (key, text) = commands::create(conn, now, &caller, &input).await?;
        let location = format!("/api/api-keys/{}", key.id);
        // What is kept for a repeat holds no secret.
        let kept = NewApiKey { key, secret: None };
        Ok::<_, Error>((
            Answer::created(location, &kept)?,
            NewApiKey { secret: Some(text.expose_secret().to_owned()), ..kept },
        ))
    };
    let mut made = None;
    let answer = IDEMPOTENCY.once(&keys.db, &key, &body, create, |new| made = Some(new)).await?;
    match made {
        Some(new) => Ok(Answer { body: Answer::ok(&new)?.body, ..answer }),
        None => Ok(answer),
    }
}

/// One of the caller's API keys, without what is secret.
#[utoipa::path(get, path = "/api/api-keys/{id}", tag = "api-keys",
    params(("id" = Uuid, Path, description = "Id of the key")),
    responses((status = 200, description = "The key", body = ApiKey), Invalid, NotFound, Unavailable))]
pub async fn get_api_key(
    State(keys): State<Arc<ApiKeys>>,
    scope: Scope,
    Path(id): Path<Uuid>,
) -> Result<Answer, Error> {
    let key = store::find(keys.db.pool(), scope, id).await?.ok_or(Error::UnknownKey(id))?;
    Ok(Answer::ok(&key)?)
}

/// Ends an API key at once: it gets no more tokens. Those that it got before are refused within two seconds.
#[utoipa::path(delete, path = "/api/api-keys/{id}", tag = "api-keys",
    params(("id" = Uuid, Path, description = "Id of the key")),
    responses((status = 204, description = "It is no longer good"), Invalid, NotFound, Unavailable))]
pub async fn delete_api_key(
    State(keys): State<Arc<ApiKeys>>,
    caller: Caller,
    Path(id): Path<Uuid>,
) -> Result<StatusCode, Error> {
    let mut transaction = keys.db.begin().await?;
    commands::revoke(&mut transaction, OffsetDateTime::now_utc(), &caller, id).await?;
    keys.db.commit(transaction).await?;
    Ok(StatusCode::NO_CONTENT)
}
