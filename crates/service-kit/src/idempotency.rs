//! `Idempotency-Key` (IETF draft): the row, the effect and the saved answer stand in one transaction.
//!
//! A second request with the same key waits at the row until the first has committed, and gets the same answer; when
//! the first fails, its row goes with it and the key is free again.
//!
//! A key is its caller's: the same key of another caller is another key. Whose it is stands in front of the route, so the table
//! is as it was. Callers without a token have nothing there, as in builds that knew no callers: a request that comes again
//! after the upgrade finds the answer that an earlier build kept.

use crate::access::Caller;
use crate::answer::Answer;
use crate::db::Database;
use crate::fault::Fault;
use crate::portions::PORTION;
use crate::problem::Problem;
use crate::schema::Schema;
use crate::validation::FieldErrors;
use axum::extract::{FromRequestParts, MatchedPath, RawPathParams};
use axum::http::request::Parts;
use serde::Serialize;
use sha2::{Digest, Sha256};
use sqlx::{PgConnection, PgPool, Row};
use std::collections::HashMap;
use uuid::Uuid;

/// Longest key, in characters.
const LONGEST_KEY: usize = 255;

/// How often a key is asked for: between finding it taken and reading its answer, it may be a day old and be forgotten.
const CLAIMS: usize = 2;

/// The key of a request, if it has one, whose it is, and the route it counts for.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct IdempotencyKey {
    /// The caller, if it has a token, method and path: `user:01936f5e-… POST /api/orders`. The same key on another path is
    /// another key. However the client writes the ids in a path, there is one text for it.
    pub route: String,
    /// The key; without one nothing is remembered.
    pub key: Option<String>,
}

impl<S: Send + Sync> FromRequestParts<S> for IdempotencyKey {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let mut keys = parts.headers.get_all("idempotency-key").iter();
        let Some(value) = keys.next() else { return Ok(Self { route: String::new(), key: None }) };
        let refused = |message| Problem::validation(FieldErrors::one("Idempotency-Key", message));
        if keys.next().is_some() {
            return Err(refused("stands twice".to_owned()));
        }
        let key = value.to_str().ok().and_then(parse_key).ok_or_else(|| {
            refused(format!("must have 1 to {LONGEST_KEY} printable ASCII characters, in quotes or without any"))
        })?;
        let key = Some(key.to_owned());
        let route = route(parts, state).await;
        let owner = Caller::of(&parts.extensions).map(|caller| caller.principal.owner_of_answers()).unwrap_or_default();
        let route = if owner.is_empty() { route } else { format!("{owner} {route}") };
        Ok(Self { route, key })
    }
}

/// The draft writes the key as a quoted string; most clients leave the quotes out.
fn parse_key(header: &str) -> Option<&str> {
    let header = header.trim();
    let key = header.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(header);
    let printable = |c: char| matches!(c, ' ' | '!' | '#'..='~');
    ((1..=LONGEST_KEY).contains(&key.len()) && key.chars().all(printable)).then_some(key)
}

/// Method and path, each id in its own notation: `/orders/01` and `/orders/%31` are `/orders/1`.
async fn route<S: Send + Sync>(parts: &mut Parts, state: &S) -> String {
    let written = format!("{} {}", parts.method, parts.uri.path());
    let Some(matched) = parts.extensions.get::<MatchedPath>().cloned() else { return written };
    if !matched.as_str().contains('{') {
        return written;
    }
    let Ok(parameters) = RawPathParams::from_request_parts(parts, state).await else { return written };
    let fill = |path: String, (name, value): (&str, &str)| path.replace(&format!("{{{name}}}"), &canonical(value));
    format!("{} {}", parts.method, parameters.iter().fold(matched.as_str().to_owned(), fill))
}

/// An id in its own notation.
pub(crate) fn canonical(id: &str) -> String {
    let number = id.parse::<i64>().map(|number| number.to_string());
    number.or_else(|_| id.parse::<Uuid>().map(|id| id.to_string())).unwrap_or_else(|_| id.to_owned())
}

/// What tells one request from another: a hash of its parsed body, so that white space does not matter.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Fingerprint(Vec<u8>);

impl Fingerprint {
    /// The fingerprint of a parsed body.
    pub fn of(body: &impl Serialize) -> Result<Self, serde_json::Error> {
        let mut json = Vec::with_capacity(512);
        serde_json::to_writer(&mut json, body)?;
        Ok(Self(Sha256::digest(json).to_vec()))
    }
}

/// Why a keyed request cannot be answered.
#[derive(Debug, thiserror::Error)]
pub enum IdempotencyError {
    /// The key belongs to another request.
    #[error("the Idempotency-Key was used before, with another request")]
    Reused,
    /// The database failed.
    #[error(transparent)]
    Database(#[from] sqlx::Error),
}

/// An answer that was kept.
#[derive(Clone, Debug)]
pub struct Kept {
    fingerprint: Fingerprint,
    answer: Answer,
}

impl Kept {
    /// The kept answer, provided that it is to the same request.
    pub fn replay(&self, fingerprint: &Fingerprint) -> Result<Answer, IdempotencyError> {
        if self.fingerprint == *fingerprint { Ok(self.answer.clone()) } else { Err(IdempotencyError::Reused) }
    }
}

/// A key with the answer to keep for it.
#[derive(Clone, Debug)]
pub struct NewAnswer<'a> {
    /// The key; nothing is kept without one.
    pub key: &'a IdempotencyKey,
    /// Of the request.
    pub fingerprint: &'a Fingerprint,
    /// Its answer.
    pub answer: &'a Answer,
}

