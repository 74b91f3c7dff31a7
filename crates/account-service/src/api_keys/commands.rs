//! Making API keys and ending them.

use super::domain::grant::{GoodKey, Grant, Refused};
use super::domain::{ApiKey, ApiKeyInput, MOST_KEYS, is_within};
use super::error::Error;
use super::store;
use crate::audit::{self, Action, Actor};
use crate::revocations;
use crate::schema::SCHEMA;
use crate::sealing::sha256;
use crate::signing_keys::SigningKeys;
use crate::users::{self, Status};
use ipnet::IpNet;
use secrecy::{ExposeSecret, SecretString};
use service_kit::access::tokens::{AMR_API_KEY, AccessClaims, new_api_key, second_to_sign};
use service_kit::access::{Caller, Scope};
use service_kit::problem::Problem;
use shared_types::events::{SessionEnded, SessionRevoked};
use sqlx::PgConnection;
use std::collections::BTreeSet;
use std::net::IpAddr;
use time::{Duration, OffsetDateTime};
use uuid::Uuid;

/// The services that a token is for.
const AUDIENCE: [&str; 3] = ["order-service", "inventory-service", "account-service"];

/// Longest time for which the token of a key is good.
const LONGEST_TOKEN: Duration = Duration::minutes(10);

/// Makes a key. Gives it with its text, of which only the hash is kept.
pub async fn create(
    conn: &mut PgConnection,
    now: OffsetDateTime,
    caller: &Caller,
    input: &ApiKeyInput,
) -> Result<(ApiKey, SecretString), Error> {
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
    let text = new_api_key(id).map_err(Problem::unexpected)?;
    let key = store::insert(conn, scope, id, &hash(text.expose_secret()), input).await?;
    record(conn, now, caller, Action::KeyMade, id).await?;
    Ok((key, text))
}

/// Ends a key.
pub async fn revoke(conn: &mut PgConnection, now: OffsetDateTime, caller: &Caller, id: Uuid) -> Result<(), Error> {
    if !store::revoke(conn, caller.scope, id, now).await? {
        return Err(Error::UnknownKey(id));
    }
    // The tokens that it got have its id as their session: they end as well.
    let user_id = caller.scope.owner().ok_or(Error::UnknownAccount)?;
    let ended = SessionEnded { session_id: id, user_id, reason: None };
    revocations::announce(&mut *conn, now, &[SessionRevoked(ended)]).await?;
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

/// A token for a program.
pub struct Token {
    /// Signed.
    pub text: String,
    /// Seconds for which it is good.
    pub expires_in: i64,
    /// What it is for.
    pub scopes: BTreeSet<String>,
}

/// Gives a token for a key that is good where it comes from. It says what both key and owner are and from where it may be
/// used, and does not outlast the key. Its session is the key: what ends the one ends the other.
///
/// A service that was shown the key is elsewhere than the key's program. It holds each request against the networks itself,
/// and says so. If anybody else says so, their token is still of no use outside of them.
pub async fn exchange(
    conn: &mut PgConnection,
    now: OffsetDateTime,
    scope: Scope,
    keys: &SigningKeys,
    grant: Grant,
    address: IpAddr,
) -> Result<Token, Error> {
    let key = store::find_good(conn, scope, grant.id, &hash(&grant.key), now).await?;
    let is_good_here = |key: &GoodKey| grant.checks_networks || is_within(&key.networks, &IpNet::from(address));
    let key = key.filter(is_good_here).ok_or(Refused::Client)?;
    let scopes = key.grant(grant.scopes)?;
    store::note_use(conn, &key, now).await?;
    let until = now + keys.lifetime().min(LONGEST_TOKEN);
    let until = key.expires_at.map_or(until, |end| end.min(until));
    let claims = AccessClaims {
        iss: keys.issuer().to_owned(),
        sub: key.owner,
        aud: AUDIENCE.map(str::to_owned).to_vec(),
        client_id: key.id.to_string(),
        iat: second_to_sign(conn, SCHEMA, key.owner, now).await?,
        exp: until.unix_timestamp(),
        jti: Uuid::now_v7(),
        sid: Some(key.id),
        auth_time: None,
        amr: vec![AMR_API_KEY.to_owned()],
        roles: key.roles,
        scope: Some(scopes.iter().map(String::as_str).collect::<Vec<_>>().join(" ")),
        networks: key.networks,
        seller: key.seller,
    };
    let text = keys.sign(conn, now, &claims).await?;
    Ok(Token { text, expires_in: claims.exp - now.unix_timestamp(), scopes })
}

/// What is kept of the text of a key.
fn hash(text: &str) -> Vec<u8> {
    sha256(text.as_bytes())
}
