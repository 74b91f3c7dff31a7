//! What people do with their own account.

use crate::accounts::commands::announce;
use crate::accounts::domain::ProfileChange;
use crate::accounts::error::Error;
use crate::audit::{self, Action, Actor};
use crate::guesses;
use crate::sessions::{self, Reason};
use crate::users::{self, Account};
use secrecy::SecretString;
use service_kit::access::Scope;
use service_kit::contact::EmailAddress;
use sqlx::PgConnection;
use time::OffsetDateTime;
use uuid::Uuid;

/// Changes name and telephone number of a locked person.
pub async fn change_profile(
    conn: &mut PgConnection,
    now: OffsetDateTime,
    account: &Account,
    change: ProfileChange,
) -> Result<(), Error> {
    let user = &account.user;
    let (name, phone) = change.of(user);
    if (&name, &phone) == (&user.name, &user.phone) {
        return Ok(());
    }
    users::set_profile(conn, user.id, name.as_deref(), phone.as_deref(), now).await?;
    Ok(audit::record(conn, now, &Actor::User(user.id), Action::ProfileChanged, user.id, None).await?)
}

/// Sets the password, if it still is the one that was compared, and gives whether it is; the person's other sessions end.
pub async fn change_password(
    conn: &mut PgConnection,
    now: OffsetDateTime,
    scope: Scope,
    before: &Account,
    session: Option<Uuid>,
    hash: &SecretString,
) -> Result<bool, Error> {
    let id = before.user.id;
    let locked = users::lock(conn, scope, id).await?.ok_or(Error::UnknownAccount(id))?;
    if !locked.has_password_of(before) {
        return Ok(false);
    }
    users::set_password(conn, id, hash, now).await?;
    sessions::end_all(conn, now, id, session, Reason::Password).await?;
    announce::password_changed(conn, now, &locked.user).await?;
    audit::record(conn, now, &Actor::User(id), Action::PasswordChanged, id, None).await?;
    Ok(true)
}

/// Removes everything personal of a locked person. What names them by their id alone stays.
pub async fn erase(conn: &mut PgConnection, now: OffsetDateTime, account: &Account) -> Result<(), Error> {
    let user = &account.user;
    sessions::end_all(conn, now, user.id, None, Reason::Erased).await?;
    sessions::forget_clients(conn, user.id).await?;
    if let Some(email) = user.email.as_deref().and_then(|email| EmailAddress::parse(email).ok()) {
        guesses::forget_account(conn, &email.key()).await?;
        announce::erased(conn, now, user.id, email.as_str()).await?;
    }
    users::erase(conn, user.id, now).await?;
    announce::disabled(conn, now, user.id).await?;
    Ok(audit::record(conn, now, &Actor::User(user.id), Action::Erased, user.id, None).await?)
}
