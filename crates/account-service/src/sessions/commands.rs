//! Beginning, renewing and ending sessions.

use super::config::Config;
use super::domain::{Client, MOST_REFRESHES, Reason, is_in_grace, limits, new_token, refresh_wait};
use super::error::Error;
use super::store::{self, Live};
use crate::audit::{self, Action, Actor};
use crate::revocations;
use crate::sealing::{Seal, sha256};
use crate::users::User;
use service_kit::access::{Caller, Scope};
use service_kit::fault::Fault;
use shared_types::events::{SessionEnded, SessionRevoked};
use sqlx::PgConnection;
use time::OffsetDateTime;
use uuid::Uuid;

/// Where a successor is sealed for: there is one for each token that seals it.
const SUCCESSOR: &str = "successor";

/// Begins a session of a locked person; gives it and its refresh token.
pub async fn open(
    conn: &mut PgConnection,
    now: OffsetDateTime,
    config: &Config,
    user: &User,
    client: &Client,
) -> Result<(Live, String), Fault> {
    let (id, token) = (Uuid::now_v7(), new_token()?);
    store::insert(conn, id, user.id, now, limits(config, &user.roles, now, now), client).await?;
    store::insert_token(conn, &sha256(token.as_bytes()), id, 1).await?;
    // Read again, as a refresh reads it.
    let live = store::lock_live(conn, id, now).await?;
    let live = live.ok_or(Fault::Overloaded("the account was changed meanwhile; try again"))?;
    Ok((live, token))
}

/// What comes of a refresh token.
pub enum Refreshed {
    /// The session goes on with this token.
    Goes(Box<Live>, String),
    /// It was used before, by somebody else: the session has ended, which is to be committed.
    Reused,
}

/// Takes a refresh token for its successor. Too many of one session have to wait: nothing is to be committed then, so the token
/// stays good.
pub async fn refresh(
    conn: &mut PgConnection,
    now: OffsetDateTime,
    config: &Config,
    token: &str,
) -> Result<Refreshed, Error> {
    let (seal, successor, hash) = (Seal::of(token)?, new_token()?, sha256(token.as_bytes()));
    let sealed = seal.close(SUCCESSOR, successor.as_bytes())?;
    let Some(used) = store::use_token(conn, &hash, now, &sealed, MOST_REFRESHES).await? else {
        return again(conn, now, config, &seal, &hash).await;
    };
    if let Some(seconds) = used.earlier_at.and_then(|earlier| refresh_wait(earlier, now)) {
        return Err(Error::Wait(seconds));
    }
    let live = store::lock_live(conn, used.session_id, now).await?.ok_or(Error::NoSession)?;
    store::insert_token(conn, &sha256(successor.as_bytes()), live.id, used.generation + 1).await?;
    store::touch(conn, live.id, now, limits(config, &live.roles, live.created_at, now)).await?;
    Ok(Refreshed::Goes(Box::new(live), successor))
}

/// A token that was used before. Two tabs that ask at once, or an answer that got lost, are no theft: they get the same
/// successor, as long as nobody has used that.
async fn again(
    conn: &mut PgConnection,
    now: OffsetDateTime,
    config: &Config,
    seal: &Seal,
    hash: &[u8],
) -> Result<Refreshed, Error> {
    let spent = store::find_spent(conn, hash).await?.ok_or(Error::NoSession)?;
    let live = store::lock_live(conn, spent.session_id, now).await?.ok_or(Error::NoSession)?;
    if is_in_grace(config.grace(), spent.used_at, now) {
        let successor = seal.open(SUCCESSOR, &spent.successor_sealed)?;
        if store::find_unused(conn, &sha256(&successor)).await? == Some(live.id) {
            let successor = String::from_utf8_lossy(&successor).into_owned();
            return Ok(Refreshed::Goes(Box::new(live), successor));
        }
    }
    store::end_held(conn, live.id, now, Reason::Reuse).await?;
    announce(conn, now, live.user, &[live.id], Reason::Reuse).await?;
    audit::record(conn, now, &Actor::Nobody, Action::TokenReused, live.user, None).await?;
    Ok(Refreshed::Reused)
}

/// Ends the session of a refresh token, whichever of its tokens it is. What is no token ends nothing.
pub async fn log_out(conn: &mut PgConnection, now: OffsetDateTime, token: &str) -> Result<(), Error> {
    let Some(session) = session_of(conn, token).await? else { return Ok(()) };
    if let Some(user) = store::end_held(conn, session, now, Reason::Logout).await? {
        announce(conn, now, user, &[session], Reason::Logout).await?;
        audit::record(conn, now, &Actor::User(user), Action::LoggedOut, user, None).await?;
    }
    Ok(())
}

/// The session of a refresh token, whichever of its tokens it is.
pub async fn session_of(conn: &mut PgConnection, token: &str) -> Result<Option<Uuid>, Fault> {
    Ok(store::session_of(conn, &sha256(token.as_bytes())).await?)
}

/// Ends a session within the scope of the caller, if it is not over.
pub async fn revoke(conn: &mut PgConnection, now: OffsetDateTime, caller: &Caller, id: Uuid) -> Result<(), Fault> {
    if let Some(user) = store::end(conn, caller.scope, id, now, Reason::Ended).await? {
        announce(conn, now, user, &[id], Reason::Ended).await?;
        let actor = Actor::of(&caller.principal);
        audit::record(conn, now, &actor, Action::LoggedOut, user, Some("its token was revoked")).await?;
    }
    Ok(())
}

/// Ends one of the sessions within the scope.
pub async fn end(conn: &mut PgConnection, now: OffsetDateTime, scope: Scope, id: Uuid) -> Result<(), Error> {
    let user = store::end(conn, scope, id, now, Reason::Ended).await?.ok_or(Error::UnknownSession(id))?;
    announce(conn, now, user, &[id], Reason::Ended).await?;
    Ok(audit::record(conn, now, &Actor::User(user), Action::LoggedOut, user, None).await?)
}

/// Ends every session of a person but one, and announces each.
pub async fn end_all(
    conn: &mut PgConnection,
    now: OffsetDateTime,
    user: Uuid,
    but: Option<Uuid>,
    reason: Reason,
) -> Result<(), Fault> {
    let ended = store::end_all(conn, user, but, now, reason).await?;
    announce(conn, now, user, &ended, reason).await
}

async fn announce(
    conn: &mut PgConnection,
    now: OffsetDateTime,
    user: Uuid,
    sessions: &[Uuid],
    reason: Reason,
) -> Result<(), Fault> {
    let ended = |session: &Uuid| {
        let reason = Some(reason.name().to_owned());
        SessionRevoked(SessionEnded { session_id: *session, user_id: user, reason })
    };
    let ended: Vec<SessionRevoked> = sessions.iter().map(ended).collect();
    revocations::announce(conn, now, &ended).await
}
