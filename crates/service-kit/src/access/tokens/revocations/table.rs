//! The table of revocations, by which they outlive a restart and reach every instance.

use super::{Kind, Revocation};
use crate::schema::Schema;
use shared_types::events::{
    EventData, KeyRevoked, RawEvent, SessionEnded, SessionRevoked, SigningKeyRevoked, UnreadableEvent, UserChanged,
    UserDisabled, UserRolesChanged,
};
use sqlx::postgres::PgRow;
use sqlx::{PgConnection, PgPool, Row};
use std::collections::BTreeMap;
use time::OffsetDateTime;
use uuid::Uuid;

/// How long a token of a session or a user can be left: longer than any issuer's are good for.
const TOKENS_LAST: i64 = 24 * 3600;

/// How long a key may be known anywhere. Whoever has a stolen one signs what they like.
const KEYS_LAST: i64 = 30 * 24 * 3600;

/// How far back [`RevocationTable::recent`] looks: longer than a transaction can take that records one, and than a few
/// rounds that fail.
pub(in crate::access::tokens) const LOOK_BACK_SECONDS: u64 = 60;

/// Of the events that make tokens good for nothing.
pub(in crate::access::tokens) fn of_event(event: &RawEvent) -> Result<Option<Revocation>, UnreadableEvent> {
    let at = event.time.unix_timestamp();
    let all = |kind, id, lasts| Revocation { kind, id, issued_until: None, until: at + lasts };
    Ok(Some(match event.event_type.as_str() {
        SessionRevoked::TYPE => all(Kind::Session, event.data::<SessionEnded>()?.session_id.to_string(), TOKENS_LAST),
        UserDisabled::TYPE | UserRolesChanged::TYPE => {
            let id = event.data::<UserChanged>()?.user_id.to_string();
            Revocation { kind: Kind::Subject, id, issued_until: Some(at), until: at + TOKENS_LAST }
        }
        SigningKeyRevoked::TYPE => all(Kind::Key, event.data::<KeyRevoked>()?.kid, KEYS_LAST),
        _ => return Ok(None),
    }))
}

/// The revocations of one service.
#[derive(Clone, Copy, Debug)]
pub(in crate::access::tokens) struct RevocationTable(pub Schema);

impl RevocationTable {
    /// Writes them down, each once, in the order of their keys. One that is there already is widened.
    pub async fn record(self, conn: &mut PgConnection, revocations: Vec<Revocation>) -> Result<(), sqlx::Error> {
        let mut widest: BTreeMap<(&str, String), (Option<i64>, i64)> = BTreeMap::new();
        for Revocation { kind, id, issued_until, until } in revocations {
            let entry = widest.entry((kind.name(), id)).or_insert((issued_until, until));
            *entry = (entry.0.max(issued_until), entry.1.max(until));
        }
        let column = |of: fn(&(Option<i64>, i64)) -> Option<i64>| widest.values().map(of).collect::<Vec<_>>();
        sqlx::query(self.0.sql(
            "INSERT INTO {schema}.revocations AS r (kind, id, issued_until, until)
             SELECT kind, id, to_timestamp(issued_until), to_timestamp(until)
             FROM unnest($1::text[], $2::text[], $3::bigint[], $4::bigint[]) AS n (kind, id, issued_until, until)
             ORDER BY kind, id
             ON CONFLICT ON CONSTRAINT revocations_pkey DO UPDATE
             SET issued_until = greatest(r.issued_until, excluded.issued_until),
                 until = greatest(r.until, excluded.until), recorded_at = now()",
        ))
        .bind(widest.keys().map(|(kind, _)| (*kind).to_owned()).collect::<Vec<_>>())
        .bind(widest.keys().map(|(_, id)| id.clone()).collect::<Vec<_>>())
        .bind(column(|(issued_until, _)| *issued_until))
        .bind(column(|(_, until)| Some(*until)))
        .execute(conn)
        .await?;
        Ok(())
    }

    /// Up to which second the tokens of a user were taken back.
    pub async fn issued_until(self, conn: &mut PgConnection, user: Uuid) -> Result<Option<i64>, sqlx::Error> {
        let statement =
            "SELECT extract(epoch FROM issued_until)::bigint FROM {schema}.revocations WHERE kind = $1 AND id = $2";
        let row = sqlx::query(self.0.sql(statement)).bind(Kind::Subject.name()).bind(user.to_string());
        row.fetch_optional(conn).await?.map(|row| row.try_get(0)).transpose()
    }

    /// All that still matter.
    pub async fn all(self, pool: &PgPool) -> Result<Vec<Revocation>, sqlx::Error> {
        let statement = "SELECT kind, id, issued_until, until FROM {schema}.revocations WHERE until > now()";
        sqlx::query(self.0.sql(statement)).fetch_all(pool).await?.iter().map(read).collect()
    }

    /// Those of the last minute: a transaction that began earlier may commit later, so none is passed over.
    pub async fn recent(self, pool: &PgPool) -> Result<Vec<Revocation>, sqlx::Error> {
        let statement = "SELECT kind, id, issued_until, until FROM {schema}.revocations
                         WHERE recorded_at > now() - INTERVAL '60 seconds'";
        sqlx::query(self.0.sql(statement)).fetch_all(pool).await?.iter().map(read).collect()
    }

    /// Forgets those of which no token can be left; gives how many.
    pub async fn expire(self, conn: &mut PgConnection) -> Result<u64, sqlx::Error> {
        let statement = "DELETE FROM {schema}.revocations WHERE until < now()";
        Ok(sqlx::query(self.0.sql(statement)).execute(conn).await?.rows_affected())
    }
}

fn read(row: &PgRow) -> Result<Revocation, sqlx::Error> {
    let seconds = |time: OffsetDateTime| time.unix_timestamp();
    let kind = Kind::of(row.try_get("kind")?).ok_or(sqlx::Error::RowNotFound)?;
    let issued_until = row.try_get::<Option<OffsetDateTime>, _>("issued_until")?.map(seconds);
    Ok(Revocation { kind, id: row.try_get("id")?, issued_until, until: seconds(row.try_get("until")?) })
}
