//! EDGE: dead letters over HTTP: look, edit, try out, send again, discard.

mod requests;

use self::requests::{
    AlreadyDone, Discard, EditLetter, LetterQuery, OtherEvent, ReplayOneQuery, ReplayQuery, Replayed,
};
use super::Admin;
use crate::access::Caller;
use crate::answer::Answer;
use crate::consumer::DryRun;
use crate::dead_letters::{DeadLetter, DeadLetters, LetterState};
use crate::documented::{Invalid, InvalidBody, KeyReused, Keyed, NotFound, Paged, ReadAfter, Unavailable};
use crate::extract::{Json, Path, Query};
use crate::idempotency::{IdempotencyKey, IdempotencyKeys};
use crate::pagination::Filtered;
use crate::problem::Problem;
use crate::reading::{ReadConnection, Reader};
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use shared_types::events::RawEvent;
use sqlx::PgConnection;

/// Messages that were set aside, newest first
#[utoipa::path(get, path = "/api/admin/dead-letters", tag = "admin", params(LetterQuery, Paged, ReadAfter), responses(
    (status = 200, description = "A page; `Link` names the next", body = [DeadLetter],
        headers(("Link" = String, description = "The next page, rel=\"next\""))),
    Invalid, Unavailable
))]
pub async fn list_dead_letters(
    State(admin): State<Admin>,
    reader: Reader,
    listed: Filtered<LetterQuery>,
) -> Result<Response, Problem> {
    let (page, filter) = listed.checked(|query| query.parse(&admin.consumers)).map_err(Problem::validation)?;
    let (letters, filter, after, limit) = (DeadLetters(admin.schema), &filter, page.after, page.fetch());
    let read = |mut conn: ReadConnection| async move { letters.list(&mut *conn, filter, after, limit).await };
    let found = admin.database.read(&reader, read).await?;
    Ok(page.answer(found, |letter| letter.id))
}

/// One message that was set aside
#[utoipa::path(get, path = "/api/admin/dead-letters/{id}", tag = "admin",
    params(("id" = i64, Path, description = "Number of the letter", example = 1)),
    responses((status = 200, description = "The letter", body = DeadLetter), Invalid, NotFound, Unavailable))]
pub async fn get_dead_letter(
    State(admin): State<Admin>,
    Path(id): Path<i64>,
) -> Result<axum::Json<DeadLetter>, Problem> {
    Ok(axum::Json(find(&admin, id).await?))
}

/// Puts another message in the place of one that cannot be dealt with as it is
///
/// It must be an event that can be read. The message as it came stays beside it.
#[utoipa::path(patch, path = "/api/admin/dead-letters/{id}", tag = "admin",
    request_body(content((EditLetter = "application/merge-patch+json"), (EditLetter = "application/json"))),
    params(("id" = i64, Path, description = "Number of the letter", example = 1)),
    responses(
        (status = 200, description = "The letter", body = DeadLetter),
        InvalidBody, NotFound, AlreadyDone, OtherEvent, Unavailable))]
pub async fn edit_dead_letter(
    State(admin): State<Admin>,
    caller: Caller,
    Path(id): Path<i64>,
    Json(body): Json<EditLetter>,
) -> Result<axum::Json<DeadLetter>, Problem> {
    let (message, reason) = body.parse().map_err(Problem::validation)?;
    let event = RawEvent::parse(message.as_bytes()).map_err(|error| {
        Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "unreadable-event", "Unreadable event", error)
    })?;
    let (letters, by) = (DeadLetters(admin.schema), caller.principal.name());
    let edited = letters.edit(admin.database.pool(), id, (&message, &event), &by, &reason).await;
    let letter = match edited {
        Err(sqlx::Error::Database(error)) if error.is_unique_violation() => {
            let detail = "another dead letter with this message waits in the same queue";
            return Err(Problem::new(StatusCode::CONFLICT, "already-waiting", "Already waiting", detail));
        }
        edited => edited?,
    };
    let Some(letter) = letter else { return Err(refused(&find(&admin, id).await?)) };
    tracing::info!(letter = id, by, "a dead letter was edited");
    Ok(axum::Json(letter))
}

/// Sends a message to its queue again, once the cause of its failure is removed
///
/// Its attempts begin anew. If it fails again, it becomes a new letter. With `dryRun=true` nothing is sent: the consumer
/// handles the message in a transaction that is rolled back, and the answer says what it did.
#[utoipa::path(post, path = "/api/admin/dead-letters/{id}/replay", tag = "admin",
    params(("id" = i64, Path, description = "Number of the letter", example = 1), ReplayOneQuery, Keyed),
    responses(
        (status = 200, description = "With `dryRun=true`: what the message would do", body = DryRun),
        (status = 202, description = "The letter; its message is on its way", body = DeadLetter),
        Invalid, NotFound, AlreadyDone, KeyReused, Unavailable))]
