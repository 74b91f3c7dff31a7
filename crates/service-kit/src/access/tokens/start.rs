//! EDGE: what runs beside the requests so that tokens can be verified: keys are fetched, revocations are heard of.

use super::config::KeySource;
use super::fetch;
use super::issuer::Issuer;
use super::keys::KeySet;
use super::keys_table::KeysTable;
use super::revocations::table::{LOOK_BACK_SECONDS, RevocationTable, of_event};
use super::verifier::{Parts, Verifier};
use crate::consumer::{Decision, Handler, HandlerError};
use crate::db::{self, Database};
use crate::fault::Fault;
use crate::lifecycle::StartError;
use crate::schema::Schema;
use crate::workers::Workers;
use jsonwebtoken::jwk::Jwk;
use serde_json::json;
use shared_types::events::{RawEvent, UnreadableEvent};
use shared_types::topology::Queue;
use sqlx::{PgConnection, PgPool};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use time::OffsetDateTime;
use uuid::Uuid;

/// How often each instance looks for revocations that others have recorded.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// How long a start waits for the first keys: who is said to be ready knows tokens, where that can be had.
const FIRST_KEYS: Duration = Duration::from_secs(1);

impl Verifier {
    /// Starts to hear of revocations, by `queue`, and to fetch keys where there is an issuer, until the service ends. After
    /// the migrations: it needs `issuer_keys` and `revocations`.
    pub async fn start(
        &self,
        workers: &Workers,
        database: &Database,
        schema: Schema,
        queue: Queue,
    ) -> Result<(), StartError> {
        // Also where nobody is known by a token: what is announced must not pile up.
        workers.consume(queue, AccountEvents(schema, self.clone()));
        if self.knows_callers() { self.run(workers, database, schema, true).await } else { Ok(()) }
    }

    /// The same for the service that signs the access tokens: it has the keys ([`Self::take_keys`]) and records the
    /// revocations itself ([`record_revocations`]).
    pub async fn start_at_issuer(
        &self,
        workers: &Workers,
        database: &Database,
        schema: Schema,
    ) -> Result<(), StartError> {
        self.run(workers, database, schema, false).await
    }

    async fn run(&self, workers: &Workers, database: &Database, schema: Schema, asks: bool) -> Result<(), StartError> {
        let (pool, table) = (database.pool(), RevocationTable(schema));
        self.0.revocations.add(db::patiently(|| table.all(pool)).await?);
        let http = fetch::client()?;
        let users = self.0.users.iter().filter(|_| asks);
        for issuer in users.chain(&self.0.services) {
            let remembered = (pool.clone(), KeysTable(schema));
            db::patiently(|| recall(issuer, &remembered)).await?;
            let mut fetches = issuer.fetches();
            let (asked, http, refresh, token) = (issuer.clone(), http.clone(), self.0.refresh, workers.token());
            workers.spawn(async move { fetch::keep_fresh(&asked, http, Some(remembered), refresh, token).await });
            if !issuer.has_keys() {
                // An issuer that is away is no reason not to start.
                let _ = tokio::time::timeout(FIRST_KEYS, fetches.changed()).await;
            }
        }
        let (pool, parts, looked) = (pool.clone(), self.0.clone(), Arc::new(Mutex::new(Instant::now())));
        workers.every("revocations", LOOK_EVERY, move || look(pool.clone(), table, parts.clone(), looked.clone()));
        Ok(())
    }

    /// Takes what was taken back until now, by whichever instance, without waiting for the next look.
    pub async fn look_now(&self, database: &Database, schema: Schema) -> Result<(), sqlx::Error> {
        self.0.take_back(RevocationTable(schema).recent(database.pool()).await?);
        Ok(())
    }

    /// Takes the public keys of the service that signs the access tokens: at start, whenever they change, and every few
    /// hours, as they are good for `AUTH_KEYS_KEEP_HOURS`. API keys are exchanged at the endpoint, as elsewhere.
    pub fn take_keys(&self, keys: &[Jwk], token_endpoint: &str, now: OffsetDateTime) {
        let Some(users) = &self.0.users else { return };
        if let Ok(keys) = KeySet::from_jwks(&json!({"keys": keys}).to_string()) {
            users.set_own(keys, token_endpoint.to_owned(), now.unix_timestamp());
        }
    }
}

