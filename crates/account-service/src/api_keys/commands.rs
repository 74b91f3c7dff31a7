//! Making API keys and ending them.

use super::domain::{ApiKey, ApiKeyInput, MOST_KEYS};
use super::error::Error;
use super::store;
use crate::audit::{self, Action, Actor};
use crate::users::{self, Status};
use ring::digest::{SHA256, digest};
use ring::rand::{SecureRandom, SystemRandom};
use service_kit::access::{Caller, key_text};
use sqlx::PgConnection;
use time::OffsetDateTime;
use uuid::Uuid;

/// Makes a key. Gives it with its text, of which only the hash is kept.
pub async fn create(
    conn: &mut PgConnection,
    now: OffsetDateTime,
    caller: &Caller,
    input: &ApiKeyInput,
) -> Result<(ApiKey, String), Error> {
    let scope = caller.scope;
    let owner = scope.owner().ok_or(Error::UnknownAccount)?;
    let account = users::lock(conn, scope, owner).await?;
    if account.is_none_or(|account| account.user.status != Status::Active) {
        return Err(Error::UnknownAccount);
    }
    if store::count(conn, scope).await? >= MOST_KEYS {
        return Err(Error::TooMany);
    }
    let id = Uuid::now_v7();
    let text = key_text::write(id, &secret()?);
    let key = store::insert(conn, scope, id, &hash(&text), input).await?;
    record(conn, now, caller, Action::KeyMade, id).await?;
    Ok((key, text))
}

/// Ends a key.
pub async fn revoke(conn: &mut PgConnection, now: OffsetDateTime, caller: &Caller, id: Uuid) -> Result<(), Error> {
    if !store::revoke(conn, caller.scope, id, now).await? {
        return Err(Error::UnknownKey(id));
    }
    record(conn, now, caller, Action::KeyEnded, id).await
}

async fn record(
    conn: &mut PgConnection,
    now: OffsetDateTime,
    caller: &Caller,
    action: Action,
    key: Uuid,
) -> Result<(), Error> {
    let owner = caller.scope.owner().ok_or(Error::UnknownAccount)?;
    let actor = Actor::of(&caller.principal);
    Ok(audit::record(conn, now, &actor, action, owner, Some(&key.to_string())).await?)
}

/// What is kept of the text of a key.
fn hash(text: &str) -> Vec<u8> {
    digest(&SHA256, text.as_bytes()).as_ref().to_vec()
}

/// Random characters. What does not divide evenly among them is drawn again, so that none is likelier than another.
fn secret() -> Result<String, Error> {
    let random = SystemRandom::new();
    let even = u8::MAX - u8::MAX % 62;
    let mut secret = String::with_capacity(key_text::SECRET);
    while secret.len() < key_text::SECRET {
        let mut bytes = [0; key_text::SECRET];
        random.fill(&mut bytes).map_err(|_| Error::NoRandomness)?;
        let missing = key_text::SECRET - secret.len();
        let drawn = bytes.into_iter().filter(|byte| *byte < even).take(missing);
        secret.extend(drawn.map(|byte| char::from(key_text::BASE62[usize::from(byte % 62)])));
    }
    Ok(secret)
}

#[cfg(test)]
mod tests {
    use super::secret;
    use service_kit::access::key_text;
    use std::collections::HashSet;
    use uuid::Uuid;

    #[test]
    fn secrets_differ_and_use_every_character() {
        let secrets: HashSet<String> = (0..200).map(|_| secret().unwrap()).collect();
        assert_eq!(secrets.len(), 200);
        let id = Uuid::now_v7();
        assert!(secrets.iter().all(|secret| key_text::read(&key_text::write(id, secret)) == Some(id)));
        let used: HashSet<char> = secrets.iter().flat_map(|secret| secret.chars()).collect();
        assert_eq!(used.len(), 62);
    }
}
