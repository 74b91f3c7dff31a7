//! Lets a request through to its route, or not: who makes it, and what the rule of the route says of them.

use crate::access::{Access, AccessConfig, Caller, Mode, Principal, Refusal};
use crate::problem::Problem;
use crate::server::connection::Connection;
use crate::server::exposure::{self, Doubt};
use crate::server::head::Head;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};

/// Holds requests against the rules of their routes.
#[derive(Clone, Debug)]
pub(crate) struct Gate {
    config: AccessConfig,
    metrics: Access,
    closed: Access,
}

/// Who makes a request that brings no token.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Unnamed {
    /// May do everything.
    Operator,
    /// May do what everybody may.
    Nobody,
    /// The same: the request may come from elsewhere than from this machine.
    Doubted(Doubt),
}

impl Gate {
    /// The gate of a service with these settings.
    pub(crate) fn new(config: AccessConfig) -> Self {
        Self { config, metrics: Access::OPERATORS.with_scope("metrics:read"), closed: Access::default() }
    }

    /// Who makes the request where it brings no token.
    pub(crate) fn unnamed(
        &self,
        head: &Head<'_>,
        connection: Option<&Connection>,
        host_is_own: Option<bool>,
    ) -> Unnamed {
        match self.config.access {
            Mode::Required => Unnamed::Nobody,
            Mode::Open => Unnamed::Operator,
            Mode::Local => exposure::doubt(head, connection, host_is_own).map_or(Unnamed::Operator, Unnamed::Doubted),
        }
    }

    /// The rule of a route that the document does not describe; none for the pages that everybody may see. A route that
    /// nobody thought of lets nobody in.
    pub(crate) fn rule_of_undocumented(&self, path: &str) -> Option<&Access> {
        match path {
            "/" | "/swagger-ui" | "/api-docs/openapi.json" => None,
            "/metrics" => Some(&self.metrics),
            page if page.starts_with("/swagger-ui/") => None,
            _ => Some(&self.closed),
        }
    }

    /// Who makes a request with these headers.
    pub(crate) async fn principal(&self, headers: &HeaderMap, unnamed: Unnamed) -> Result<Principal, Problem> {
        let mut authorizations = headers.get_all(header::AUTHORIZATION).iter();
        match (authorizations.next(), authorizations.next()) {
            (None, _) if unnamed == Unnamed::Operator => Ok(Principal::LocalOperator),
            (None, _) => Ok(Principal::Nobody),
            (Some(only), None) => self.principal_of(only).await,
            (Some(_), Some(_)) => Err(Problem::unauthenticated("a request has one header Authorization at the most")),
        }
    }

    /// Who the header `Authorization` says that it is.
    #[expect(clippy::unused_async, reason = "whoever knows tokens may have to fetch a key first")]
    async fn principal_of(&self, _authorization: &HeaderValue) -> Result<Principal, Problem> {
        Err(Problem::unauthenticated("the service knows nobody who gives out tokens, and takes none"))
    }

    /// The caller, where the rule lets them in.
    pub(crate) fn admit(&self, rule: &Access, principal: Principal, unnamed: Unnamed) -> Result<Caller, Problem> {
        match rule.decide(&principal, self.config.guest_orders) {
            Ok(scope) => Ok(Caller { principal, scope }),
            Err(refusal) => Err(refused(refusal, &principal, unnamed)),
        }
    }

    /// Whether everybody who reaches the port may do everything.
    pub(crate) fn is_open(&self) -> bool {
        self.config.access == Mode::Open
    }
}

fn refused(refusal: Refusal, principal: &Principal, unnamed: Unnamed) -> Problem {
    match (refusal, unnamed) {
        (Refusal::Forbidden, _) if *principal == Principal::LocalOperator => {
            Problem::forbidden("this is for those who have an account, for what is theirs: log in and send the token")
        }
        (Refusal::Forbidden, _) => Problem::forbidden("the token does not give the right to do this"),
        (Refusal::Unauthenticated, Unnamed::Doubted(Doubt::Body)) => Problem::unsupported_media_type(),
        (Refusal::Unauthenticated, Unnamed::Doubted(doubt)) => {
            let detail = format!(
                "without a token, this is for programs on this machine alone, and {}; either send a token \
                 (Authorization: Bearer), or call from this machine by http://localhost, with no proxy in between",
                doubt.reason()
            );
            Problem::new(StatusCode::FORBIDDEN, "protected-mode", "Protected mode", detail)
        }
        (Refusal::Unauthenticated, Unnamed::Operator | Unnamed::Nobody) => {
            Problem::unauthenticated("this needs a token: send the header Authorization: Bearer with an access token")
        }
    }
}
