//! Creating, replacing and deleting addresses, and choosing the defaults. Each change locks the owner first: whoever has
//! addresses has one default of each kind at every moment.

use super::domain::{Address, AddressInput, Defaults, MOST_ADDRESSES};
use super::error::Error;
use super::store;
use crate::users::{self, Status};
use service_kit::access::Scope;
use sqlx::PgConnection;
use uuid::Uuid;

/// Writes a new address. The first one becomes the default for everything.
pub async fn create(conn: &mut PgConnection, scope: Scope, input: &AddressInput) -> Result<Address, Error> {
    lock_owner(conn, scope).await?;
    let count = store::count(conn, scope).await?;
    if count >= MOST_ADDRESSES {
        return Err(Error::TooMany);
    }
    let defaults = Defaults { shipping: count == 0, billing: count == 0 };
    Ok(store::insert(conn, scope, input, defaults).await?)
}

/// Locks the owner and gives their address, which stays as it is until the transaction ends.
pub async fn lock(conn: &mut PgConnection, scope: Scope, id: Uuid) -> Result<Address, Error> {
    lock_owner(conn, scope).await?;
    store::find(conn, scope, id).await?.ok_or(Error::UnknownAddress(id))
}

/// Replaces a locked address. What is as it was is not written.
pub async fn replace(
    conn: &mut PgConnection,
    scope: Scope,
    before: Address,
    input: &AddressInput,
) -> Result<Address, Error> {
    if before.input() == *input {
        return Ok(before);
    }
    store::update(conn, scope, before.id, input).await?.ok_or(Error::UnknownAddress(before.id))
}

/// Deletes a locked address. Where it was a default, the newest of the others takes its place.
pub async fn delete(conn: &mut PgConnection, scope: Scope, address: &Address) -> Result<(), Error> {
    store::delete(conn, scope, address.id).await?;
    let lost = Defaults { shipping: address.default_shipping, billing: address.default_billing };
    if let Some(newest) = store::list(&mut *conn, scope).await?.last() {
        store::switch_defaults(conn, scope, newest.id, lost).await?;
    }
    Ok(())
}

/// Makes a locked address the default of these kinds.
pub async fn make_default(
    conn: &mut PgConnection,
    scope: Scope,
    id: Uuid,
    defaults: Defaults,
) -> Result<Address, Error> {
    store::switch_defaults(conn, scope, id, defaults).await?;
    store::find(conn, scope, id).await?.ok_or(Error::UnknownAddress(id))
}

async fn lock_owner(conn: &mut PgConnection, scope: Scope) -> Result<(), Error> {
    let owner = scope.owner().ok_or(Error::UnknownAccount)?;
    match users::lock(conn, scope, owner).await? {
        Some(account) if account.user.status == Status::Active => Ok(()),
        _ => Err(Error::UnknownAccount),
    }
}
