//! Making codes, and trying them.

use super::domain::{self, PAUSE, Purpose, TakenCode, VALID_MINUTES};
use super::store::{self, NewCode};
use crate::sealing::{Seal, Unsealable};
use service_kit::db::Database;
use service_kit::fault::Fault;
use service_kit::typed_code::canonical;
use sqlx::PgConnection;
use time::{Duration, OffsetDateTime};
use uuid::Uuid;

/// The module's part of the application state.
#[derive(Debug)]
pub struct Codes {
    pub(super) db: Database,
    seal: Seal,
}

/// A code that was made.
pub struct Issued {
    /// Its row, which the event names.
    pub id: Uuid,
    /// The code itself: for the mail or the terminal, nowhere else.
    pub code: String,
}

impl Codes {
    /// Those in this database, sealed so.
    pub fn new(db: Database, seal: Seal) -> Self {
        Self { db, seal }
    }

    /// Makes a code for a person, who has to be locked; the one before is no longer taken. Nothing where one was made less
    /// than a minute ago: nobody's mailbox is filled by strangers.
    pub async fn issue(
        &self,
        conn: &mut PgConnection,
        now: OffsetDateTime,
        user: Uuid,
        purpose: Purpose,
    ) -> Result<Option<Issued>, Fault> {
        let last = store::last_made(conn, user, purpose).await?;
        if last.is_some_and(|last| now - last < PAUSE) {
            return Ok(None);
        }
        self.issue_at_once(conn, now, user, purpose).await.map(Some)
    }

    /// Makes a code whenever the last one was made: for operators.
    pub async fn issue_at_once(
        &self,
        conn: &mut PgConnection,
        now: OffsetDateTime,
        user: Uuid,
        purpose: Purpose,
    ) -> Result<Issued, Fault> {
        let (id, code) = (Uuid::now_v7(), domain::generate()?);
        let sealed = self.seal.close(&place(id), code.as_bytes())?;
        self.keep(conn, now, id, Some(user), purpose, &code, Some(&sealed)).await?;
        Ok(Issued { id, code })
    }

    /// Writes as much as [`Self::issue`] does, for an address that has no account: it takes as long.
    pub async fn pretend(&self, conn: &mut PgConnection, now: OffsetDateTime, purpose: Purpose) -> Result<(), Fault> {
        let (id, code) = (Uuid::now_v7(), domain::generate()?);
        store::last_made(conn, id, purpose).await?;
        self.seal.close(&place(id), code.as_bytes())?;
        self.keep(conn, now, id, None, purpose, &code, None).await
    }

    #[expect(clippy::too_many_arguments, reason = "each is one column")]
    async fn keep(
        &self,
        conn: &mut PgConnection,
        now: OffsetDateTime,
        id: Uuid,
        user: Option<Uuid>,
        purpose: Purpose,
        code: &str,
        sealed: Option<&[u8]>,
    ) -> Result<(), Fault> {
        let hash = self.seal.mark(&place(id), &canonical(code));
        let expires_at = now + Duration::minutes(VALID_MINUTES);
        Ok(store::insert(conn, now, &NewCode { id, user, purpose, hash: &hash, sealed, expires_at }).await?)
    }

    /// Tries a code of a person; gives its row where it is the right one. The try counts at once, so the connection must
    /// not be in a transaction that may be rolled back.
    pub async fn attempt(
        &self,
        conn: &mut PgConnection,
        now: OffsetDateTime,
        user: Option<Uuid>,
        purpose: Purpose,
        typed: &str,
    ) -> Result<Option<Uuid>, Fault> {
        let tried = store::count_try(conn, now, user, purpose).await?;
        let right = tried.filter(|it| self.seal.is_mark(&place(it.id), &canonical(typed), &it.hash));
        Ok(right.map(|it| it.id))
    }

    /// Uses a code up; gives whether it was good until now.
    pub async fn use_up(&self, conn: &mut PgConnection, now: OffsetDateTime, id: Uuid) -> Result<bool, Fault> {
        Ok(store::use_up(conn, now, id).await?)
    }

    /// The code for the mail, while it is good.
    pub(super) async fn take(&self, now: OffsetDateTime, id: Uuid) -> Result<Option<TakenCode>, Fault> {
        let Some(kept) = store::sealed(self.db.pool(), now, id).await? else { return Ok(None) };
        let code = self.seal.open(&place(id), &kept.sealed)?;
        let code = String::from_utf8(code).map_err(|_| Unsealable)?;
        Ok(Some(TakenCode { code, purpose: kept.purpose, expires_at: kept.expires_at }))
    }
}

fn place(id: Uuid) -> String {
    format!("codes {id}")
}
