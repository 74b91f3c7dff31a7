//! What a route learns of who calls it.

use super::{Principal, Scope};
use crate::problem::Problem;
use axum::extract::FromRequestParts;
use axum::http::Extensions;
use axum::http::request::Parts;

/// Who calls a route, and the rows that they may see. The server puts it into every request that it lets through.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Caller {
    /// Who.
    pub principal: Principal,
    /// Which rows.
    pub scope: Scope,
}

impl Caller {
    /// Who makes the request with these extensions.
    pub fn of(extensions: &Extensions) -> Option<&Self> {
        extensions.get()
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        Self::of(&parts.extensions).cloned().ok_or_else(missing)
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Scope {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        Caller::of(&parts.extensions).map(|caller| caller.scope).ok_or_else(missing)
    }
}

/// A request that the server did not let through gets nowhere.
fn missing() -> Problem {
    Problem::unexpected("a route was called past the server's check of who may")
}
