//! Registering, and proving that one reads mail to the address.

use super::announce;
use crate::accounts::error::Error;
use crate::audit::{self, Action, Actor};
use crate::codes::{Codes, Purpose};
use crate::users::{self, Account, NewUser, Status, User};
use secrecy::SecretString;
use sqlx::PgConnection;
use time::OffsetDateTime;
use uuid::Uuid;

/// Makes an account that its person may use at once.
pub async fn register_at_once(
    conn: &mut PgConnection,
    now: OffsetDateTime,
    new: &NewUser,
    hash: &SecretString,
) -> Result<User, Error> {
    let user = users::insert(conn, new, Some(hash), now).await?.ok_or(Error::Taken)?;
    announce::registered(conn, now, &user).await?;
    Ok(user)
}

/// Makes an account that its person may use once they have shown the code. Where the address has one, its owner is told so
/// by mail, and nobody else is.
pub async fn register_with_code(
    conn: &mut PgConnection,
    now: OffsetDateTime,
    codes: &Codes,
    new: &NewUser,
    hash: &SecretString,
) -> Result<(), Error> {
    if let Some(user) = users::insert(conn, new, Some(hash), now).await? {
        send(conn, now, codes, &user, Purpose::Verify).await?;
        audit::record(conn, now, &Actor::Nobody, Action::Registered, user.id, None).await?;
        return Ok(());
    }
    let Some(account) = users::lock_by_email(conn, &new.email.key()).await? else { return Ok(()) };
    let user = account.user;
    if user.status != Status::Active {
        return Ok(codes.pretend(conn, now, Purpose::Known).await?);
    }
    if user.email_verified {
        send(conn, now, codes, &user, Purpose::Known).await?;
    } else if send(conn, now, codes, &user, Purpose::Verify).await? {
        // Nobody has shown that the address is theirs: the last who registers, and reads the mail, has it.
        users::set_registration(conn, user.id, new, hash, now).await?;
    }
    Ok(())
}

/// Makes a code and has it sent; gives whether it did, as it does not twice in a minute.
pub(super) async fn send(
    conn: &mut PgConnection,
    now: OffsetDateTime,
    codes: &Codes,
    user: &User,
    purpose: Purpose,
) -> Result<bool, Error> {
    let Some(issued) = codes.issue(conn, now, user.id, purpose).await? else { return Ok(false) };
    announce::code(conn, now, user, purpose, issued.id).await?;
    Ok(true)
}

/// Uses up a code that was the right one: the address is verified, if it is still `registered` with the same password, where that
/// was shown.
pub async fn verify(
    conn: &mut PgConnection,
    now: OffsetDateTime,
    codes: &Codes,
    email_key: &str,
    code: Uuid,
    registered: Option<&Account>,
) -> Result<(), Error> {
    let account = users::lock_by_email(conn, email_key).await?.ok_or(Error::BadCode)?;
    if registered.is_some_and(|registered| !registered.has_password_of(&account)) {
        return Err(Error::BadCode);
    }
    if account.user.status != Status::Active || !codes.use_up(conn, now, code).await? {
        return Err(Error::BadCode);
    }
    users::set_verified(conn, account.user.id, now).await?;
    announce::registered(conn, now, &account.user).await?;
    let actor = Actor::User(account.user.id);
    Ok(audit::record(conn, now, &actor, Action::Verified, account.user.id, None).await?)
}