/// The table of kept answers of one service.
#[derive(Clone, Copy, Debug)]
pub struct IdempotencyKeys(pub Schema);

impl IdempotencyKeys {
    /// Does the work of a keyed request once, in a transaction of its own: begins, takes the key, works, keeps the answer,
    /// commits. A repeat gets the kept answer and does no work.
    ///
    /// What is to happen after the commit goes into `committed`, with what `work` gives it. It does not run for a repeat.
    pub async fn once<Effect, E>(
        self,
        database: &Database,
        key: &IdempotencyKey,
        body: &impl Serialize,
        work: impl AsyncFnOnce(&mut PgConnection) -> Result<(Answer, Effect), E>,
        committed: impl FnOnce(Effect),
    ) -> Result<Answer, E>
    where
        E: From<Fault>,
    {
        let fingerprint = Fingerprint::of(body).map_err(Fault::from)?;
        let mut transaction = database.begin().await.map_err(Fault::from)?;
        if let Some(kept) = self.claim(&mut transaction, key, &fingerprint).await.map_err(Fault::from)? {
            return Ok(kept);
        }
        let (answer, effect) = work(&mut transaction).await?;
        self.keep(&mut transaction, key, &answer).await.map_err(Fault::from)?;
        database.commit(transaction).await.map_err(Fault::from)?;
        committed(effect);
        Ok(answer)
    }

    /// Takes the key for this transaction. Gives the kept answer where the request was served before; waits while
    /// another transaction holds the key.
    async fn claim(
        self,
        conn: &mut PgConnection,
        key: &IdempotencyKey,
        fingerprint: &Fingerprint,
    ) -> Result<Option<Answer>, IdempotencyError> {
        let Some(name) = key.key.as_deref() else { return Ok(None) };
        for _ in 0..CLAIMS {
            let claimed = sqlx::query(self.0.sql(
                "INSERT INTO {schema}.idempotency_keys (route, key, request_hash) VALUES ($1, $2, $3)
                 ON CONFLICT DO NOTHING",
            ))
            .bind(&key.route)
            .bind(name)
            .bind(&fingerprint.0)
            .execute(&mut *conn)
            .await?;
            if claimed.rows_affected() == 1 {
                return Ok(None);
            }
            if let Some(kept) = self.find(conn, &[key]).await?.get(key) {
                return kept.replay(fingerprint).map(Some);
            }
        }
        Err(sqlx::Error::RowNotFound.into())
    }

    /// Keeps the answer for the key that [`Self::claim`] took.
    async fn keep(self, conn: &mut PgConnection, key: &IdempotencyKey, answer: &Answer) -> Result<(), sqlx::Error> {
        let Some(name) = key.key.as_deref() else { return Ok(()) };
        sqlx::query(self.0.sql(
            "UPDATE {schema}.idempotency_keys SET status = $3, location = $4, etag = $5, body = $6
             WHERE route = $1 AND key = $2",
        ))
        .bind(&key.route)
        .bind(name)
        .bind(i16::try_from(answer.status).unwrap_or(200))
        .bind(&answer.location)
        .bind(&answer.etag)
        .bind(&answer.body)
        .execute(conn)
        .await?;
        Ok(())
    }

    /// Looks many keys up at once; each by itself, so that no plan goes through all keys of a route.
    pub async fn find(
        self,
        conn: &mut PgConnection,
        keys: &[&IdempotencyKey],
    ) -> Result<HashMap<IdempotencyKey, Kept>, sqlx::Error> {
        let (routes, keys): (Vec<&str>, Vec<&str>) =
            keys.iter().filter_map(|key| Some((key.route.as_str(), key.key.as_deref()?))).unzip();
        if keys.is_empty() {
            return Ok(HashMap::new());
        }
        let rows = sqlx::query(self.0.sql(
            "SELECT kept.* FROM unnest($1::text[], $2::text[]) AS wanted (route, key)
             CROSS JOIN LATERAL (SELECT route, key, request_hash, status, location, etag, body
                                 FROM {schema}.idempotency_keys
                                 WHERE route = wanted.route AND key = wanted.key AND status IS NOT NULL OFFSET 0) AS kept",
        ))
        .bind(routes)
        .bind(keys)
        .fetch_all(conn)
        .await?;
        rows.into_iter()
            .map(|row| {
                let answer = Answer {
                    status: u16::try_from(row.try_get::<i16, _>("status")?).unwrap_or(200),
                    location: row.try_get("location")?,
                    etag: row.try_get("etag")?,
                    body: row.try_get("body")?,
                    replayed: true,
                };
                let key = IdempotencyKey { route: row.try_get("route")?, key: Some(row.try_get("key")?) };
                Ok((key, Kept { fingerprint: Fingerprint(row.try_get("request_hash")?), answer }))
            })
            .collect()
    }

