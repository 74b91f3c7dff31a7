//! What administrators do with the accounts of others.

use super::announce;
use super::register::send;
use crate::accounts::error::Error;
use crate::audit::{self, Action, Actor};
use crate::codes::{Codes, Purpose};
use crate::sessions::{self, Reason};
use crate::users::{self, Account, Status};
use service_kit::access::Role;
use sqlx::PgConnection;
use std::collections::BTreeSet;
use time::OffsetDateTime;

/// Refuses what cannot be done to an account: nothing to an erased one, and administrators do not lock themselves out.
fn check(account: &Account, actor: &Actor) -> Result<(), Error> {
    if account.user.status == Status::Erased {
        return Err(Error::Erased);
    }
    if *actor == Actor::User(account.user.id) { Err(Error::OwnAccount) } else { Ok(()) }
}

/// Gives a locked person these roles. Tokens that say otherwise are good for nothing from then on.
pub async fn set_roles(
    conn: &mut PgConnection,
    now: OffsetDateTime,
    actor: &Actor,
    account: &Account,
    roles: &BTreeSet<Role>,
) -> Result<(), Error> {
    check(account, actor)?;
    let user = &account.user;
    if user.roles == *roles {
        return Ok(());
    }
    users::set_roles(conn, user.id, roles, now).await?;
    announce::roles(conn, now, user.id, roles).await?;
    let names: Vec<&str> = roles.iter().map(|role| role.name()).collect();
    Ok(audit::record(conn, now, actor, Action::RolesChanged, user.id, Some(&names.join(", "))).await?)
}

/// Keeps a locked person from logging in, and ends their sessions.
pub async fn disable(
    conn: &mut PgConnection,
    now: OffsetDateTime,
    actor: &Actor,
    account: &Account,
) -> Result<(), Error> {
    check(account, actor)?;
    let user = &account.user;
    if user.status == Status::Disabled {
        return Ok(());
    }
    users::set_status(conn, user.id, Status::Disabled, now).await?;
    sessions::end_all(conn, now, user.id, None, Reason::Disabled).await?;
    announce::disabled(conn, now, user.id).await?;
    Ok(audit::record(conn, now, actor, Action::Disabled, user.id, None).await?)
}

/// Lets a locked person log in again.
pub async fn enable(
    conn: &mut PgConnection,
    now: OffsetDateTime,
    actor: &Actor,
    account: &Account,
) -> Result<(), Error> {
    check(account, actor)?;
    if account.user.status == Status::Active {
        return Ok(());
    }
    users::set_status(conn, account.user.id, Status::Active, now).await?;
    Ok(audit::record(conn, now, actor, Action::Enabled, account.user.id, None).await?)
}

/// Has a code sent to a locked person, by which they set a new password. Nobody chooses one for somebody else.
pub async fn start_reset(
    conn: &mut PgConnection,
    now: OffsetDateTime,
    codes: &Codes,
    actor: &Actor,
    account: &Account,
) -> Result<(), Error> {
    match account.user.status {
        Status::Active => {}
        Status::Disabled => return Err(Error::Disabled),
        Status::Erased => return Err(Error::Erased),
    }
    send(conn, now, codes, &account.user, Purpose::Reset).await?;
    Ok(audit::record(conn, now, actor, Action::ResetRequested, account.user.id, None).await?)
}
