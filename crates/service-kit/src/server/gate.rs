//! Lets a request through to its route, or not: who makes it, and what the rule of the route says of them.

use crate::access::tokens::{TokenFault, Verifier};
use crate::access::{Access, AccessConfig, Caller, Mode, Principal, Refusal};
use crate::problem::Problem;
use crate::server::connection::Connection;
use crate::server::exposure::{self, Doubt};
use crate::server::head::Head;
use crate::server::status_page::{ICON, STYLE};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use std::fmt::Display;
use std::net::IpAddr;
use time::OffsetDateTime;

/// Holds requests against the rules of their routes.
#[derive(Clone, Debug)]
pub(crate) struct Gate {
    config: AccessConfig,
    verifier: Option<Verifier>,
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
    /// The gate of a service with these settings, which knows people and services by the verifier, if there is one.
    pub(crate) fn new(config: AccessConfig, verifier: Option<Verifier>) -> Self {
        Self { config, verifier, metrics: Access::OPERATORS.with_scope("metrics:read"), closed: Access::default() }
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
            "/" | STYLE | ICON | "/swagger-ui" | "/api-docs/openapi.json" => None,
            "/metrics" => Some(&self.metrics),
            page if page.starts_with("/swagger-ui/") => None,
            _ => Some(&self.closed),
        }
    }

    /// Who makes a request with these headers, that comes from `client`.
    pub(crate) async fn principal(
        &self,
        headers: &HeaderMap,
        unnamed: Unnamed,
        client: impl FnOnce() -> IpAddr,
    ) -> Result<Principal, Problem> {
        let mut authorizations = headers.get_all(header::AUTHORIZATION).iter();
        match (authorizations.next(), authorizations.next()) {
            (None, _) if unnamed == Unnamed::Operator => Ok(Principal::LocalOperator),
            (None, _) => Ok(Principal::Nobody),
            (Some(only), None) => self.principal_of(only, client).await,
            (Some(_), Some(_)) => Err(Problem::unauthenticated("a request has one header Authorization at the most")),
        }
    }

    /// Who the header `Authorization` says that it is.
    async fn principal_of(
        &self,
        authorization: &HeaderValue,
        client: impl FnOnce() -> IpAddr,
    ) -> Result<Principal, Problem> {
        let (token, now) = (bearer(authorization), OffsetDateTime::now_utc());
        let token = token.ok_or_else(|| Problem::unauthenticated(NO_TOKEN))?;
        match self.verifier.as_ref().filter(|verifier| verifier.knows_callers()) {
            Some(verifier) => verifier.identify(token, now, client).await.map_err(TokenFault::problem),
            None => Err(Problem::unauthenticated("the service knows nobody who gives out tokens, and takes none")),
        }
    }

    /// The caller, where the rule lets them in. Who is not is told otherwise what to do where the call `takes_form`.
    pub(crate) fn admit(
        &self,
        rule: &Access,
        principal: Principal,
        unnamed: Unnamed,
        takes_form: bool,
    ) -> Result<Caller, Problem> {
        match rule.decide(&principal, self.config.guest_orders) {
            Ok(scope) => Ok(Caller { principal, scope }),
            Err(refusal) => Err(refused(refusal, &principal, unnamed, takes_form)),
        }
    }

    /// Whether everybody who reaches the port may do everything.
    pub(crate) fn is_open(&self) -> bool {
        self.config.access == Mode::Open
    }
}

const NO_TOKEN: &str = "the header Authorization must be Bearer and an access token";

/// The token in `Authorization: Bearer …` (RFC 6750, 2.1).
fn bearer(authorization: &HeaderValue) -> Option<&str> {
    let (scheme, token) = authorization.to_str().ok()?.split_once(' ')?;
    let token = token.trim();
    (scheme.eq_ignore_ascii_case("bearer") && !token.is_empty()).then_some(token)
}

