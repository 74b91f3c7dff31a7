//! The statements of a queue that is a table: claim what is due, give it back, put it off.
//!
//! A queue is empty most of the time, and full at once. Why the statements look as they do: docs/locks-and-plans.md.

use sqlx::postgres::PgRow;
use sqlx::{AssertSqlSafe, FromRow, PgConnection, PgExecutor, Row};
use std::time::Duration;
use time::OffsetDateTime;
use tokio::time::Instant;

/// A table with work in it, which has a column `next_attempt_at`. All of it are literals in the code, so no input ever
/// reaches a statement by it.
#[derive(Clone, Copy, Debug)]
pub struct Table {
    /// Its name with its schema: `orders.pending_placements`.
    pub name: &'static str,
    /// The column of its key, a BIGINT.
    pub key: &'static str,
    /// What else must hold of a row `q` that is due; the index of the queue must serve it. `TRUE` if there is nothing.
    pub due: &'static str,
    /// The columns of a row `q` that a claim gives beside its key.
    pub columns: &'static str,
    /// The column with the time after which there is no attempt any more, if there is one: nothing is put off beyond it.
    pub give_up_at: Option<&'static str>,
}

/// A row that one worker is to work on now.
#[derive(Clone, Debug)]
pub struct Claimed<Work> {
    /// Its key.
    pub key: i64,
    /// When it is another's turn. Whoever records an outcome checks that the row still says so.
    pub leased_until: OffsetDateTime,
    /// What its other columns say.
    pub work: Work,
    /// When the lease ends on the clock of this process.
    pub(super) ends: Instant,
}

/// How long work waits after a failed attempt.
#[derive(Clone, Copy, Debug)]
pub struct Backoff {
    /// After the first attempt.
    pub first: Duration,
    /// How many times as long after each further one.
    pub factor: i32,
    /// The longest.
    pub longest: Duration,
    /// How much more or less than that by chance, so that not all come back at once: 50 means from half to half as much
    /// again.
    pub jitter_percent: i32,
}

impl Table {
    /// Takes up to `limit` rows that are due, those first that have been so for longest; gives them by key. For the time
    /// of `lease` no other worker gets them. Afterwards they are due again, unless an outcome was recorded.
    pub(super) async fn claim<Work>(
        &self,
        conn: &mut PgConnection,
        limit: usize,
        lease: Duration,
    ) -> Result<Vec<Claimed<Work>>, sqlx::Error>
    where
        Work: for<'r> FromRow<'r, PgRow>,
    {
        let ends = Instant::now() + lease;
        let Self { name, key, due, columns, .. } = self;
        // The place leads to the rows, and each partition of a table has that place: so the key is compared, too. By itself no
        // index can serve it, because of the sum.
        let statement = format!(
            "WITH due AS MATERIALIZED (
                 SELECT q.ctid AS place, q.{key} AS key FROM {name} q WHERE ({due}) AND q.next_attempt_at <= statement_timestamp()
                 ORDER BY q.next_attempt_at LIMIT $1 FOR UPDATE OF q SKIP LOCKED
             )
             UPDATE {name} q SET next_attempt_at = clock_timestamp() + $2 * INTERVAL '1 millisecond'
             WHERE q.ctid = ANY(ARRAY(SELECT place FROM due)) AND q.{key} + 0 = ANY(ARRAY(SELECT key FROM due))
             RETURNING q.{key} AS key, q.next_attempt_at AS leased_until, {columns}"
        );
        let query = sqlx::query(AssertSqlSafe(statement)).bind(i64::try_from(limit).unwrap_or(i64::MAX));
        let rows = query.bind(milliseconds(lease)).fetch_all(conn).await?;
        let claimed = |row: &PgRow| {
            let (key, leased_until) = (row.try_get("key")?, row.try_get("leased_until")?);
            Ok(Claimed { key, leased_until, work: Work::from_row(row)?, ends })
        };
        let mut claimed = rows.iter().map(claimed).collect::<Result<Vec<_>, sqlx::Error>>()?;
        claimed.sort_by_key(|claimed| claimed.key);
        Ok(claimed)
    }

    /// Makes claimed rows due again at once, except those whose lease has ended.
    pub(super) async fn give_back<Work>(
        &self,
        db: impl PgExecutor<'_>,
        claimed: &[Claimed<Work>],
    ) -> Result<(), sqlx::Error> {
        let Self { name, key, .. } = self;
        let statement = format!(
            "UPDATE {name} q SET next_attempt_at = clock_timestamp()
             FROM unnest($1::bigint[], $2::timestamptz[]) AS c (key, leased_until)
             WHERE q.{key} = ANY($1) AND q.{key} = c.key AND q.next_attempt_at = c.leased_until"
        );
        let keys: Vec<i64> = claimed.iter().map(|claimed| claimed.key).collect();
        let leases: Vec<OffsetDateTime> = claimed.iter().map(|claimed| claimed.leased_until).collect();
        sqlx::query(AssertSqlSafe(statement)).bind(keys).bind(leases).execute(db).await?;
        Ok(())
    }

    /// Counts a failed attempt of each row in its column `attempts`, and puts it off.
    pub async fn put_off(&self, conn: &mut PgConnection, keys: &[i64], backoff: Backoff) -> Result<(), sqlx::Error> {
        let Self { name, key, give_up_at, .. } = self;
        let latest = give_up_at.unwrap_or("'infinity'");
        let statement = format!(
            "UPDATE {name}
             SET attempts = attempts + 1, next_attempt_at = LEAST({latest}, clock_timestamp() + INTERVAL '1 millisecond'
                 * LEAST($2 * power($3, LEAST(attempts, 30)), $4) * (1 + (random() - 0.5) * $5 / 50))
             WHERE {key} = ANY($1)"
        );
        let Backoff { first, factor, longest, jitter_percent } = backoff;
        let query = sqlx::query(AssertSqlSafe(statement)).bind(keys);
        let query = query.bind(milliseconds(first)).bind(factor).bind(milliseconds(longest)).bind(jitter_percent);
        query.execute(conn).await?;
        Ok(())
    }
}

fn milliseconds(time: Duration) -> i64 {
    i64::try_from(time.as_millis()).unwrap_or(i64::MAX)
}
