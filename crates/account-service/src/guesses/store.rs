//! The table of failed log-ins. The wait is computed here as `domain::wait_after` computes it: many tries at once must not
//! see the same count.

use super::domain::{self, Guesser, MOST_IN_A_ROW, wait_after};
use service_kit::portions::PORTION;
use sqlx::{PgConnection, PgExecutor};
use time::{Duration, OffsetDateTime};

/// Whether a try may be made.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Claim {
    /// It may, and counts as failed until it succeeds.
    Granted,
    /// Not before so many seconds have passed.
    Wait(u32),
    /// Too many have failed in a row, wherever from: only a code helps. The client is told what it is told after a wrong
    /// password.
    OnlyByCode,
}

/// Counts a try as failed before it is made.
pub async fn claim(conn: &mut PgConnection, guesser: &Guesser, now: OffsetDateTime) -> Result<Claim, sqlx::Error> {
    let waits: Vec<i32> = (1..=10).map(|failures| seconds(wait_after(failures))).collect();
    let longest = waits.last().copied().unwrap_or_default();
    let claimed = sqlx::query_scalar!(
        "INSERT INTO accounts.guesses AS g (account, network, failures, blocked_until, last_at)
         VALUES ($1, $2, 1, to_timestamp(0), $3)
         ON CONFLICT (account, network) DO UPDATE
         SET failures = g.failures + 1, last_at = $3,
             -- Long ago where there is no wait: of two at once, the second may have looked at its clock earlier.
             blocked_until = CASE WHEN ($4::integer[])[g.failures + 1] = 0 THEN to_timestamp(0)
                 ELSE $3 + make_interval(secs => COALESCE(($4::integer[])[g.failures + 1], $5)) END
         WHERE g.blocked_until <= $3
         RETURNING failures",
        guesser.account,
        guesser.network,
        now,
        &waits,
        longest
    )
    .fetch_optional(&mut *conn)
    .await?;
    if claimed.is_none() {
        let until = sqlx::query_scalar!(
            "SELECT blocked_until FROM accounts.guesses WHERE account = $1 AND network = $2",
            guesser.account,
            guesser.network
        )
        .fetch_optional(conn)
        .await?;
        let left = until.map_or(0, |until| seconds(until - now));
        return Ok(Claim::Wait(u32::try_from(left).unwrap_or_default().max(1)));
    }
    let in_a_row = sqlx::query_scalar!(
        "INSERT INTO accounts.guesses AS g (account, network, failures, blocked_until, last_at)
         VALUES ($1, '', 1, to_timestamp(0), $2)
         ON CONFLICT (account, network) DO UPDATE SET failures = LEAST(g.failures + 1, $3 + 1), last_at = $2
         RETURNING failures",
        guesser.account,
        now,
        MOST_IN_A_ROW
    )
    .fetch_one(conn)
    .await?;
    Ok(if in_a_row > MOST_IN_A_ROW { Claim::OnlyByCode } else { Claim::Granted })
}

fn seconds(wait: Duration) -> i32 {
    i32::try_from(wait.whole_milliseconds().div_euclid(1000) + i128::from(wait.subsec_milliseconds() > 0))
        .unwrap_or(i32::MAX)
}

/// Forgets the failures of somebody who has logged in, and how many there were in a row.
pub async fn succeeded(conn: &mut PgConnection, guesser: &Guesser) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "DELETE FROM accounts.guesses WHERE account = $1 AND network IN ($2, '')",
        guesser.account,
        guesser.network
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Forgets all failures of an account whose password was set with a code.
pub async fn forget_account(conn: &mut PgConnection, email_key: &str) -> Result<(), sqlx::Error> {
    sqlx::query!("DELETE FROM accounts.guesses WHERE account = $1", domain::account_of(email_key))
        .execute(conn)
        .await?;
    Ok(())
}

/// Forgets a portion of the failures of networks that are a day old; gives how many. How many there were in a row stays for
/// three months, and for good where only a code helps.
pub async fn forget_old(db: impl PgExecutor<'_>, now: OffsetDateTime) -> Result<u64, sqlx::Error> {
    let forgotten = sqlx::query!(
        "DELETE FROM accounts.guesses WHERE ctid = ANY(ARRAY(
             SELECT ctid FROM accounts.guesses
             WHERE last_at < $1 AND (network <> '' OR (last_at < $2 AND failures <= $3)) LIMIT $4))",
        now - Duration::DAY,
        now - Duration::days(90),
        MOST_IN_A_ROW,
        PORTION
    );
    Ok(forgotten.execute(db).await?.rows_affected())
}
