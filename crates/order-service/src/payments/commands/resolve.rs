//! Notes what was done about something that does not fit between a provider's books and ours.

use crate::payments::domain::Finding;
use crate::payments::error::Error;
use crate::payments::store::findings;
use sqlx::PgConnection;

/// Resolves a finding, once.
pub async fn resolve(conn: &mut PgConnection, id: i64, by: &str, note: &str) -> Result<Finding, Error> {
    match findings::resolve(conn, id, by, note).await? {
        Some(finding) => Ok(finding),
        None if findings::exists(conn, id).await? => Err(Error::AlreadyResolved(id)),
        None => Err(Error::UnknownFinding(id)),
    }
}
