//! The record of what operators do: one line of the log for each call by which one of them may have changed something, and
//! for those that are not let in where only operators and services are.
//!
//! Its target is `audit`, and `RUST_LOG` cannot turn it off. It is no table: the change itself stands in one already, and a
//! call that was refused or broken off changes none. Fields: `who`, `owner` of an API key, `what` (method and route), `on`
//! (ids alone, as other parts of a path may be personal data), `outcome` and `status`; where lines were left out, `skipped`.

use super::{Access, Principal, Reach, Role};
use crate::telemetry::{Lines, method_label, seconds};
use axum::RequestExt;
use axum::extract::{MatchedPath, RawPathParams, Request};
use axum::http::header::LOCATION;
use axum::response::Response;
use std::cell::RefCell;
use std::collections::BTreeMap;
use uuid::Uuid;

/// The target of these lines.
pub(crate) const TARGET: &str = "audit";

thread_local! {
    /// By method and route, and how it was answered.
    static REFUSED: RefCell<BTreeMap<(String, u16), Lines>> = RefCell::default();
}

/// A call that somebody makes, until its outcome is known.
struct Action {
    who: String,
    owner: Option<Uuid>,
    what: String,
    on: Option<String>,
}

impl Access {
    /// Whether what operators do by such a route is an act of theirs. They are customers like others where everybody or guests
    /// may call it, and where they reach what is their own.
    fn is_for_operators(&self) -> bool {
        self.admin == Reach::All && self.nobody == Reach::None && !self.guests
    }

    /// Whether only operators and services have business there.
    fn is_reserved(&self) -> bool {
        [self.nobody, self.customer, self.seller].iter().all(|reach| *reach == Reach::None) && !self.guests
    }
}

/// Whether this is one who runs the shop, or a program that acts for somebody. Where services on one machine need no keys, the
/// local operator may be one of them.
fn is_operator(principal: &Principal, for_services: bool) -> bool {
    match principal {
        Principal::LocalOperator => !for_services,
        Principal::User(user) => user.key.is_some() || user.roles.contains(&Role::Admin),
        Principal::Nobody | Principal::Service(_) => false,
    }
}

/// Begins the record of a request that the rule lets in; there is none but where an operator makes it to change something.
pub(crate) async fn begun(request: &mut Request, principal: &Principal, rule: &Access) -> Unfinished {
    let acts = !request.method().is_safe() && rule.is_for_operators();
    if !acts || !is_operator(principal, !rule.services.is_empty()) {
        return Unfinished::default();
    }
    Unfinished(Some(Action::of(request, principal).await))
}

/// Writes down that somebody was answered `status` and not let in, where only operators and services are. Nobody has to log
/// in to make such calls by the thousand: of those that are alike, the first `most` of each second have a line on each
/// thread, and always one.
pub(crate) async fn refused(request: &mut Request, principal: &Principal, rule: &Access, status: u16, most: u32) {
    // Of a token that cannot be judged at present, nothing is known.
    if !rule.is_reserved() || status >= 500 {
        return;
    }
    let action = Action::of(request, principal).await;
    let skipped = REFUSED.with_borrow_mut(|lines| {
        lines.entry((action.what.clone(), status)).or_default().next(status, seconds(), most.max(1))
    });
    if let Some(skipped) = skipped {
        let Action { who, owner, what, on } = action;
        let owner = owner.map(|owner| format!("user:{owner}"));
        let outcome = "refused";
        tracing::info!(target: TARGET, who, owner, what, on, outcome, status, skipped, "a caller was not let in");
    }
}

/// The ids in a path.
fn ids(parameters: &RawPathParams) -> Option<String> {
    let ids = parameters.iter().map(|(_, value)| value).filter(|value| is_id(value)).collect::<Vec<_>>().join(",");
    (!ids.is_empty()).then_some(ids)
}

fn is_id(text: &str) -> bool {
    text.parse::<i64>().is_ok() || text.parse::<Uuid>().is_ok()
}

/// An action whose request may be dropped before it is answered, where the client has gone.
#[derive(Default)]
pub(crate) struct Unfinished(Option<Action>);

impl Unfinished {
    /// Writes down what came of it.
    pub(crate) fn ended(mut self, response: &Response) {
        let Some(mut action) = self.0.take() else { return };
        let (status, headers) = (response.status().as_u16(), response.headers());
        // What a call makes has its id at the end of its path.
        let made = headers.get(LOCATION).and_then(|path| path.to_str().ok()?.rsplit('/').next());
        action.on = action.on.or_else(|| made.filter(|id| is_id(id)).map(str::to_owned));
        let outcome = match status {
            ..400 => "done",
            400..500 => "refused",
            500.. => "failed",
        };
        action.write(outcome, Some(status));
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        if let Some(action) = self.0.take() {
            action.write("unknown", None);
        }
    }
}

impl Action {
    async fn of(request: &mut Request, principal: &Principal) -> Self {
        let route = request.extensions().get::<MatchedPath>().map(|path| path.as_str().to_owned()).unwrap_or_default();
        let key = principal.user().filter(|user| user.key.is_some());
        Self {
            who: principal.name(),
            owner: key.map(|user| user.id),
            what: format!("{} {route}", method_label(request.method())),
            on: request.extract_parts::<RawPathParams>().await.ok().and_then(|parameters| ids(&parameters)),
        }
    }

    fn write(&self, outcome: &str, status: Option<u16>) {
        let Self { who, owner, what, on } = self;
        let owner = owner.map(|owner| format!("user:{owner}"));
        tracing::info!(target: TARGET, who, owner, what, on, outcome, status, "an operator acted");
    }
}

#[cfg(test)]
mod tests {
    use super::is_operator;
    use crate::access::{Access, ApiKey, Principal, Role, User};
    use std::borrow::Cow;
    use std::sync::Arc;
    use uuid::Uuid;

    #[test]
    fn operators_and_programs_are_written_down_and_nobody_else() {
        let user = |role, key: bool| {
            let key = key.then(|| ApiKey { id: Uuid::nil(), scopes: [].into(), networks: Vec::new() });
            let roles = [role].into();
            Principal::User(Arc::new(User { id: Uuid::max(), session: None, roles, authenticated_at: None, key }))
        };
        for (principal, expected) in [
            (Principal::Nobody, false),
            (Principal::Service("order-service".into()), false),
            (Principal::LocalOperator, true),
            (user(Role::Admin, false), true),
            (user(Role::Customer, false), false),
            (user(Role::Seller, false), false),
            (user(Role::Customer, true), true),
        ] {
            assert_eq!(is_operator(&principal, false), expected, "{principal:?}");
        }
        assert!(!is_operator(&Principal::LocalOperator, true), "it may be a service");
        assert!(is_operator(&user(Role::Admin, false), true));
    }

    #[test]
    fn a_route_is_for_operators_where_they_reach_more_than_their_own_and_reserved_where_only_they_or_services_do() {
        const ORDER_SERVICE: &[Cow<'static, str>] = &[Cow::Borrowed("order-service")];
        for (access, expected) in [
            (Access::OPERATORS, (true, true)),
            (Access::OPERATORS.and_sellers(), (true, false)),
            (Access::OWNERS, (true, false)),
            (Access::service(ORDER_SERVICE), (true, true)),
            (Access::OWNERS.and_guests(), (false, false)),
            (Access::PUBLIC, (false, false)),
            (Access::SELF, (false, false)),
            (Access::CUSTOMERS, (false, false)),
            (Access::internal(ORDER_SERVICE), (false, true)),
        ] {
            assert_eq!((access.is_for_operators(), access.is_reserved()), expected, "{access:?}");
        }
    }
}
