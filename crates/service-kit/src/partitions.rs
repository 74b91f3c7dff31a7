//! Tables that are cut into partitions: more are added ahead of what comes, and those that are old enough are archived.
//!
//! What is done to the tables are functions of the database. Here is when. docs/months.md says how it works.

use crate::db::Database;
use crate::jobs;
use sqlx::PgConnection;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// How often it is looked whether there is anything to do. What was in the way may be over a moment later.
const LOOK_EVERY: Duration = Duration::from_secs(10);

/// For how long partitions are there before they are needed.
#[derive(clap::Args, Clone, Debug)]
#[group(id = "partitions")]
pub struct Config {
    /// Months for which there are partitions ahead
    #[arg(long, env = "PARTITIONS_AHEAD", default_value_t = 3, help_heading = "Months",
          value_parser = clap::value_parser!(u16).range(1..=24))]
    pub partitions_ahead: u16,
}

/// Tables that are cut and archived together, by functions of the database. All of it are literals in the code.
#[derive(Clone, Copy, Debug)]
pub struct Partitioned {
    /// What is in them: `orders`.
    pub what: &'static str,
    /// The job that looks after them, as the log names it.
    pub job: &'static str,
    /// Adds what is missing for the months ahead, `$1`; gives the names of what it added.
    pub add: &'static str,
    /// Gives one row: the oldest partition, if it has been over for `$1` months, and as text the key of a row because of
    /// which it has to stay; NULL for what there is not.
    pub to_archive: &'static str,
    /// Takes the partition `$1` out of the tables.
    pub archive: &'static str,
}

/// For how many months partitions are there ahead, and for how many they are kept after they are over: 0 for ever.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Terms {
    pub(crate) ahead: u16,
    pub(crate) keep: u16,
}

/// Looks after the tables at once and then again and again, until `shutdown`.
pub(crate) async fn keep(database: Database, tables: &'static Partitioned, terms: Terms, shutdown: CancellationToken) {
    let said = Arc::new(Mutex::new(None));
    let job = || look(database.clone(), tables, terms, said.clone());
    jobs::every(tables.job, Duration::ZERO, LOOK_EVERY, shutdown, job).await;
}

/// Adds the partitions to come, and archives what is old enough. `said` is because of which row one had to stay at the last
/// look.
async fn look(
    database: Database,
    tables: &'static Partitioned,
    terms: Terms,
    said: Arc<Mutex<Option<String>>>,
) -> Result<(), sqlx::Error> {
    let mut transaction = database.begin().await?;
    be_brief(&mut transaction).await?;
    let query = sqlx::query_scalar(tables.add).bind(i32::from(terms.ahead));
    let added: Vec<String> = query.fetch_all(&mut *transaction).await?;
    database.commit(transaction).await?;
    if !added.is_empty() {
        tracing::info!(of = tables.what, partitions = added.join(" "), "added partitions for what is to come");
    }
    let held_by = if terms.keep > 0 { archive(&database, tables, terms.keep).await? } else { None };
    let mut said = said.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(row) = held_by.as_ref().filter(|_| held_by != *said) {
        tracing::warn!(of = tables.what, row, "a partition is not archived: this row of it is not done with");
    }
    *said = held_by;
    Ok(())
}

/// Archives the partitions that are old enough, each in a transaction of its own. One that has to stay keeps those after it;
/// gives the row because of which it stays.
async fn archive(database: &Database, tables: &Partitioned, keep: u16) -> Result<Option<String>, sqlx::Error> {
    loop {
        let mut transaction = database.begin().await?;
        be_brief(&mut transaction).await?;
        let query = sqlx::query_as(tables.to_archive).bind(i32::from(keep));
        let (partition, held_by): (Option<String>, Option<String>) = query.fetch_one(&mut *transaction).await?;
        let Some(partition) = partition.filter(|_| held_by.is_none()) else { return Ok(held_by) };
        sqlx::query(tables.archive).bind(&partition).execute(&mut *transaction).await?;
        database.commit(transaction).await?;
        tracing::info!(of = tables.what, partition, "archived a partition");
    }
}

/// Waits for each lock for so short a time that all of them together are a tenth of a second at the most: whoever comes later
/// waits behind this.
async fn be_brief(conn: &mut PgConnection) -> Result<(), sqlx::Error> {
    sqlx::query("SET LOCAL lock_timeout = '25ms'").execute(conn).await?;
    Ok(())
}