fn refused(refusal: Refusal, principal: &Principal, unnamed: Unnamed, takes_form: bool) -> Problem {
    match (refusal, unnamed) {
        (Refusal::Forbidden, _) if *principal == Principal::LocalOperator => {
            Problem::forbidden("this is for those who have an account, for what is theirs: log in and send the token")
        }
        (Refusal::Forbidden, _) => Problem::forbidden("the token does not give the right to do this"),
        // JSON would be refused by the call itself.
        (Refusal::Unauthenticated, Unnamed::Doubted(Doubt::Body)) if takes_form => protected(
            "this takes a form, which needs a token, because other sites can send one unasked; send a token \
             (Authorization: Bearer)",
        ),
        (Refusal::Unauthenticated, Unnamed::Doubted(Doubt::Body)) => Problem::unsupported_media_type(),
        (Refusal::Unauthenticated, Unnamed::Doubted(doubt)) => protected(format!(
            "without a token, this is for programs on this machine alone, and {}; either send a token \
                 (Authorization: Bearer), or call from this machine by http://localhost, with no proxy in between",
            doubt.reason()
        )),
        (Refusal::Unauthenticated, Unnamed::Operator | Unnamed::Nobody) => {
            Problem::unauthenticated("this needs a token: send the header Authorization: Bearer with an access token")
        }
    }
}

fn protected(detail: impl Display) -> Problem {
    Problem::new(StatusCode::FORBIDDEN, "protected-mode", "Protected mode", detail)
}

#[cfg(test)]
mod tests {
    use super::{Gate, ICON, STYLE, Unnamed};
    use crate::access::{Access, AccessConfig, Mode, Principal};
    use crate::server::exposure::Doubt;
    use axum::http::{HeaderMap, HeaderValue, header};
    use std::net::{IpAddr, Ipv4Addr};

    fn gate() -> Gate {
        Gate::new(AccessConfig { access: Mode::Local, guest_orders: false }, None)
    }

    #[test]
    fn a_route_that_nobody_thought_of_lets_nobody_in() {
        for page in ["/", STYLE, ICON, "/swagger-ui", "/swagger-ui/index.css", "/api-docs/openapi.json"] {
            assert!(gate().rule_of_undocumented(page).is_none(), "{page}");
        }
        for other in ["/api/orders", "/swagger-ui.json", "/api-docs/openapi.json/x", "/internal", ""] {
            let rule = gate().rule_of_undocumented(other).cloned().unwrap();
            assert!(gate().admit(&rule, Principal::LocalOperator, Unnamed::Operator, false).is_err(), "{other}");
        }
    }

    #[test]
    fn who_is_not_let_in_is_told_why() {
        let admitted =
            |unnamed, takes_form| gate().admit(&Access::OPERATORS, Principal::Nobody, unnamed, takes_form).unwrap_err();
        let refused = |unnamed| admitted(unnamed, false);
        assert_eq!(refused(Unnamed::Nobody).status, 401);
        assert_eq!(refused(Unnamed::Doubted(Doubt::Body)).status, 415);
        let form = admitted(Unnamed::Doubted(Doubt::Body), true);
        assert!(form.status == 403 && form.detail.contains("needs a token"), "{form:?}");
        for doubt in [Doubt::Peer, Doubt::Host, Doubt::Proxy, Doubt::Page] {
            let problem = refused(Unnamed::Doubted(doubt));
            assert!(problem.status == 403 && problem.detail.contains(doubt.reason()), "{problem:?}");
        }
    }

    #[tokio::test]
    async fn a_token_that_is_not_good_is_refused_whoever_may_come_without() {
        for unnamed in [Unnamed::Operator, Unnamed::Nobody, Unnamed::Doubted(Doubt::Peer)] {
            let (mut headers, client) = (HeaderMap::new(), || IpAddr::V4(Ipv4Addr::LOCALHOST));
            assert!(gate().principal(&headers, unnamed, client).await.is_ok());
            for token in ["Bearer x", "Bearer", "Basic YTpi", ""] {
                headers.append(header::AUTHORIZATION, HeaderValue::from_static(token));
                assert_eq!(gate().principal(&headers, unnamed, client).await.unwrap_err().status, 401, "{token}");
            }
        }
    }
}
