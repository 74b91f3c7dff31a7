//! What operators do to a letter that waits: edit its message, or decide that it needs nothing any more.

use super::{DeadLetter, DeadLetters, short, storable};
use shared_types::events::RawEvent;
use sqlx::PgExecutor;

impl DeadLetters {
    /// Puts another message in the place of a letter's, whose event it is. The message as it came stays beside it. Gives
    /// none where no such letter waits.
    pub async fn edit(
        self,
        db: impl PgExecutor<'_>,
        id: i64,
        (body, event): (&str, &RawEvent),
        by: &str,
        reason: &str,
    ) -> Result<Option<DeadLetter>, sqlx::Error> {
        let statement = "UPDATE {schema}.dead_letters
             SET original_body = COALESCE(original_body, body), body = $2, event_id = $3, event_type = $4, subject = $5,
                 edited_at = clock_timestamp(), edited_by = $6, edit_reason = $7
             WHERE id = $1 AND state = 'WAITING' RETURNING *";
        let row = sqlx::query(self.0.sql(statement))
            .bind(id)
            .bind(body.as_bytes())
            .bind(event.id)
            .bind(storable(&event.event_type))
            .bind(short(&event.subject))
            .bind(by)
            .bind(reason)
            .fetch_optional(db)
            .await?;
        row.as_ref().map(DeadLetter::read).transpose()
    }

    /// Marks a letter as one that needs nothing any more. Gives none where no such letter waits.
    pub async fn discard(
        self,
        db: impl PgExecutor<'_>,
        id: i64,
        by: &str,
        reason: &str,
    ) -> Result<Option<DeadLetter>, sqlx::Error> {
        let statement = "UPDATE {schema}.dead_letters
             SET discarded_at = clock_timestamp(), discarded_by = $2, discard_reason = $3, replay_due_at = NULL
             WHERE id = $1 AND state = 'WAITING' RETURNING *";
        let row = sqlx::query(self.0.sql(statement)).bind(id).bind(by).bind(reason).fetch_optional(db).await?;
        row.as_ref().map(DeadLetter::read).transpose()
    }
}