pub async fn replay_dead_letter(
    State(admin): State<Admin>,
    Path(id): Path<i64>,
    Query(query): Query<ReplayOneQuery>,
    key: IdempotencyKey,
) -> Result<Answer, Problem> {
    let letters = DeadLetters(admin.schema);
    if query.dry_run() {
        return dry_run(&admin, id).await;
    }
    let replay = async |conn: &mut PgConnection| {
        let Some(letter) = letters.replay(conn, id, &admin.consumers).await? else {
            let letter = letters.find(conn, id).await?;
            return Err(letter.map_or_else(|| unknown(id), |letter| refused(&letter)));
        };
        Ok((Answer::accepted(None, &letter)?, ()))
    };
    IdempotencyKeys(admin.schema).once(&admin.database, &key, &(), replay, |()| {}).await
}

async fn dry_run(admin: &Admin, id: i64) -> Result<Answer, Problem> {
    let letters = DeadLetters(admin.schema);
    let (letter, message) = letters.message(admin.database.pool(), id).await?.ok_or_else(|| unknown(id))?;
    if letter.state != LetterState::Waiting {
        return Err(refused(&letter));
    }
    match admin.dry_runs.run(&letter.consumer, message).await {
        Some(run) => Ok(Answer::ok(&run?)?),
        None => Err(refused(&letter)),
    }
}

/// Decides that a message needs nothing any more
///
/// It stays in the list, with who decided so and why, and is not replayed.
#[utoipa::path(post, path = "/api/admin/dead-letters/{id}/discard", tag = "admin", request_body = Discard,
    params(("id" = i64, Path, description = "Number of the letter", example = 1), Keyed),
    responses(
        (status = 200, description = "The letter", body = DeadLetter),
        InvalidBody, NotFound, AlreadyDone, KeyReused, Unavailable))]
pub async fn discard_dead_letter(
    State(admin): State<Admin>,
    caller: Caller,
    Path(id): Path<i64>,
    key: IdempotencyKey,
    Json(body): Json<Discard>,
) -> Result<Answer, Problem> {
    let reason = body.parse().map_err(Problem::validation)?;
    let (letters, by) = (DeadLetters(admin.schema), caller.principal.name());
    let discard = async |conn: &mut PgConnection| {
        let Some(letter) = letters.discard(&mut *conn, id, &by, &reason).await? else {
            let letter = letters.find(conn, id).await?;
            return Err(letter.map_or_else(|| unknown(id), |letter| refused(&letter)));
        };
        Ok((Answer::ok(&letter)?, ()))
    };
    let log = |()| tracing::info!(letter = id, by, "a dead letter was discarded");
    IdempotencyKeys(admin.schema).once(&admin.database, &key, &body, discard, log).await
}

/// Sends every message of a consumer again that waits, or those of them that the filter names, oldest first
///
/// With `perSecond` they are sent one after the other, so many in a second. Until its turn comes, a letter waits as before.
#[utoipa::path(post, path = "/api/admin/dead-letters/replay", tag = "admin", params(ReplayQuery, Keyed), responses(
    (status = 202, description = "How many messages are on their way", body = Replayed),
    Invalid, KeyReused, Unavailable
))]
pub async fn replay_dead_letters(
    State(admin): State<Admin>,
    Query(query): Query<ReplayQuery>,
    key: IdempotencyKey,
) -> Result<Answer, Problem> {
    let fingerprint = query.fingerprint();
    let (filter, per_second) = query.parse(&admin.consumers).map_err(Problem::validation)?;
    let letters = DeadLetters(admin.schema);
    let replay = async |conn: &mut PgConnection| {
        let replayed = match per_second {
            None => Replayed { replayed: letters.replay_all(conn, &filter).await?, last_at: None },
            Some(per_second) => {
                let (scheduled, last_at) = letters.schedule(conn, &filter, per_second).await?;
                Replayed { replayed: u64::try_from(scheduled).unwrap_or_default(), last_at }
            }
        };
        Ok::<_, Problem>((Answer::accepted(None, &replayed)?, ()))
    };
    IdempotencyKeys(admin.schema).once(&admin.database, &key, &fingerprint, replay, |()| {}).await
}

async fn find(admin: &Admin, id: i64) -> Result<DeadLetter, Problem> {
    DeadLetters(admin.schema).find(admin.database.pool(), id).await?.ok_or_else(|| unknown(id))
}

fn unknown(id: i64) -> Problem {
    Problem::not_found(format!("dead letter {id}"))
}

/// Why a letter that is there cannot be sent again, edited or discarded.
fn refused(letter: &DeadLetter) -> Problem {
    let (id, conflict) = (letter.id, StatusCode::CONFLICT);
    match letter.state {
        LetterState::Replayed => {
            let detail = format!("dead letter {id} was replayed already; had it failed again, it would be a new one");
            Problem::new(conflict, "already-replayed", "Already replayed", detail)
        }
        LetterState::Discarded => {
            let detail = format!("dead letter {id} was discarded already");
            Problem::new(conflict, "already-discarded", "Already discarded", detail)
        }
        // A queue of an earlier version: whatever is sent there, nobody gets.
        LetterState::Waiting => {
            let detail = format!("dead letter {id} came from {}, which is no longer consumed", letter.consumer);
            Problem::new(conflict, "not-consumed", "Queue not consumed", detail)
        }
    }
}
