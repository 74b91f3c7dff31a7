//! `/health/live` and `/health/ready`, each dependency by name.

use crate::access::Mode;
use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// State of the service or of a dependency.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, ToSchema)]
#[serde(rename_all = "UPPERCASE")]
pub enum State {
    /// Works.
    Up,
    /// Works, but without something: what needs it is refused or comes later.
    Degraded,
    /// Does not work.
    Down,
}

/// Where the circuit breaker in front of a dependency stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, ToSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Circuit {
    /// Calls go through.
    Closed,
    /// One call is tried; the others are refused.
    HalfOpen,
    /// Calls are refused at once.
    Open,
}

impl Circuit {
    /// Every one.
    pub const ALL: [Self; 3] = [Self::Closed, Self::HalfOpen, Self::Open];

    /// The name in metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::HalfOpen => "half_open",
            Self::Open => "open",
        }
    }
}

/// A dependency as it was found.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Dependency {
    /// Up or down.
    pub status: State,
    /// Why it is down.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// Where the circuit breaker in front of it stands, if there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub circuit: Option<Circuit>,
    #[serde(skip)]
    essential: bool,
}

impl Dependency {
    /// Without it the service is DOWN, and refuses nearly everything.
    pub fn essential(outcome: Result<(), String>) -> Self {
        Self { essential: true, ..Self::optional(outcome) }
    }

    /// Without it the service goes on as far as it can.
    pub fn optional(outcome: Result<(), String>) -> Self {
        match outcome {
            Ok(()) => Self { status: State::Up, detail: None, circuit: None, essential: false },
            Err(reason) => Self { status: State::Down, detail: Some(reason), circuit: None, essential: false },
        }
    }

    /// Shows the circuit breaker in front of it too.
    #[must_use]
    pub fn behind(self, circuit: Circuit) -> Self {
        Self { circuit: Some(circuit), ..self }
    }
}

/// The answer of `/health/live` and `/health/ready`.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Health {
    /// Of the service.
    pub status: State,
    /// Each dependency by name.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub dependencies: BTreeMap<&'static str, Dependency>,
    /// Whether the process takes requests.
    #[serde(skip)]
    takes_requests: bool,
    /// `open` where everybody who reaches the port may do everything; otherwise left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub access: Option<Mode>,
}

/// How much of a health check is shown.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Details {
    /// Everything.
    All,
    /// The state of each dependency, without the reason.
    States,
    /// The state of the service.
    StatusAlone,
}

impl Health {
    /// The process runs.
    pub fn live() -> Self {
        Self { status: State::Up, dependencies: BTreeMap::new(), takes_requests: true, access: None }
    }

    /// Whether the process takes requests, and a report of what it needs for them: down without an essential dependency,
    /// degraded without another.
    pub fn ready(takes_requests: bool, dependencies: impl IntoIterator<Item = (&'static str, Dependency)>) -> Self {
        let dependencies: BTreeMap<_, _> = dependencies.into_iter().collect();
        let down =
            |essential: bool| dependencies.values().any(|d| d.status == State::Down && (d.essential || !essential));
        let status = match (down(true), down(false)) {
            _ if !takes_requests => State::Down,
            (true, _) => State::Down,
            (false, true) => State::Degraded,
            (false, false) => State::Up,
        };
        Self { status, dependencies, takes_requests, access: None }
    }
}

impl IntoResponse for Health {
    /// 503 while the process takes no requests. A dependency that is down changes nothing: every instance would have to go,
    /// and clients would get the answer of a proxy instead of ours.
    fn into_response(self) -> Response {
        let status = if self.takes_requests { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
        let mut response = (status, Json(&self)).into_response();
        response.extensions_mut().insert(self);
        response
    }
}

/// The answer of a health check with so many details; any other answer stays as it is.
pub(crate) fn seen(mut response: Response, details: Details, open: bool) -> Response {
    let Some(mut health) = response.extensions_mut().remove::<Health>() else { return response };
    match details {
        Details::All => health.access = open.then_some(Mode::Open),
        Details::States => health.dependencies.values_mut().for_each(|dependency| dependency.detail = None),
        Details::StatusAlone => health.dependencies.clear(),
    }
    (response.status(), Json(health)).into_response()
}

#[cfg(test)]
mod tests {
    use super::{Dependency, Details, Health, State, seen};
    use axum::body::to_bytes;
    use axum::response::IntoResponse;

    #[test]
    fn an_essential_dependency_decides() {
        let up = || Ok(());
        let down = || Err("gone".to_owned());
        let status = |database, broker| {
            Health::ready(true, [("db", Dependency::essential(database)), ("mq", Dependency::optional(broker))]).status
        };
        assert_eq!(status(up(), up()), State::Up);
        assert_eq!(status(up(), down()), State::Degraded);
        assert_eq!(status(down(), up()), State::Down);
        assert_eq!(status(down(), down()), State::Down);
    }

    #[test]
    fn only_a_process_that_takes_no_requests_is_not_ready() {
        let found = |takes_requests, database| {
            let health = Health::ready(takes_requests, [("db", Dependency::essential(database))]);
            (health.status, health.into_response().status().as_u16())
        };
        assert_eq!(found(true, Ok(())), (State::Up, 200));
        assert_eq!(found(true, Err("gone".to_owned())), (State::Down, 200));
        assert_eq!(found(false, Ok(())), (State::Down, 503));
    }

    #[tokio::test]
    async fn what_is_shown_depends_on_who_asks() {
        let body = async |details, open| {
            let down = Health::ready(false, [("db", Dependency::essential(Err("gone".to_owned())))]);
            let response = seen(down.into_response(), details, open);
            assert_eq!(response.status(), 503);
            String::from_utf8(to_bytes(response.into_body(), 1000).await.unwrap().to_vec()).unwrap()
        };
        assert_eq!(body(Details::StatusAlone, true).await, r#"{"status":"DOWN"}"#);
        assert_eq!(body(Details::States, true).await, r#"{"status":"DOWN","dependencies":{"db":{"status":"DOWN"}}}"#);
        let all = r#"{"status":"DOWN","dependencies":{"db":{"status":"DOWN","detail":"gone"}}"#;
        assert_eq!(body(Details::All, false).await, format!("{all}}}"));
        assert_eq!(body(Details::All, true).await, format!(r#"{all},"access":"open"}}"#));
    }
}
