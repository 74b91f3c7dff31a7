//! EDGE: logging in, renewing tokens, logging out, and the list of one's sessions.

use super::commands::{self, Refreshed};
use super::domain::{Client, LogIn, Refresh, Session, Tokens};
use super::error::Error;
use super::state::Sessions;
use super::store;
use crate::audit::{self, Action, Actor};
use crate::guesses::{self, Claim, Kind, guesser_at, network_of};
use crate::users::{self, Account, Status};
use axum::Json;
use axum::extract::{FromRef, State};
use axum::http::{HeaderMap, StatusCode, header};
use service_kit::access::{Access, Caller, Guarded, Scope};
use service_kit::documented::{Invalid, InvalidBody, NotFound, Unavailable};
use service_kit::documented_problems;
use service_kit::extract::{self, Path};
use service_kit::problem::Problem;
use service_kit::proxies::Peer;
use std::net::IpAddr;
use std::sync::Arc;
use time::OffsetDateTime;
use utoipa_axum::routes;
use uuid::Uuid;

/// Longest name of a client that is kept.
const LONGEST_AGENT: usize = 200;

/// The calls about sessions.
pub fn routes<S>() -> Guarded<S>
where
    Arc<Sessions>: FromRef<S>,
    S: Clone + Send + Sync + 'static,
{
    Guarded::new()
        .add(Access::PUBLIC, routes!(log_in))
        .add(Access::PUBLIC, routes!(refresh))
        .add(Access::PUBLIC, routes!(log_out))
        .add(Access::SELF, routes!(log_out_everywhere))
        .add(Access::SELF, routes!(list_sessions))
        .add(Access::SELF, routes!(end_session))
}

documented_problems! {
    /// Somebody who is not let in.
    NoLogIn { "401": "the e-mail address or the password is wrong, or the account cannot log in" }
    /// A token that is not good.
    NoSession { "401": "the refresh token is not good any more" }
}

/// From where a request comes, as a session shows it.
fn client(headers: &HeaderMap, address: std::net::IpAddr) -> Client {
    let agent = headers.get(header::USER_AGENT).and_then(|agent| agent.to_str().ok());
    let agent = agent.map(|agent| agent.chars().take(LONGEST_AGENT).collect());
    Client { agent, network: network_of(address) }
}

/// Logs in.
///
/// One answer for every cause, and after as much work: nobody learns whether an address has an account.
#[utoipa::path(post, path = "/api/auth/login", tag = "auth", request_body = LogIn, responses(
    (status = 200, description = "The tokens of a new session", body = Tokens), InvalidBody, NoLogIn, Unavailable))]
pub async fn log_in(
    State(sessions): State<Arc<Sessions>>,
    scope: Scope,
    Peer(peer): Peer,
    headers: HeaderMap,
    extract::Json(body): extract::Json<LogIn>,
) -> Result<Json<Tokens>, Error> {
    let outcome = log_in_at(&sessions, scope, peer, &headers, body).await;
    let named = match outcome {
        Ok(_) => "ok",
        Err(Error::NoLogIn) => "failed",
        Err(_) => "refused",
    };
    metrics::counter!("auth_logins_total", "outcome" => named).increment(1);
    outcome.map(Json)
}

async fn log_in_at(
    sessions: &Sessions,
    scope: Scope,
    peer: IpAddr,
    headers: &HeaderMap,
    body: LogIn,
) -> Result<Tokens, Error> {
    let (email, password) = body.parse()?;
    let address = sessions.proxies.client(peer, headers);
    sessions.limits.take(Kind::LogIn, address)?;
    let (now, guesser) = (OffsetDateTime::now_utc(), guesser_at(&email.key(), address));
    let mut conn = sessions.db.pool().acquire().await?;
    let claim = guesses::claim(&mut conn, &guesser, now).await?;
    if let Claim::Wait(seconds) = claim {
        return Err(Error::Wait(seconds));
    }
    let account = users::find_by_email(&mut *conn, &email.key()).await?;
    drop(conn);
    let account = account.filter(|account| claim == Claim::Granted && may_log_in(sessions, account));
    let kept = account.as_ref().and_then(|account| account.password_hash.clone());
    let matches = sessions.passwords.matches(&password, kept).await?;
    let account = account.filter(|_| matches).ok_or(Error::NoLogIn)?;

    let now = OffsetDateTime::now_utc();
    let mut transaction = sessions.db.begin().await?;
    let locked = users::lock(&mut transaction, scope, account.user.id).await?.ok_or(Error::NoLogIn)?;
    if !may_log_in(sessions, &locked) || !locked.has_password_of(&account) {
        return Err(Error::NoLogIn);
    }
    let client = client(headers, address);
    let (session, token) = commands::open(&mut transaction, now, &sessions.config, &locked.user, &client).await?;
    guesses::succeeded(&mut transaction, &guesser).await?;
    let tokens = sessions.tokens(&mut transaction, now, &session, token).await?;
    let actor = Actor::User(session.user);
    audit::record(&mut transaction, now, &actor, Action::LoggedIn, session.user, None).await?;
    sessions.db.commit(transaction).await?;
    Ok(tokens)
}

