//! Fetches from account-service the codes that mails show. An event names a code and does not hold it, and no row keeps it.

use crate::account_service::AccountService;
use crate::notifications::domain::code::Code;
use reqwest::Method;
use serde::Deserialize;
use uuid::Uuid;

/// Why there is no code.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum NoCode {
    /// It has expired or was used.
    Gone,
    /// Account-service is away, or gives it to nobody; says why.
    Away(String),
}

/// What account-service answers.
#[derive(Deserialize)]
struct TakenCode {
    code: String,
}

/// The code. It can be taken again until it expires or is used.
pub async fn take(accounts: &AccountService, id: Uuid) -> Result<Code, NoCode> {
    match accounts.ask::<TakenCode>(Method::POST, &format!("/internal/codes/{id}/take")).await {
        Ok(Some(taken)) => Ok(Code::new(taken.code)),
        Ok(None) => Err(NoCode::Gone),
        Err(away) => Err(NoCode::Away(away.0)),
    }
}
