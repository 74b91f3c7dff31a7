//! The table of people.

use super::domain::{NewUser, Status, User, role_of};
use secrecy::{ExposeSecret, SecretString};
use service_kit::access::{Role, Scope};
use sqlx::{PgConnection, PgExecutor};
use std::collections::BTreeSet;
use time::OffsetDateTime;
use uuid::Uuid;

/// A person with the hash of their password. `Debug` does not show it.
#[derive(Clone, Debug)]
pub struct Account {
    /// The person.
    pub user: User,
    /// The hash; none where no password was set yet.
    pub password_hash: Option<SecretString>,
}

impl Account {
    /// Whether it still has the password that another reading of it had.
    pub fn has_password_of(&self, other: &Self) -> bool {
        let hash = |account: &Self| account.password_hash.as_ref().map(|hash| hash.expose_secret().to_owned());
        hash(self) == hash(other)
    }
}

struct Row {
    id: Uuid,
    email: Option<String>,
    name: Option<String>,
    phone: Option<String>,
    status: String,
    roles: Vec<String>,
    verified: bool,
    password_hash: Option<String>,
    created_at: OffsetDateTime,
    version: i64,
}

impl From<Row> for Account {
    fn from(row: Row) -> Self {
        let user = User {
            id: row.id,
            email: row.email,
            name: row.name,
            phone: row.phone,
            roles: row.roles.iter().filter_map(|role| role_of(role)).collect(),
            status: Status::of(&row.status),
            email_verified: row.verified,
            created_at: row.created_at,
            version: row.version,
        };
        Self { user, password_hash: row.password_hash.map(SecretString::from) }
    }
}

fn names(roles: &BTreeSet<Role>) -> Vec<String> {
    roles.iter().map(|role| role.name().to_owned()).collect()
}

/// Makes an account; nothing where the address has one.
pub async fn insert(
    conn: &mut PgConnection,
    new: &NewUser,
    password_hash: Option<&SecretString>,
    now: OffsetDateTime,
) -> Result<Option<User>, sqlx::Error> {
    let row = sqlx::query_as!(
        Row,
        r#"INSERT INTO accounts.users (id, email, email_key, name, phone, roles, email_verified_at, password_hash,
               password_changed_at)
           VALUES ($1, $2, $3, $4, $5, $6, $7, $8, CASE WHEN $8::text IS NOT NULL THEN $9::timestamptz END)
           ON CONFLICT ON CONSTRAINT users_email_unique DO NOTHING
           RETURNING id, email, name, phone, status, roles, email_verified_at IS NOT NULL AS "verified!", password_hash,
               created_at, version"#,
        new.id,
        new.email.as_str(),
        new.email.key(),
        new.name,
        new.phone,
        &names(&new.roles),
        new.verified_at,
        password_hash.map(ExposeSecret::expose_secret),
        now
    )
    .fetch_optional(conn)
    .await?;
    Ok(row.map(|row| Account::from(row).user))
}

/// A person within the scope.
pub async fn find(db: impl PgExecutor<'_>, scope: Scope, id: Uuid) -> Result<Option<User>, sqlx::Error> {
    let row = sqlx::query_as!(
        Row,
        r#"SELECT id, email, name, phone, status, roles, email_verified_at IS NOT NULL AS "verified!", password_hash,
               created_at, version
           FROM accounts.users WHERE id = $1"#,
        id
    )
    .fetch_optional(db)
    .await?;
    Ok(row.map(|row| Account::from(row).user).filter(|user| scope.includes(Some(user.id))))
}

/// A person within the scope, who stays as they are until the transaction ends.
pub async fn lock(conn: &mut PgConnection, scope: Scope, id: Uuid) -> Result<Option<Account>, sqlx::Error> {
    let row = sqlx::query_as!(
        Row,
        r#"SELECT id, email, name, phone, status, roles, email_verified_at IS NOT NULL AS "verified!", password_hash,
               created_at, version
           FROM accounts.users WHERE id = $1 FOR NO KEY UPDATE"#,
        id
    )
    .fetch_optional(conn)
    .await?;
    Ok(row.map(Account::from).filter(|account| scope.includes(Some(account.user.id))))
}

/// The account of an address, by its key.
pub async fn find_by_email(db: impl PgExecutor<'_>, key: &str) -> Result<Option<Account>, sqlx::Error> {
    let row = sqlx::query_as!(
        Row,
        r#"SELECT id, email, name, phone, status, roles, email_verified_at IS NOT NULL AS "verified!", password_hash,
               created_at, version
           FROM accounts.users WHERE email_key = $1"#,
        key
    )
    .fetch_optional(db)
    .await?;
    Ok(row.map(Account::from))
}

