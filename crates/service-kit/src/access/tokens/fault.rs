//! Why a token is not accepted.

use crate::problem::Problem;
use axum::http::StatusCode;

/// Why somebody who shows a token is not known by it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum TokenFault {
    /// The token is no good: 401.
    #[error("the token is not accepted: {0}")]
    Invalid(Flaw),
    /// It cannot be told whether it is good: the keys of its issuer are not there yet, or whoever knows API keys is away.
    /// 503.
    #[error("who signed the token cannot be asked at present")]
    Unknown,
}

/// What is wrong with a token.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Flaw {
    /// It is no token at all, or too long.
    #[error("it is not readable")]
    Unreadable,
    /// Nobody who is believed says that they signed it.
    #[error("its issuer is not known here")]
    Issuer,
    /// Its `alg` is not allowed, or not that of its key.
    #[error("its algorithm is not allowed")]
    Algorithm,
    /// The issuer has no key of this name.
    #[error("its key is not known")]
    Key,
    /// It was signed by somebody else, or changed.
    #[error("its signature is wrong")]
    Signature,
    /// It is no access token.
    #[error("it is no access token")]
    Type,
    /// It is for somebody else.
    #[error("it is for another audience")]
    Audience,
    /// A claim is missing that has to be there.
    #[error("a claim is missing or malformed")]
    Claims,
    /// Its time is over.
    #[error("it has expired")]
    Expired,
    /// Its time has not come.
    #[error("it is not valid yet")]
    Early,
    /// Its session, its owner or its key was revoked.
    #[error("it was revoked")]
    Revoked,
    /// It was given for an API key that may not be used from where the request comes.
    #[error("it may not be used from this address")]
    Network,
    /// No such API key, or one that was revoked.
    #[error("the API key is not valid")]
    ApiKey,
}

impl From<Flaw> for TokenFault {
    fn from(flaw: Flaw) -> Self {
        Self::Invalid(flaw)
    }
}

impl TokenFault {
    /// The answer: 401 with its reason, or 503 with `Retry-After`.
    pub fn problem(self) -> Problem {
        match self {
            Self::Invalid(flaw) => {
                let detail = format!("the token is not accepted: {flaw}");
                let mut problem = Problem::new(StatusCode::UNAUTHORIZED, "unauthenticated", "Unauthenticated", detail);
                problem.challenge = Some("Bearer error=\"invalid_token\"");
                problem
            }
            Self::Unknown => Problem::unavailable("who signed the token cannot be asked at present"),
        }
    }
}
