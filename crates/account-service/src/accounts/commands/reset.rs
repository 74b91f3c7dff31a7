//! Setting a password with a code.

use super::announce;
use super::register::send;
use crate::accounts::error::Error;
use crate::audit::{self, Action, Actor};
use crate::codes::{Codes, Purpose};
use crate::guesses;
use crate::sessions::{self, Reason};
use crate::users::{self, Status};
use secrecy::SecretString;
use sqlx::PgConnection;
use time::OffsetDateTime;
use uuid::Uuid;

/// Sends a code to the address, if it has an account that may log in.
pub async fn request_reset(
    conn: &mut PgConnection,
    now: OffsetDateTime,
    codes: &Codes,
    email_key: &str,
) -> Result<(), Error> {
    let account = users::lock_by_email(conn, email_key).await?;
    match account.filter(|account| account.user.status == Status::Active) {
        Some(account) => _ = send(conn, now, codes, &account.user, Purpose::Reset).await?,
        None => codes.pretend(conn, now, Purpose::Reset).await?,
    }
    Ok(())
}

/// Uses up a code that was the right one, and sets the password: every session ends, and failed log-ins are forgotten.
pub async fn reset_password(
    conn: &mut PgConnection,
    now: OffsetDateTime,
    codes: &Codes,
    email_key: &str,
    code: Uuid,
    hash: &SecretString,
) -> Result<(), Error> {
    let account = users::lock_by_email(conn, email_key).await?.ok_or(Error::BadCode)?;
    let user = account.user;
    if user.status != Status::Active || !codes.use_up(conn, now, code).await? {
        return Err(Error::BadCode);
    }
    users::set_password(conn, user.id, hash, now).await?;
    // The code came to the address.
    users::set_verified(conn, user.id, now).await?;
    sessions::end_all(conn, now, user.id, None, Reason::Password).await?;
    guesses::forget_account(conn, email_key).await?;
    announce::password_changed(conn, now, &user).await?;
    Ok(audit::record(conn, now, &Actor::User(user.id), Action::PasswordReset, user.id, None).await?)
}