/// The account of an address, which stays as it is until the transaction ends.
pub async fn lock_by_email(conn: &mut PgConnection, key: &str) -> Result<Option<Account>, sqlx::Error> {
    let row = sqlx::query_as!(
        Row,
        r#"SELECT id, email, name, phone, status, roles, email_verified_at IS NOT NULL AS "verified!", password_hash,
               created_at, version
           FROM accounts.users WHERE email_key = $1 FOR NO KEY UPDATE"#,
        key
    )
    .fetch_optional(conn)
    .await?;
    Ok(row.map(Account::from))
}

/// Which accounts an administrator looks for.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Of this address, by its key.
    pub email_key: Option<String>,
    /// Of this status.
    pub status: Option<Status>,
}

/// Accounts within the scope, newest first, older than `after`.
pub async fn list(
    db: impl PgExecutor<'_>,
    scope: Scope,
    filter: &Filter,
    after: Option<Uuid>,
    limit: i64,
) -> Result<Vec<User>, sqlx::Error> {
    if let Some(key) = &filter.email_key {
        // At the most one, by the index of addresses.
        let found = find_by_email(db, key).await?.map(|account| account.user);
        let is_wanted = |user: &User| {
            scope.includes(Some(user.id))
                && filter.status.is_none_or(|status| user.status == status)
                && after.is_none_or(|after| user.id < after)
        };
        return Ok(found.into_iter().filter(is_wanted).collect());
    }
    let rows = sqlx::query_as!(
        Row,
        r#"SELECT id, email, name, phone, status, roles, email_verified_at IS NOT NULL AS "verified!", password_hash,
               created_at, version
           FROM accounts.users
           WHERE id < COALESCE($1, 'ffffffff-ffff-ffff-ffff-ffffffffffff'::uuid)
             AND ($2::uuid IS NULL OR id = $2) AND ($3::text IS NULL OR status = $3)
           ORDER BY id DESC LIMIT $4"#,
        after,
        scope.owner(),
        filter.status.map(Status::name),
        limit
    )
    .fetch_all(db)
    .await?;
    Ok(rows.into_iter().map(|row| Account::from(row).user).collect())
}

/// Sets the password of a locked person.
pub async fn set_password(
    conn: &mut PgConnection,
    id: Uuid,
    hash: &SecretString,
    now: OffsetDateTime,
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "UPDATE accounts.users
         SET password_hash = $2, password_changed_at = $3, epoch = epoch + 1, version = version + 1, updated_at = $3
         WHERE id = $1",
        id,
        hash.expose_secret(),
        now
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Replaces what a locked person registered with, before the address was verified.
pub async fn set_registration(
    conn: &mut PgConnection,
    id: Uuid,
    new: &NewUser,
    hash: &SecretString,
    now: OffsetDateTime,
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "UPDATE accounts.users
         SET email = $2, name = $3, phone = $4, password_hash = $5, password_changed_at = $6, version = version + 1,
             updated_at = $6
         WHERE id = $1",
        id,
        new.email.as_str(),
        new.name,
        new.phone,
        hash.expose_secret(),
        now
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Notes that a locked person reads mail to their address.
pub async fn set_verified(conn: &mut PgConnection, id: Uuid, now: OffsetDateTime) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "UPDATE accounts.users
         SET email_verified_at = COALESCE(email_verified_at, $2), version = version + 1, updated_at = $2 WHERE id = $1",
        id,
        now
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Sets name and telephone number of a locked person.
pub async fn set_profile(
    conn: &mut PgConnection,
    id: Uuid,
    name: Option<&str>,
    phone: Option<&str>,
    now: OffsetDateTime,
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "UPDATE accounts.users SET name = $2, phone = $3, version = version + 1, updated_at = $4 WHERE id = $1",
        id,
        name,
        phone,
        now
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Sets the roles of a locked person.
pub async fn set_roles(
    conn: &mut PgConnection,
    id: Uuid,
    roles: &BTreeSet<Role>,
    now: OffsetDateTime,
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "UPDATE accounts.users SET roles = $2, epoch = epoch + 1, version = version + 1, updated_at = $3 WHERE id = $1",
        id,
        &names(roles),
        now
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Sets whether a locked person may log in.
pub async fn set_status(
    conn: &mut PgConnection,
    id: Uuid,
    status: Status,
    now: OffsetDateTime,
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "UPDATE accounts.users SET status = $2, epoch = epoch + 1, version = version + 1, updated_at = $3 WHERE id = $1",
        id,
        status.name(),
        now
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Takes everything personal off a locked person.
pub async fn erase(conn: &mut PgConnection, id: Uuid, now: OffsetDateTime) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "UPDATE accounts.users
         SET status = 'ERASED', email = NULL, email_key = NULL, email_verified_at = NULL, password_hash = NULL, name = NULL,
             phone = NULL, issuer = NULL, subject = NULL, roles = '{}', seller_id = NULL, epoch = epoch + 1,
             version = version + 1, updated_at = $2
         WHERE id = $1",
        id,
        now
    )
    .execute(conn)
    .await?;
    Ok(())
}
