//! EDGE: one's own account.

use super::Accounts;
use crate::accounts::commands;
use crate::accounts::domain::{ChangePassword, PatchMe};
use crate::accounts::error::Error;
use crate::guesses::{self, Claim, Guesser};
use crate::passwords::{Password, PersonalWords};
use crate::sessions::recently_authenticated;
use crate::users::{self, Account, Status, User};
use crate::{addresses, api_keys};
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use service_kit::access::{Caller, Scope};
use service_kit::answer::{Answer, check_if_match};
use service_kit::contact::EmailAddress;
use service_kit::documented::{Changed, IfMatch, IfNoneMatch, InvalidBody, NotFound, Unavailable};
use service_kit::extract::Json;
use service_kit::problem::Problem;
use service_kit::validation::FieldErrors;
use sqlx::PgConnection;
use std::sync::Arc;
use time::OffsetDateTime;
use uuid::Uuid;

/// The caller's account: never somebody else's, whatever a rule says.
fn own(scope: Scope) -> Result<Uuid, Problem> {
    scope.owner().ok_or_else(|| Problem::forbidden("this is for people with an account"))
}

/// A token may outlive the account by a moment.
async fn lock(conn: &mut PgConnection, scope: Scope) -> Result<Account, Error> {
    let id = own(scope)?;
    let account = users::lock(conn, scope, id).await?;
    account.filter(|account| account.user.status != Status::Erased).ok_or(Error::UnknownAccount(id))
}

/// One's own account.
#[utoipa::path(get, path = "/api/accounts/me", tag = "accounts", params(IfNoneMatch), responses(
    (status = 200, description = "The account", body = User, headers(("ETag" = String, description = "Its version"))),
    (status = 304, description = "The client has it already"),
    NotFound, Unavailable))]
pub async fn get_me(
    State(accounts): State<Arc<Accounts>>,
    scope: Scope,
    headers: HeaderMap,
) -> Result<Response, Error> {
    let id = own(scope)?;
    let user = users::find(accounts.db.pool(), scope, id).await?;
    let user = user.filter(|user| user.status != Status::Erased).ok_or(Error::UnknownAccount(id))?;
    Ok(Answer::ok(&user)?.with_version(user.version).unless_known(&headers))
}

/// Changes name or telephone number (JSON Merge Patch, RFC 7396); what is left out stays.
#[utoipa::path(patch, path = "/api/accounts/me", tag = "accounts", params(IfMatch),
    request_body(content((PatchMe = "application/merge-patch+json"), (PatchMe = "application/json"))),
    responses(
        (status = 200, description = "The account", body = User, headers(("ETag" = String, description = "Its version"))),
        InvalidBody, NotFound, Changed, Unavailable))]
pub async fn patch_me(
    State(accounts): State<Arc<Accounts>>,
    scope: Scope,
    headers: HeaderMap,
    Json(body): Json<PatchMe>,
) -> Result<Answer, Error> {
    let change = body.parse()?;
    let mut transaction = accounts.db.begin().await?;
    let account = lock(&mut transaction, scope).await?;
    check_if_match(&headers, account.user.version)?;
    commands::change_profile(&mut transaction, OffsetDateTime::now_utc(), &account, change).await?;
    let user = users::find(&mut *transaction, scope, account.user.id).await?;
    accounts.db.commit(transaction).await?;
    let user = user.ok_or(Error::UnknownAccount(account.user.id))?;
    Ok(Answer::ok(&user)?.with_version(user.version))
}

/// Erases one's account: everything personal goes, and every session ends. Orders keep what they need as records.
///
/// Needs a log-in of the last 10 minutes.
#[utoipa::path(delete, path = "/api/accounts/me", tag = "accounts", params(IfMatch), responses(
    (status = 204, description = "Nothing personal is left"), NotFound, Changed, Unavailable))]
pub async fn delete_me(
    State(accounts): State<Arc<Accounts>>,
    caller: Caller,
    headers: HeaderMap,
) -> Result<StatusCode, Error> {
    own(caller.scope)?;
    if !recently_authenticated(&caller.principal, OffsetDateTime::now_utc()) {
        return Err(Error::LogInAgain);
    }
    let mut transaction = accounts.db.begin().await?;
    let account = lock(&mut transaction, caller.scope).await?;
    check_if_match(&headers, account.user.version)?;
    // Tokens are taken back up to the time at which no more are given out.
    let now = OffsetDateTime::now_utc();
    commands::erase(&mut transaction, now, &account).await?;
    addresses::forget(&mut transaction, caller.scope).await?;
    api_keys::forget(&mut transaction, caller.scope).await?;
    accounts.db.commit(transaction).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Changes one's password: the other sessions end.
#[utoipa::path(put, path = "/api/accounts/me/password", tag = "accounts", request_body = ChangePassword, responses(
    (status = 204, description = "The password is changed"), InvalidBody, NotFound, Unavailable))]
pub async fn change_password(
    State(accounts): State<Arc<Accounts>>,
    caller: Caller,
    Json(body): Json<ChangePassword>,
) -> Result<StatusCode, Error> {
    let (current, new) = body.parse(accounts.passwords.shortest())?;
    let id = own(caller.scope)?;
    let mut conn = accounts.db.pool().acquire().await?;
    let email = users::find(&mut *conn, caller.scope, id).await?.and_then(|user| user.email);
    let email = email.as_deref().and_then(|email| EmailAddress::parse(email).ok()).ok_or(Error::UnknownAccount(id))?;
    // Tries are counted by session: who holds a stolen token does not guess on, and locks nobody out elsewhere.
    let session = caller.principal.user().and_then(|user| user.session);
    let guesser = Guesser::in_session(session.unwrap_or(id));
    if let Claim::Wait(seconds) = guesses::claim(&mut conn, &guesser, OffsetDateTime::now_utc()).await? {
        return Err(Error::Wait(seconds));
    }
    drop(conn);
    let mut account = with_password(&accounts, id, &email, &current).await?;
    let words = PersonalWords::of(email.as_str(), account.user.name.as_deref());
    accounts.passwords.check(&new, words).await.map_err(|weak| weak.in_field("newPassword"))?;
    let hash = accounts.passwords.hash(&new).await?;
    loop {
        let mut transaction = accounts.db.begin().await?;
        let now = OffsetDateTime::now_utc();
        if commands::change_password(&mut transaction, now, caller.scope, &account, session, &hash).await? {
            guesses::succeeded(&mut transaction, &guesser).await?;
            accounts.db.commit(transaction).await?;
            return Ok(StatusCode::NO_CONTENT);
        }
        drop(transaction);
        // Another request has changed it meanwhile: this one is answered as if it had come after that.
        account = with_password(&accounts, id, &email, &current).await?;
    }
}

/// The account, if this is its password at present.
async fn with_password(
    accounts: &Accounts,
    id: Uuid,
    email: &EmailAddress,
    current: &Password,
) -> Result<Account, Error> {
    let account = users::find_by_email(accounts.db.pool(), &email.key()).await?.ok_or(Error::UnknownAccount(id))?;
    if accounts.passwords.matches(current, account.password_hash.clone()).await? {
        Ok(account)
    } else {
        Err(FieldErrors::one("currentPassword", "is not the password until now").into())
    }
}