fn may_log_in(sessions: &Sessions, account: &Account) -> bool {
    account.user.status == Status::Active && (account.user.email_verified || !sessions.verified_only)
}

/// Gives a new pair of tokens for a refresh token, which is then used.
///
/// If a used one comes again later than some seconds, somebody else has it: the session ends. A session has at most 60 in ten
/// minutes; more are refused with 429 and use no token up.
#[utoipa::path(post, path = "/api/auth/refresh", tag = "auth", request_body = Refresh, responses(
    (status = 200, description = "The next tokens of the session", body = Tokens), InvalidBody, NoSession, Unavailable))]
pub async fn refresh(
    State(sessions): State<Arc<Sessions>>,
    extract::Json(body): extract::Json<Refresh>,
) -> Result<Json<Tokens>, Error> {
    let (token, now) = (body.parse()?, OffsetDateTime::now_utc());
    let mut transaction = sessions.db.begin().await?;
    let tokens = match commands::refresh(&mut transaction, now, &sessions.config, &token).await? {
        Refreshed::Goes(session, token) => Ok(sessions.tokens(&mut transaction, now, &session, token).await?),
        Refreshed::Reused => {
            metrics::counter!("auth_refresh_reuse_total").increment(1);
            Err(Error::NoSession)
        }
    };
    // Also where it was reused: the end of the session has to last.
    sessions.db.commit(transaction).await?;
    tokens.map(Json)
}

/// Ends the session of a refresh token. Doing so again changes nothing.
#[utoipa::path(post, path = "/api/auth/logout", tag = "auth", request_body = Refresh, responses(
    (status = 204, description = "The session is over"), InvalidBody, Unavailable))]
pub async fn log_out(
    State(sessions): State<Arc<Sessions>>,
    extract::Json(body): extract::Json<Refresh>,
) -> Result<StatusCode, Error> {
    let token = body.parse()?;
    let mut transaction = sessions.db.begin().await?;
    commands::log_out(&mut transaction, OffsetDateTime::now_utc(), &token).await?;
    sessions.db.commit(transaction).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Ends every session of the caller.
#[utoipa::path(post, path = "/api/auth/logout-all", tag = "auth", responses(
    (status = 204, description = "All sessions are over"), Unavailable))]
pub async fn log_out_everywhere(State(sessions): State<Arc<Sessions>>, scope: Scope) -> Result<StatusCode, Error> {
    let user = own(scope)?;
    let now = OffsetDateTime::now_utc();
    let mut transaction = sessions.db.begin().await?;
    users::lock(&mut transaction, scope, user).await?;
    commands::end_all(&mut transaction, now, user, None, super::Reason::Ended).await?;
    audit::record(&mut transaction, now, &Actor::User(user), Action::LoggedOut, user, Some("all sessions")).await?;
    sessions.db.commit(transaction).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// The caller's sessions that are not over, newest first.
#[utoipa::path(get, path = "/api/auth/sessions", tag = "auth", responses(
    (status = 200, description = "The sessions, 200 at the most", body = [Session]), Unavailable))]
pub async fn list_sessions(State(sessions): State<Arc<Sessions>>, caller: Caller) -> Result<Json<Vec<Session>>, Error> {
    let current = caller.principal.user().and_then(|user| user.session);
    let found = store::list(sessions.db.pool(), caller.scope, current, OffsetDateTime::now_utc()).await?;
    Ok(Json(found))
}

/// Ends one of the caller's sessions.
#[utoipa::path(delete, path = "/api/auth/sessions/{id}", tag = "auth",
    params(("id" = Uuid, Path, description = "The session")),
    responses((status = 204, description = "It is over"), Invalid, NotFound, Unavailable))]
pub async fn end_session(
    State(sessions): State<Arc<Sessions>>,
    scope: Scope,
    Path(id): Path<Uuid>,
) -> Result<StatusCode, Error> {
    own(scope)?;
    let mut transaction = sessions.db.begin().await?;
    commands::end(&mut transaction, OffsetDateTime::now_utc(), scope, id).await?;
    sessions.db.commit(transaction).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Whose sessions the caller reaches: never all, also where a rule said so by mistake.
fn own(scope: Scope) -> Result<Uuid, Problem> {
    scope.owner().ok_or_else(|| Problem::forbidden("this is for people with an account"))
}
