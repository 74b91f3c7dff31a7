//! Remembers which events a consumer has dealt with, in the transaction of their effect: once, however often an
//! event comes.

use crate::portions::PORTION;
use crate::schema::Schema;
use sqlx::{PgConnection, PgPool};
use std::collections::HashSet;
use uuid::Uuid;

/// The inbox of one service.
#[derive(Clone, Copy, Debug)]
pub struct Inbox(pub Schema);

impl Inbox {
    /// Marks the events as dealt with, if none of them was before; fails on the primary key otherwise. They must be sorted
    /// and different, so that two consumers with overlapping batches cannot wait for each other in a circle.
    ///
    /// It costs two thirds of [`Self::claim`]: an event hardly ever comes twice.
    pub async fn claim_new(self, conn: &mut PgConnection, consumer: &str, events: &[Uuid]) -> Result<(), sqlx::Error> {
        let statement = "INSERT INTO {schema}.inbox (consumer, event_id) SELECT $1, unnest($2::uuid[])";
        sqlx::query(self.0.sql(statement)).bind(consumer).bind(events).execute(conn).await?;
        Ok(())
    }

    /// Marks the events as dealt with and gives those that were not before.
    ///
    /// Sorted as well. Of two consumers with overlapping batches the second waits, fails on the primary key, and finds those
    /// events when it tries again; others of its events may have come to be claimed meanwhile, so it may have to try more
    /// than once.
    pub async fn claim(
        self,
        conn: &mut PgConnection,
        consumer: &str,
        events: &[Uuid],
    ) -> Result<HashSet<Uuid>, sqlx::Error> {
        let statement = "INSERT INTO {schema}.inbox (consumer, event_id)
             SELECT DISTINCT $1, id FROM unnest($2::uuid[]) AS e (id)
             WHERE NOT EXISTS (SELECT FROM {schema}.inbox i WHERE i.event_id = e.id AND i.consumer = $1 OFFSET 0)
             ORDER BY id RETURNING event_id";
        let fresh: Vec<Uuid> =
            sqlx::query_scalar(self.0.sql(statement)).bind(consumer).bind(events).fetch_all(conn).await?;
        Ok(fresh.into_iter().collect())
    }

    /// Forgets a portion of the events of more than a week ago; gives how many. Those that wait as a dead letter stay: their
    /// effect may have come after the letter, and a replay must not bring it again.
    pub async fn expire(self, pool: &PgPool) -> Result<u64, sqlx::Error> {
        // OFFSET 0: the letters that wait are read once, not for each row.
        let statement = "DELETE FROM {schema}.inbox WHERE ctid = ANY(ARRAY(
                 SELECT i.ctid FROM {schema}.inbox i LEFT JOIN (
                     SELECT consumer, event_id FROM {schema}.dead_letters WHERE state = 'WAITING' OFFSET 0
                 ) AS letter USING (consumer, event_id)
                 WHERE i.received_at < now() - INTERVAL '7 days' AND letter.consumer IS NULL LIMIT $1))";
        Ok(sqlx::query(self.0.sql(statement)).bind(PORTION).execute(pool).await?.rows_affected())
    }
}
