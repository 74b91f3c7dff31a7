//! The table `orders.payment_findings`: what does not fit between a provider's books and ours.

use super::rows::parsed;
use crate::payments::domain::{Finding, FindingKind, Provider};
use rust_decimal::Decimal;
use service_kit::read_columns;
use shared_types::{Money, PaymentId};
use sqlx::{PgConnection, PgExecutor};
use std::sync::LazyLock;
use time::OffsetDateTime;

/// Something that does not fit.
#[derive(Clone, Debug)]
pub struct NewFinding<'a> {
    pub kind: FindingKind,
    pub provider: Provider,
    pub payment: Option<PaymentId>,
    /// The provider's name of what it is about.
    pub object: &'a str,
    pub ours: Option<Money>,
    pub theirs: Option<Money>,
    /// For people.
    pub detail: &'a str,
}

/// Writes it down. The same again is nothing new: while it is open, and with these amounts also once it is resolved.
pub async fn insert(conn: &mut PgConnection, new: &NewFinding<'_>) -> Result<(), sqlx::Error> {
    let amount = |amount: Option<Money>| amount.map(Money::decimal);
    let (ours, theirs): (Option<Decimal>, Option<Decimal>) = (amount(new.ours), amount(new.theirs));
    sqlx::query!(
        "INSERT INTO orders.payment_findings (kind, provider, object_id, payment_id, ours, theirs, detail)
         SELECT $1::text, $2::text, $3::text, $4::bigint, $5::numeric, $6::numeric, $7::text
         WHERE NOT EXISTS (
             SELECT FROM orders.payment_findings
             WHERE provider = $2 AND object_id = $3 AND kind = $1
               AND ours IS NOT DISTINCT FROM $5 AND theirs IS NOT DISTINCT FROM $6)
         ON CONFLICT DO NOTHING",
        new.kind.as_str(),
        new.provider.as_str(),
        new.object,
        new.payment.map(|id| id.0),
        ours,
        theirs,
        new.detail
    )
    .execute(conn)
    .await?;
    Ok(())
}

read_columns! {
    /// The columns of `orders.payment_findings`.
    struct FindingRow {
        id: i64,
        kind: String,
        provider: String,
        object_id: String,
        payment_id: Option<i64>,
        ours: Option<Decimal>,
        theirs: Option<Decimal>,
        detail: String,
        found_at: OffsetDateTime,
        resolved_at: Option<OffsetDateTime>,
        resolved_by: Option<String>,
        note: Option<String>,
    }
}

impl TryFrom<FindingRow> for Finding {
    type Error = sqlx::Error;

    fn try_from(row: FindingRow) -> Result<Self, sqlx::Error> {
        Ok(Self {
            id: row.id,
            kind: parsed(&row.kind)?,
            provider: parsed(&row.provider)?,
            object_id: row.object_id,
            payment_id: row.payment_id.map(PaymentId),
            ours: row.ours.map(Money::from),
            theirs: row.theirs.map(Money::from),
            detail: row.detail,
            found_at: row.found_at,
            resolved_at: row.resolved_at,
            resolved_by: row.resolved_by,
            note: row.note,
        })
    }
}

static LIST: LazyLock<String> = LazyLock::new(|| {
    format!(
        "SELECT {} FROM orders.payment_findings f
         WHERE ($1::bigint IS NULL OR f.id < $1) AND ($2::boolean IS NULL OR (f.resolved_at IS NULL) = $2)
         ORDER BY f.id DESC LIMIT $3",
        FindingRow::select("f")
    )
});

/// A page, newest first: all of them, or those that are (or are not) open.
pub async fn list(
    db: impl PgExecutor<'_>,
    is_open: Option<bool>,
    after: Option<i64>,
    limit: i64,
) -> Result<Vec<Finding>, sqlx::Error> {
    let query = sqlx::query_as::<_, FindingRow>(LIST.as_str()).bind(after).bind(is_open).bind(limit);
    query.fetch_all(db).await?.into_iter().map(Finding::try_from).collect()
}

static RESOLVE: LazyLock<String> = LazyLock::new(|| {
    format!(
        "UPDATE orders.payment_findings AS f SET resolved_at = clock_timestamp(), resolved_by = $2, note = $3
         WHERE f.id = $1 AND f.resolved_at IS NULL RETURNING {}",
        FindingRow::select("f")
    )
});

/// Writes what was done about one that is open; gives none where it is not.
pub async fn resolve(conn: &mut PgConnection, id: i64, by: &str, note: &str) -> Result<Option<Finding>, sqlx::Error> {
    let query = sqlx::query_as::<_, FindingRow>(RESOLVE.as_str()).bind(id).bind(by).bind(note);
    query.fetch_optional(conn).await?.map(Finding::try_from).transpose()
}

/// Whether there is one with this number.
pub async fn exists(conn: &mut PgConnection, id: i64) -> Result<bool, sqlx::Error> {
    let found = sqlx::query_scalar!("SELECT id FROM orders.payment_findings WHERE id = $1", id);
    Ok(found.fetch_optional(conn).await?.is_some())
}

/// The number of the newest.
pub async fn newest(db: impl PgExecutor<'_>) -> Result<i64, sqlx::Error> {
    sqlx::query_scalar!(r#"SELECT COALESCE(max(id), 0) AS "id!" FROM orders.payment_findings"#).fetch_one(db).await
}

/// How many are newer than this one.
pub async fn newer_than(db: impl PgExecutor<'_>, id: i64) -> Result<i64, sqlx::Error> {
    let newer = sqlx::query_scalar!(r#"SELECT count(*) AS "count!" FROM orders.payment_findings WHERE id > $1"#, id);
    newer.fetch_one(db).await
}
