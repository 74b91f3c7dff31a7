//! Calls for operators, the same in every service: looking at dead letters, sending them again, and checking what must
//! always hold.

use crate::access::{Access, Guarded};
use crate::answer::Answer;
use crate::broker::Broker;
use crate::db::Database;
use crate::dead_letters::{DeadLetter, DeadLetters, Filter};
use crate::documented::{Invalid, KeyReused, Keyed, NotFound, Paged, Unavailable};
use crate::documented_problems;
use crate::extract::{Path, Query};
use crate::idempotency::{IdempotencyKey, IdempotencyKeys};
use crate::invariants::{self, Invariant, Invariants};
use crate::pagination::Page;
use crate::problem::Problem;
use crate::schema::Schema;
use crate::validation::FieldErrors;
use axum::Json;
use axum::extract::{FromRef, State};
use axum::http::StatusCode;
use axum::response::Response;
use serde::{Deserialize, Serialize};
use sqlx::PgConnection;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::routes;

/// What the calls need of a service.
#[derive(Clone, Debug)]
pub struct Admin {
    /// The service's database.
    pub database: Database,
    /// Where its tables are.
    pub schema: Schema,
    /// The queues that it consumes.
    pub consumers: Vec<&'static str>,
    /// What must always hold in its tables, module by module.
    pub invariants: Vec<&'static [Invariant]>,
    /// The broker, without which nothing can be announced.
    pub broker: Broker,
}

documented_problems! {
    /// A letter that cannot be sent again.
    AlreadyReplayed { "409": "it was replayed already, or its queue is no longer consumed" }
}

/// The routes, for any state that has an [`Admin`].
pub fn routes<S>() -> Guarded<S>
where
    Admin: FromRef<S>,
    S: Clone + Send + Sync + 'static,
{
    let read = || Access::OPERATORS.with_scope("admin:read");
    Guarded::new()
        .add(read(), routes!(list_dead_letters))
        .add(read(), routes!(get_dead_letter))
        .add(Access::OPERATORS, routes!(replay_dead_letter))
        .add(Access::OPERATORS, routes!(replay_dead_letters))
        .add(read(), routes!(check_invariants))
}

/// What narrows the list of dead letters down.
#[derive(Clone, Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct LetterQuery {
    /// Only those of this queue's consumer.
    consumer: Option<String>,
    /// Only those that were (true) or were not (false) sent again.
    replayed: Option<bool>,
}

/// Messages that were set aside, newest first
#[utoipa::path(get, path = "/api/admin/dead-letters", tag = "admin", params(LetterQuery, Paged), responses(
    (status = 200, description = "A page; `Link` names the next", body = [DeadLetter],
        headers(("Link" = String, description = "The next page, rel=\"next\""))),
    Invalid, Unavailable
))]
pub async fn list_dead_letters(
    State(admin): State<Admin>,
    page: Page,
    Query(query): Query<LetterQuery>,
) -> Result<Response, Problem> {
    if let Some(consumer) = &query.consumer {
        admin.check_consumer(consumer)?;
    }
    let filter = Filter { consumer: query.consumer, replayed: query.replayed };
    let letters = DeadLetters(admin.schema).list(admin.database.pool(), &filter, page.after, page.fetch()).await?;
    Ok(page.answer(letters, |letter| letter.id))
}

/// One message that was set aside
#[utoipa::path(get, path = "/api/admin/dead-letters/{id}", tag = "admin",
    params(("id" = i64, Path, description = "Number of the letter", example = 1)),
    responses((status = 200, description = "The letter", body = DeadLetter), Invalid, NotFound, Unavailable))]
pub async fn get_dead_letter(State(admin): State<Admin>, Path(id): Path<i64>) -> Result<Json<DeadLetter>, Problem> {
    let letter = DeadLetters(admin.schema).find(admin.database.pool(), id).await?;
    letter.map(Json).ok_or_else(|| unknown(id))
}

/// Sends a message to its queue again, once the cause of its failure is removed
///
/// Its attempts begin anew. If it fails again, it becomes a new letter.
#[utoipa::path(post, path = "/api/admin/dead-letters/{id}/replay", tag = "admin",
    params(("id" = i64, Path, description = "Number of the letter", example = 1), Keyed),
    responses(
        (status = 202, description = "The letter; its message is on its way", body = DeadLetter),
        Invalid, NotFound, AlreadyReplayed, KeyReused, Unavailable))]
