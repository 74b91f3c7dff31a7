//! What others are told of accounts. No event holds a code.

use crate::codes::Purpose;
use crate::revocations;
use crate::schema::OUTBOX;
use crate::users::User;
use service_kit::access::Role;
use service_kit::fault::Fault;
use service_kit::outbox::Event;
use shared_types::events::{
    AccountHolder, CodeIssued, NewUser, UserChanged, UserCodeIssued, UserDisabled, UserErased, UserPasswordChanged,
    UserRegistered, UserRolesChanged,
};
use sqlx::PgConnection;
use std::collections::BTreeSet;
use time::OffsetDateTime;
use uuid::Uuid;

/// Somebody has an account and may use it.
pub async fn registered(conn: &mut PgConnection, now: OffsetDateTime, user: &User) -> Result<(), Fault> {
    let (email, name) = (user.email.clone().unwrap_or_default(), user.name.clone().unwrap_or_default());
    let event = Event::new(&UserRegistered(NewUser { user_id: user.id, email, name }))?;
    Ok(OUTBOX.enqueue(conn, now, &[event]).await?)
}

/// A code waits to be sent.
pub async fn code(
    conn: &mut PgConnection,
    now: OffsetDateTime,
    user: &User,
    purpose: Purpose,
    code_id: Uuid,
) -> Result<(), Fault> {
    let (email, name) = (user.email.clone().unwrap_or_default(), user.name.clone().unwrap_or_default());
    let (user_id, purpose) = (Some(user.id), purpose.name().to_owned());
    let event = Event::new(&UserCodeIssued(CodeIssued { code_id, purpose, user_id, email, name }))?;
    Ok(OUTBOX.enqueue(conn, now, &[event]).await?)
}

/// Somebody has another password: they are told, in case that it was not they who changed it.
pub async fn password_changed(conn: &mut PgConnection, now: OffsetDateTime, user: &User) -> Result<(), Fault> {
    let (email, name) = (user.email.clone().unwrap_or_default(), user.name.clone().unwrap_or_default());
    let event = Event::new(&UserPasswordChanged(AccountHolder { user_id: user.id, email, name }))?;
    Ok(OUTBOX.enqueue(conn, now, &[event]).await?)
}

/// Nothing personal is to be left of somebody with this address.
pub async fn erased(conn: &mut PgConnection, now: OffsetDateTime, user_id: Uuid, email: &str) -> Result<(), Fault> {
    let event = Event::new(&UserErased(AccountHolder { user_id, email: email.to_owned(), name: String::new() }))?;
    Ok(OUTBOX.enqueue(conn, now, &[event]).await?)
}

/// Somebody may no longer log in.
pub async fn disabled(conn: &mut PgConnection, now: OffsetDateTime, user: Uuid) -> Result<(), Fault> {
    revocations::announce(conn, now, &[UserDisabled(UserChanged { user_id: user, roles: Vec::new() })]).await
}

/// Somebody is something else than before.
pub async fn roles(
    conn: &mut PgConnection,
    now: OffsetDateTime,
    user: Uuid,
    roles: &BTreeSet<Role>,
) -> Result<(), Fault> {
    let roles = roles.iter().map(|role| role.name().to_owned()).collect();
    revocations::announce(conn, now, &[UserRolesChanged(UserChanged { user_id: user, roles })]).await
}
