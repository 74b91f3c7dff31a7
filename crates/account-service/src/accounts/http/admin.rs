//! EDGE: what administrators do with the accounts of others.

use super::{Accounts, NotPossible, NotResettable};
use crate::accounts::commands;
use crate::accounts::domain::RolesBody;
use crate::accounts::error::Error;
use crate::audit::{self, Actor, Entry};
use crate::schema::IDEMPOTENCY;
use crate::sessions::recently_authenticated;
use crate::users::{self, Account, Filter, Status, User};
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use serde::Deserialize;
use service_kit::access::{Caller, Scope};
use service_kit::answer::{Answer, check_if_match};
use service_kit::contact::parse_email;
use service_kit::documented::{
    Changed, IfMatch, IfNoneMatch, Invalid, InvalidBody, KeyReused, Keyed, NotFound, Paged, PagedByUuid, ReadAfter,
    Unavailable,
};
use service_kit::extract::{Json, Path, PlusKept};
use service_kit::idempotency::IdempotencyKey;
use service_kit::pagination::{Filtered, Page};
use service_kit::reading::{ReadConnection, Reader};
use service_kit::validation::FieldErrors;
use sqlx::PgConnection;
use std::sync::Arc;
use time::OffsetDateTime;
use utoipa::IntoParams;
use uuid::Uuid;

/// Filters of the list of accounts.
#[derive(Clone, Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct AccountQuery {
    /// Only the account of this address, in any case.
    #[param(value_type = Option<String>, max_length = 254, format = "email", example = "ada@example.com")]
    email: Option<PlusKept>,
    /// Only those that may, may not, or never again log in.
    #[param(value_type = Option<Status>)]
    status: Option<String>,
}

impl AccountQuery {
    fn parse(self) -> Result<Filter, FieldErrors> {
        let mut errors = FieldErrors::default();
        let email = self.email.and_then(|email| parse_email(&mut errors, "email", Some(email.0)));
        let status = self.status.and_then(|name| {
            let status = Status::ALL.into_iter().find(|status| status.name() == name);
            if status.is_none() {
                errors.add("status", "must be ACTIVE, DISABLED or ERASED");
            }
            status
        });
        errors.into_result(Filter { email_key: email.map(|email| email.key()), status })
    }
}

/// The accounts, newest first.
#[utoipa::path(get, path = "/api/accounts", tag = "accounts", params(AccountQuery, PagedByUuid, ReadAfter), responses(
    (status = 200, description = "A page; `Link` names the next", body = [User], headers(("Link" = String, description = "The next page, rel=\"next\""))),
    Invalid, Unavailable))]
pub async fn list_accounts(
    State(accounts): State<Arc<Accounts>>,
    scope: Scope,
    reader: Reader,
    listed: Filtered<AccountQuery, Uuid>,
) -> Result<Response, Error> {
    let (page, filter) = listed.checked(AccountQuery::parse)?;
    let (filter, after, limit) = (&filter, page.after, page.fetch());
    let read = |mut conn: ReadConnection| async move { users::list(&mut *conn, scope, filter, after, limit).await };
    let found = accounts.db.read(&reader, read).await?;
    Ok(page.answer(found, |user| user.id))
}

/// An account.
#[utoipa::path(get, path = "/api/accounts/{id}", tag = "accounts",
    params(("id" = Uuid, Path, description = "Id of the account"), IfNoneMatch),
    responses(
        (status = 200, description = "The account", body = User, headers(("ETag" = String, description = "Its version"))),
        (status = 304, description = "The client has it already"),
        Invalid, NotFound, Unavailable))]
pub async fn get_account(
    State(accounts): State<Arc<Accounts>>,
    scope: Scope,
    Path(id): Path<Uuid>,
    headers: HeaderMap,
) -> Result<Response, Error> {
    let user = users::find(accounts.db.pool(), scope, id).await?.ok_or(Error::UnknownAccount(id))?;
    Ok(Answer::ok(&user)?.with_version(user.version).unless_known(&headers))
}

/// Refuses an administrator whose log-in is not of the last 10 minutes.
fn check_recent(caller: &Caller) -> Result<(), Error> {
    let now = OffsetDateTime::now_utc();
    if recently_authenticated(&caller.principal, now) { Ok(()) } else { Err(Error::LogInAgain) }
}

/// Locks an account. Gives it with the time at which it is locked: no token is given out for it from then on, so those of
/// before are taken back up to that time.
async fn lock(conn: &mut PgConnection, scope: Scope, id: Uuid) -> Result<(Account, OffsetDateTime), Error> {
    let account = users::lock(conn, scope, id).await?.ok_or(Error::UnknownAccount(id))?;
    Ok((account, OffsetDateTime::now_utc()))
}

async fn answer(conn: &mut PgConnection, scope: Scope, id: Uuid) -> Result<Answer, Error> {
    let user = users::find(conn, scope, id).await?.ok_or(Error::UnknownAccount(id))?;
    Ok(Answer::ok(&user)?.with_version(user.version))
}

