//! EDGE: what is done from the terminal, by who may use the machine.

use super::error::Error;
use crate::audit::{self, Action, Actor};
use crate::codes::{Codes, Issued, Purpose};
use crate::sealing::Seal;
use crate::signing_keys;
use crate::users::{self, NewUser};
use service_kit::access::Role;
use service_kit::contact::EmailAddress;
use service_kit::db::Database;
use service_kit::fault::Fault;
use sqlx::PgConnection;
use time::OffsetDateTime;
use uuid::Uuid;

/// Makes the account of the address an administrator's, and gives a code by which a password is set for it.
pub async fn create_admin(database: &Database, codes: &Codes, email: &EmailAddress) -> Result<Issued, Error> {
    let mut transaction = database.begin().await?;
    let issued = make_admin(&mut transaction, OffsetDateTime::now_utc(), codes, email).await?;
    database.commit(transaction).await?;
    Ok(issued)
}

async fn make_admin(
    conn: &mut PgConnection,
    now: OffsetDateTime,
    codes: &Codes,
    email: &EmailAddress,
) -> Result<Issued, Error> {
    let roles = [Role::Admin].into();
    let new =
        NewUser { id: Uuid::now_v7(), email: email.clone(), name: None, phone: None, roles, verified_at: Some(now) };
    let id = match users::insert(conn, &new, None, now).await? {
        Some(user) => user.id,
        None => {
            let account = users::lock_by_email(conn, &email.key()).await?.ok_or(Error::Erased)?;
            let roles = account.user.roles.iter().copied().chain([Role::Admin]).collect();
            let id = account.user.id;
            super::commands::set_roles(conn, now, &Actor::Operator, &account, &roles).await?;
            id
        }
    };
    let issued = codes.issue_at_once(conn, now, id, Purpose::Reset).await?;
    audit::record(conn, now, &Actor::Operator, Action::ResetRequested, id, Some("create-admin")).await?;
    Ok(issued)
}

/// Revokes every key that signed tokens, and makes a new one. Gives the names of those that were revoked.
pub async fn rotate_keys(database: &Database, seal: &Seal) -> Result<Vec<String>, Fault> {
    let mut transaction = database.begin().await?;
    let now = OffsetDateTime::now_utc();
    let revoked = signing_keys::rotate_now(&mut transaction, now, seal).await?;
    let (action, count) = (Action::SigningKeysRotated, revoked.len().to_string());
    audit::record(&mut transaction, now, &Actor::Operator, action, Uuid::nil(), Some(&count)).await?;
    database.commit(transaction).await?;
    Ok(revoked)
}