/// Takes what the issuer answered before the restart.
async fn recall(issuer: &Issuer, (pool, table): &(PgPool, KeysTable)) -> Result<(), sqlx::Error> {
    if matches!(issuer.source, KeySource::File(_)) {
        return Ok(());
    }
    let Some(last) = table.last(pool, &issuer.name).await? else { return Ok(()) };
    if let Ok(keys) = KeySet::from_jwks(&last.jwks) {
        issuer.set(keys, last.token_endpoint, last.fetched_at.unix_timestamp());
    }
    Ok(())
}

/// Takes what was recorded since the last look, by whichever instance. After a longer pause it takes everything.
async fn look(
    pool: PgPool,
    table: RevocationTable,
    parts: Arc<Parts>,
    looked: Arc<Mutex<Instant>>,
) -> Result<(), sqlx::Error> {
    let begun = Instant::now();
    let last = *looked.lock().unwrap_or_else(PoisonError::into_inner);
    let lately = begun.duration_since(last) < Duration::from_secs(LOOK_BACK_SECONDS / 2);
    let found = if lately { table.recent(&pool).await? } else { table.all(&pool).await? };
    parts.take_back(found);
    parts.revocations.forget_until(OffsetDateTime::now_utc().unix_timestamp());
    *looked.lock().unwrap_or_else(PoisonError::into_inner) = begun;
    Ok(())
}

/// Records what these events take back, in the transaction in which they are announced or heard of. Each instance of the
/// service then refuses the tokens within two seconds.
pub async fn record_revocations(conn: &mut PgConnection, schema: Schema, events: &[RawEvent]) -> Result<(), Fault> {
    let revocations = events.iter().map(of_event).collect::<Result<Vec<_>, _>>()?;
    RevocationTable(schema).record(conn, revocations.into_iter().flatten().collect()).await?;
    Ok(())
}

/// The second in which a token for the user is signed. Tokens know whole seconds: one of the second in which the user's were
/// taken back would be refused with those before it, so this waits for the next second.
pub async fn second_to_sign(
    conn: &mut PgConnection,
    schema: Schema,
    user: Uuid,
    now: OffsetDateTime,
) -> Result<i64, sqlx::Error> {
    match RevocationTable(schema).issued_until(conn, user).await? {
        Some(taken_back) if taken_back >= now.unix_timestamp() => {
            let next = OffsetDateTime::from_unix_timestamp(taken_back + 1).unwrap_or(now);
            let rest = Duration::try_from(next - OffsetDateTime::now_utc()).unwrap_or_default();
            // Where clocks of hosts differ, no longer than transactions may stand still.
            tokio::time::sleep(rest.min(Duration::from_secs(2))).await;
            Ok(taken_back + 1)
        }
        _ => Ok(now.unix_timestamp()),
    }
}

/// Forgets revocations of which no token can be left; gives how many.
pub(crate) async fn expire_revocations(conn: &mut PgConnection, schema: Schema) -> Result<u64, sqlx::Error> {
    RevocationTable(schema).expire(conn).await
}

/// Hears of what account-service has taken back.
#[derive(Clone, Debug)]
struct AccountEvents(Schema, Verifier);

/// Why an event about an account could not be dealt with.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
struct AccountEventError(#[from] Fault);

impl From<UnreadableEvent> for AccountEventError {
    fn from(error: UnreadableEvent) -> Self {
        Self(error.into())
    }
}

impl From<sqlx::Error> for AccountEventError {
    fn from(error: sqlx::Error) -> Self {
        Self(error.into())
    }
}

impl HandlerError for AccountEventError {
    fn decision(&self) -> Decision {
        self.0.decision()
    }

    fn is_unavailable(&self) -> bool {
        self.0.is_unavailable()
    }
}

impl Handler for AccountEvents {
    type Error = AccountEventError;
    /// What to refuse at once in this instance; the others see the rows.
    type Effect = Vec<super::revocations::Revocation>;

    async fn handle(&self, conn: &mut PgConnection, events: &[RawEvent]) -> Result<Self::Effect, Self::Error> {
        let found = events.iter().map(|event| match of_event(event)? {
            Some(revocation) => Ok(revocation),
            None => Err(Fault::UnexpectedEvent(event.event_type.clone())),
        });
        let found = found.collect::<Result<Vec<_>, Fault>>()?;
        RevocationTable(self.0).record(conn, found.clone()).await?;
        Ok(found)
    }

    fn committed(&self, effect: Self::Effect) {
        self.1.0.take_back(effect);
    }
}