pub async fn replay_dead_letter(
    State(admin): State<Admin>,
    Path(id): Path<i64>,
    key: IdempotencyKey,
) -> Result<Answer, Problem> {
    let letters = DeadLetters(admin.schema);
    let replay = async |conn: &mut PgConnection| {
        let Some(letter) = letters.replay(conn, id, &admin.consumers).await? else {
            let letter = letters.find(conn, id).await?;
            return Err(letter.map_or_else(|| unknown(id), |letter| refused(&letter)));
        };
        Ok((Answer::accepted(None, &letter)?, ()))
    };
    IdempotencyKeys(admin.schema).once(&admin.database, &key, &(), replay, |()| {}).await
}

/// Whose letters are to be sent again.
#[derive(Clone, Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct ReplayQuery {
    /// One of the queues that this service consumes.
    #[param(value_type = String, required)]
    consumer: Option<String>,
}

/// How many messages are on their way.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
pub struct Replayed {
    /// Messages.
    #[schema(example = 3)]
    replayed: u64,
}

/// Sends every message of a consumer again that was set aside and not replayed yet, oldest first
#[utoipa::path(post, path = "/api/admin/dead-letters/replay", tag = "admin", params(ReplayQuery, Keyed), responses(
    (status = 202, description = "How many messages are on their way", body = Replayed),
    Invalid, KeyReused, Unavailable
))]
pub async fn replay_dead_letters(
    State(admin): State<Admin>,
    Query(query): Query<ReplayQuery>,
    key: IdempotencyKey,
) -> Result<Answer, Problem> {
    let consumer = query.consumer.unwrap_or_default();
    admin.check_consumer(&consumer)?;
    let replay = async |conn: &mut PgConnection| {
        let replayed = DeadLetters(admin.schema).replay_all(conn, &consumer).await?;
        Ok::<_, Problem>((Answer::accepted(None, &Replayed { replayed })?, ()))
    };
    IdempotencyKeys(admin.schema).once(&admin.database, &key, &consumer, replay, |()| {}).await
}

impl Admin {
    fn check_consumer(&self, consumer: &str) -> Result<(), Problem> {
        // A service that consumes nothing has no letters: there is nothing to name.
        if self.consumers.is_empty() || self.consumers.contains(&consumer) {
            return Ok(());
        }
        let message = format!("must be one of {}", self.consumers.join(", "));
        Err(Problem::validation(FieldErrors::one("consumer", message)))
    }
}

fn unknown(id: i64) -> Problem {
    Problem::not_found(format!("dead letter {id}"))
}

/// Why a letter that is there cannot be sent again.
fn refused(letter: &DeadLetter) -> Problem {
    let (id, conflict) = (letter.id, StatusCode::CONFLICT);
    if letter.replayed_at.is_some() {
        let detail = format!("dead letter {id} was replayed already; had it failed again, it would be a new one");
        return Problem::new(conflict, "already-replayed", "Already replayed", detail);
    }
    // A queue of an earlier version: whatever is sent there, nobody gets.
    let detail = format!("dead letter {id} came from {}, which is no longer consumed", letter.consumer);
    Problem::new(conflict, "not-consumed", "Queue not consumed", detail)
}

/// Whether everything holds that must always hold
///
/// Looks at every row of the service, in one snapshot: on large tables it takes its time, and one check is made at a
/// time. What concerns both services, that orders and reservations agree, `cargo xtask verify` compares.
#[utoipa::path(get, path = "/api/admin/invariants", tag = "admin", responses(
    (status = 200, description = "Whether all hold, or where they do not", body = Invariants),
    Unavailable
))]
pub async fn check_invariants(State(admin): State<Admin>) -> Result<Json<Invariants>, Problem> {
    let broker_is_up = admin.broker.status().is_ok();
    let outcome = invariants::check(&admin.database, admin.schema, &admin.invariants, broker_is_up).await?;
    outcome.map(Json).ok_or_else(|| Problem::unavailable("another check is under way"))
}