    /// Keeps many answers in one statement. A key that is taken already is an error of the caller's transaction. Sorted by
    /// key, so that two transactions with the same keys cannot wait for each other in a circle.
    pub async fn keep_all(self, conn: &mut PgConnection, answers: &[NewAnswer<'_>]) -> Result<(), sqlx::Error> {
        if answers.is_empty() {
            return Ok(());
        }
        let column = |of: fn(&NewAnswer<'_>) -> String| answers.iter().map(of).collect::<Vec<_>>();
        let optional = |of: fn(&Answer) -> Option<String>| answers.iter().map(|a| of(a.answer)).collect::<Vec<_>>();
        sqlx::query(self.0.sql(
            "INSERT INTO {schema}.idempotency_keys (route, key, request_hash, status, location, etag, body)
             SELECT * FROM unnest($1::text[], $2::text[], $3::bytea[], $4::smallint[], $5::text[], $6::text[], $7::text[])
                           AS n (route, key) ORDER BY key, route",
        ))
        .bind(answers.iter().map(|a| a.key.route.as_str()).collect::<Vec<_>>())
        .bind(answers.iter().map(|a| a.key.key.as_deref()).collect::<Vec<_>>())
        .bind(answers.iter().map(|a| a.fingerprint.0.clone()).collect::<Vec<_>>())
        .bind(answers.iter().map(|a| i16::try_from(a.answer.status).unwrap_or(200)).collect::<Vec<_>>())
        .bind(optional(|a| a.location.clone()))
        .bind(optional(|a| a.etag.clone()))
        .bind(column(|a| a.answer.body.clone()))
        .execute(conn)
        .await?;
        Ok(())
    }

    /// Forgets a portion of the keys of more than a day ago; gives how many.
    pub async fn expire(self, pool: &PgPool) -> Result<u64, sqlx::Error> {
        let statement = "DELETE FROM {schema}.idempotency_keys WHERE ctid = ANY(ARRAY(
                 SELECT ctid FROM {schema}.idempotency_keys WHERE created_at < now() - INTERVAL '24 hours' LIMIT $1))";
        Ok(sqlx::query(self.0.sql(statement)).bind(PORTION).execute(pool).await?.rows_affected())
    }
}

#[cfg(test)]
mod tests {
    use super::{IdempotencyKey, canonical, parse_key};
    use crate::access::{Access, Caller, Principal, Role, User};
    use axum::extract::FromRequestParts;
    use axum::http::Request;
    use std::sync::Arc;
    use uuid::Uuid;

    async fn route_for(principal: Principal) -> String {
        let scope = Access::PUBLIC.decide(&principal, false).unwrap();
        let request =
            Request::post("/api/orders").header("idempotency-key", "a").extension(Caller { principal, scope });
        let (mut parts, ()) = request.body(()).unwrap().into_parts();
        IdempotencyKey::from_request_parts(&mut parts, &()).await.unwrap().route
    }

    #[tokio::test]
    async fn a_key_is_its_callers() {
        let user = |id| {
            let roles = [Role::Customer].into();
            Principal::User(Arc::new(User { id, session: None, roles, authenticated_at: None, key: None }))
        };
        let (ada, grace) = (Uuid::from_u128(1), Uuid::from_u128(2));
        assert_eq!(route_for(user(ada)).await, format!("user:{ada} POST /api/orders"));
        assert_ne!(route_for(user(ada)).await, route_for(user(grace)).await);
        assert_eq!(route_for(Principal::Service("a".into())).await, "service:a POST /api/orders");
        // As earlier builds kept it.
        for unnamed in [Principal::Nobody, Principal::LocalOperator] {
            assert_eq!(route_for(unnamed).await, "POST /api/orders");
        }
    }

    #[test]
    fn an_id_has_one_notation() {
        let long = format!("{}1", "0".repeat(12_000));
        for one in ["1", "01", "+1", &long] {
            assert_eq!(canonical(one), "1");
        }
        let reference = "01936f5e-7c3a-7b1e-8a4e-3f1d2c5b6a70";
        for written in [reference.to_uppercase(), reference.replace('-', ""), format!("{{{reference}}}")] {
            assert_eq!(canonical(&written), reference);
        }
        assert_eq!(canonical("ada@example.com"), "ada@example.com");
    }

    #[test]
    fn a_key_is_the_same_with_quotes_and_without() {
        for (header, key) in [("a", "a"), ("\"a\"", "a"), (" \ta\t", "a"), ("\" \"", " "), ("a b", "a b")] {
            assert_eq!(parse_key(header), Some(key), "{header:?}");
        }
        assert_eq!(parse_key(&"k".repeat(255)), Some("k".repeat(255).as_str()));
        let long = "k".repeat(256);
        for refused in ["", " ", "\"\"", "\"a", "a\"", "\"\"a\"\"", "a\tb", "a\u{7f}", "é", "\"", &long] {
            assert_eq!(parse_key(refused), None, "{refused:?}");
        }
    }
}
