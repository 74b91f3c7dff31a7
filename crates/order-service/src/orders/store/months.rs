//! The tables `orders.months` and `orders.order_ranges`: the partitions of orders, of their lines and of their timelines.

use sqlx::PgConnection;

/// Adds the partitions of the months to come; gives their names. Gives up when the tables are in use for long.
pub async fn add(conn: &mut PgConnection, ahead: i32) -> Result<Vec<String>, sqlx::Error> {
    be_brief(conn).await?;
    let months = sqlx::query_scalar!(r#"SELECT orders.add_months('orders', 'reference', $1) AS "name!""#, ahead);
    let mut added = months.fetch_all(&mut *conn).await?;
    let ranges = sqlx::query_scalar!(r#"SELECT orders.add_order_ranges($1) AS "name!""#, ahead);
    added.extend(ranges.fetch_all(conn).await?);
    Ok(added)
}

/// A month that is old enough to be archived.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct OldMonth {
    /// Its partition.
    pub partition: String,
    /// The number of an order because of which it has to stay.
    pub held_by: Option<i64>,
}

/// The oldest month, if it has been over for `keep` months.
pub async fn to_archive(conn: &mut PgConnection, keep: i32) -> Result<Option<OldMonth>, sqlx::Error> {
    let found =
        sqlx::query!("SELECT partition, held_by FROM orders.month_to_archive($1)", keep).fetch_one(conn).await?;
    Ok(found.partition.map(|partition| OldMonth { partition, held_by: found.held_by }))
}

/// Takes a month out of the tables. Gives up like [`add`].
pub async fn archive(conn: &mut PgConnection, partition: &str) -> Result<(), sqlx::Error> {
    be_brief(conn).await?;
    sqlx::query!("SELECT orders.archive_month($1)", partition).execute(conn).await?;
    Ok(())
}

/// Waits for each lock for so short a time that all of them together are a tenth of a second at the most: whoever comes later
/// waits behind this.
async fn be_brief(conn: &mut PgConnection) -> Result<(), sqlx::Error> {
    sqlx::query!("SET LOCAL lock_timeout = '25ms'").execute(conn).await?;
    Ok(())
}