/// Does something to an account once for each key, and gives the account as it is then.
async fn change_once(
    accounts: &Accounts,
    caller: &Caller,
    id: Uuid,
    key: &IdempotencyKey,
    work: impl AsyncFnOnce(&mut PgConnection, OffsetDateTime, &Actor, &Account) -> Result<(), Error>,
) -> Result<Answer, Error> {
    check_recent(caller)?;
    let change = async |conn: &mut PgConnection| {
        let (account, now) = lock(conn, caller.scope, id).await?;
        work(conn, now, &Actor::of(&caller.principal), &account).await?;
        Ok::<_, Error>((answer(conn, caller.scope, id).await?, ()))
    };
    IDEMPOTENCY.once(&accounts.db, key, &(), change, |()| {}).await
}

/// Sets the roles of an account. What its tokens said until now no longer holds.
#[utoipa::path(put, path = "/api/accounts/{id}/roles", tag = "accounts",
    params(("id" = Uuid, Path, description = "Id of the account"), IfMatch), request_body = RolesBody,
    responses(
        (status = 200, description = "The account", body = User, headers(("ETag" = String, description = "Its version"))),
        InvalidBody, NotFound, NotPossible, Changed, Unavailable))]
pub async fn set_roles(
    State(accounts): State<Arc<Accounts>>,
    caller: Caller,
    Path(id): Path<Uuid>,
    headers: HeaderMap,
    Json(body): Json<RolesBody>,
) -> Result<Answer, Error> {
    let roles = body.parse()?;
    check_recent(&caller)?;
    let mut transaction = accounts.db.begin().await?;
    let (account, now) = lock(&mut transaction, caller.scope, id).await?;
    check_if_match(&headers, account.user.version)?;
    commands::set_roles(&mut transaction, now, &Actor::of(&caller.principal), &account, &roles).await?;
    let answer = answer(&mut transaction, caller.scope, id).await?;
    accounts.db.commit(transaction).await?;
    Ok(answer)
}

/// Keeps somebody from logging in, and ends their sessions.
#[utoipa::path(post, path = "/api/accounts/{id}/disable", tag = "accounts",
    params(("id" = Uuid, Path, description = "Id of the account"), Keyed),
    responses(
        (status = 200, description = "The account", body = User, headers(("ETag" = String, description = "Its version"))),
        Invalid, NotFound, NotPossible, KeyReused, Unavailable))]
pub async fn disable_account(
    State(accounts): State<Arc<Accounts>>,
    caller: Caller,
    Path(id): Path<Uuid>,
    key: IdempotencyKey,
) -> Result<Answer, Error> {
    change_once(&accounts, &caller, id, &key, commands::disable).await
}

/// Lets somebody log in again.
#[utoipa::path(post, path = "/api/accounts/{id}/enable", tag = "accounts",
    params(("id" = Uuid, Path, description = "Id of the account"), Keyed),
    responses(
        (status = 200, description = "The account", body = User, headers(("ETag" = String, description = "Its version"))),
        Invalid, NotFound, NotPossible, KeyReused, Unavailable))]
pub async fn enable_account(
    State(accounts): State<Arc<Accounts>>,
    caller: Caller,
    Path(id): Path<Uuid>,
    key: IdempotencyKey,
) -> Result<Answer, Error> {
    change_once(&accounts, &caller, id, &key, commands::enable).await
}

/// Has a code sent to somebody, by which they set a new password.
#[utoipa::path(post, path = "/api/accounts/{id}/reset", tag = "accounts",
    params(("id" = Uuid, Path, description = "Id of the account"), Keyed),
    responses(
        (status = 200, description = "The account; a code is on its way, unless one was sent in the last minute", body = User, headers(("ETag" = String, description = "Its version"))),
        Invalid, NotFound, NotResettable, KeyReused, Unavailable))]
pub async fn reset_account(
    State(accounts): State<Arc<Accounts>>,
    caller: Caller,
    Path(id): Path<Uuid>,
    key: IdempotencyKey,
) -> Result<Answer, Error> {
    let reset = async |conn: &mut PgConnection, now: OffsetDateTime, actor: &Actor, account: &Account| {
        commands::start_reset(conn, now, &accounts.codes, actor, account).await
    };
    change_once(&accounts, &caller, id, &key, reset).await
}

/// What was done to an account, newest first.
///
/// The nil UUID (`00000000-0000-0000-0000-000000000000`) stands for none: that the keys which sign tokens were rotated.
#[utoipa::path(get, path = "/api/accounts/{id}/audit", tag = "accounts",
    params(("id" = Uuid, Path, description = "Id of the account"), Paged, ReadAfter),
    responses(
        (status = 200, description = "A page; `Link` names the next", body = [Entry], headers(("Link" = String, description = "The next page, rel=\"next\""))),
        Invalid, NotFound, Unavailable))]
pub async fn list_audit(
    State(accounts): State<Arc<Accounts>>,
    scope: Scope,
    reader: Reader,
    Path(id): Path<Uuid>,
    page: Page,
) -> Result<Response, Error> {
    let (after, limit) = (page.after, page.fetch());
    let read = |mut conn: ReadConnection| async move {
        let known = id.is_nil() || users::find(&mut *conn, scope, id).await?.is_some();
        if known { audit::list(&mut *conn, id, after, limit).await.map(Some) } else { Ok(None) }
    };
    let entries = accounts.db.read(&reader, read).await?.ok_or(Error::UnknownAccount(id))?;
    Ok(page.answer(entries, |entry| entry.id))
}
