//! EDGE: registering, proving an address, and setting a password that was forgotten.

use super::{Accounts, Taken};
use crate::accounts::commands;
use crate::accounts::config::Registration;
use crate::accounts::domain::{BadRegistration, Forgot, Register, Registered, Reset, Sent, Verify};
use crate::accounts::error::Error;
use crate::audit::{self, Action, Actor};
use crate::codes::Purpose;
use crate::guesses::{Kind, network_of};
use crate::passwords::{PersonalWords, Unhashed};
use crate::sessions::{self, Client};
use crate::users::{self, Account};
use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use service_kit::contact::EmailAddress;
use service_kit::documented::{InvalidBody, Unavailable};
use service_kit::extract;
use service_kit::proxies::Peer;
use std::net::IpAddr;
use std::sync::Arc;
use time::OffsetDateTime;
use uuid::Uuid;

/// Registers.
///
/// The answer is the same whether the address has an account or not; a code goes out by e-mail. Where registration needs
/// no code (`REGISTRATION=immediate`, for development), the answer is 201 with tokens.
#[utoipa::path(post, path = "/api/auth/register", tag = "auth", request_body = Register, responses(
    (status = 201, description = "The account, where registration needs no code", body = Registered),
    (status = 202, description = "If the address has no account, a code is on its way to it", body = Sent),
    InvalidBody, Taken, Unavailable))]
pub async fn register(
    State(accounts): State<Arc<Accounts>>,
    Peer(peer): Peer,
    headers: HeaderMap,
    extract::Json(body): extract::Json<Register>,
) -> Result<Response, Error> {
    let address = accounts.proxies.client(peer, &headers);
    let (new, password) = match body.parse(accounts.passwords.shortest()) {
        Ok(parsed) => parsed,
        Err(bad) => return Err(every_fault(&accounts, address, bad).await),
    };
    accounts.limits.take(Kind::Register, address)?;
    accounts.passwords.check(&password, PersonalWords::of(new.email.as_str(), new.name.as_deref())).await?;
    // Whether the address has an account or not: it takes as long.
    let hash = accounts.passwords.hash(&password).await?;

    let now = OffsetDateTime::now_utc();
    let mut transaction = accounts.db.begin().await?;
    if accounts.registration == Registration::Verified {
        commands::register_with_code(&mut transaction, now, &accounts.codes, &new, &hash).await?;
        accounts.db.commit(transaction).await?;
        return Ok((StatusCode::ACCEPTED, Json(Sent::ANSWER)).into_response());
    }
    let user = commands::register_at_once(&mut transaction, now, &new, &hash).await?;
    let (config, client) = (accounts.sessions.config(), Client { agent: None, network: network_of(address) });
    let (session, token) = sessions::open(&mut transaction, now, config, &user, &client).await?;
    let tokens = accounts.sessions.tokens(&mut transaction, now, &session, token).await?;
    audit::record(&mut transaction, now, &Actor::Nobody, Action::Registered, user.id, None).await?;
    accounts.db.commit(transaction).await?;
    Ok((StatusCode::CREATED, Json(Registered { tokens, user })).into_response())
}

/// What is wrong with a registration, its password included. To judge one takes a while, so that counts as a try.
async fn every_fault(accounts: &Accounts, address: IpAddr, bad: BadRegistration) -> Error {
    let BadRegistration { mut errors, to_judge } = bad;
    let Some((password, words)) = to_judge else { return errors.into() };
    if let Err(wait) = accounts.limits.take(Kind::Register, address) {
        return wait.into();
    }
    if let Err(Unhashed::Weak(reason)) = accounts.passwords.check(&password, words).await {
        errors.add("password", reason);
    }
    errors.into()
}

/// Shows the code that came by e-mail: the address is verified, and its person can log in.
#[utoipa::path(post, path = "/api/auth/verify", tag = "auth", request_body = Verify, responses(
    (status = 204, description = "The address is verified"), InvalidBody, Unavailable))]
pub async fn verify(
    State(accounts): State<Arc<Accounts>>,
    Peer(peer): Peer,
    headers: HeaderMap,
    extract::Json(body): extract::Json<Verify>,
) -> Result<StatusCode, Error> {
    let (email, code, password) = body.parse()?;
    accounts.limits.take(Kind::Code, accounts.proxies.client(peer, &headers))?;
    let (account, code) = right_code(&accounts, &email, Purpose::Verify, &code).await?;
    let registered = match password {
        Some(password) if accounts.passwords.matches(&password, account.password_hash.clone()).await? => Some(&account),
        Some(_) => return Err(Error::BadCode),
        None => None,
    };
    let mut transaction = accounts.db.begin().await?;
    let now = OffsetDateTime::now_utc();
    commands::verify(&mut transaction, now, &accounts.codes, &email.key(), code, registered).await?;
    accounts.db.commit(transaction).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Asks for a code to set a new password. The answer is the same whether the address has an account or not.
#[utoipa::path(post, path = "/api/auth/password/forgot", tag = "auth", request_body = Forgot, responses(
    (status = 202, description = "If the address has an account, a code is on its way to it", body = Sent),
    InvalidBody, Unavailable))]
pub async fn forgot_password(
    State(accounts): State<Arc<Accounts>>,
    Peer(peer): Peer,
    headers: HeaderMap,
    extract::Json(body): extract::Json<Forgot>,
) -> Result<(StatusCode, Json<Sent>), Error> {
    let email = body.parse()?;
    accounts.limits.take(Kind::Code, accounts.proxies.client(peer, &headers))?;
    let mut transaction = accounts.db.begin().await?;
    let now = OffsetDateTime::now_utc();
    commands::request_reset(&mut transaction, now, &accounts.codes, &email.key()).await?;
    accounts.db.commit(transaction).await?;
    Ok((StatusCode::ACCEPTED, Json(Sent::ANSWER)))
}

/// Sets a new password with a code: every session ends.
#[utoipa::path(post, path = "/api/auth/password/reset", tag = "auth", request_body = Reset, responses(
    (status = 204, description = "The password is set"), InvalidBody, Unavailable))]
pub async fn reset_password(
    State(accounts): State<Arc<Accounts>>,
    Peer(peer): Peer,
    headers: HeaderMap,
    extract::Json(body): extract::Json<Reset>,
) -> Result<StatusCode, Error> {
    let (email, code, password) = body.parse(accounts.passwords.shortest())?;
    accounts.limits.take(Kind::Code, accounts.proxies.client(peer, &headers))?;
    let (account, code) = right_code(&accounts, &email, Purpose::Reset, &code).await?;
    let words = PersonalWords::of(email.as_str(), account.user.name.as_deref());
    accounts.passwords.check(&password, words).await?;
    let hash = accounts.passwords.hash(&password).await?;
    let mut transaction = accounts.db.begin().await?;
    let now = OffsetDateTime::now_utc();
    commands::reset_password(&mut transaction, now, &accounts.codes, &email.key(), code, &hash).await?;
    accounts.db.commit(transaction).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// The account of an address and the row of its code, if this is the code. The try counts, whatever comes of it.
async fn right_code(
    accounts: &Accounts,
    email: &EmailAddress,
    purpose: Purpose,
    code: &str,
) -> Result<(Account, Uuid), Error> {
    let mut conn = accounts.db.pool().acquire().await?;
    let account = users::find_by_email(&mut *conn, &email.key()).await?;
    let user = account.as_ref().map(|account| account.user.id);
    let code = accounts.codes.attempt(&mut conn, OffsetDateTime::now_utc(), user, purpose, code).await?;
    account.zip(code).ok_or(Error::BadCode)
}
