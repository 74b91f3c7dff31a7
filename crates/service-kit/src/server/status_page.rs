//! The page at `/`: what this service is, its version, how its dependencies are, and where everything else is. It has one
//! style sheet of its own path and no script, so nothing is excepted from what a browser may not do with it.

use super::{Described, Face};
use crate::health::{Health, State};
use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::http::{HeaderName, HeaderValue, header};
use axum::response::{Html, IntoResponse, Response};
use std::fmt::Write;
use tower::ServiceExt;

/// Where the style sheet is.
pub(crate) const STYLE: &str = "/status.css";

/// Where the icon is.
pub(crate) const ICON: &str = "/status.svg";

const STYLE_SHEET: &str = include_str!("status_page/status.css");

const ICON_IMAGE: &str = include_str!("status_page/status.svg");

/// Its own style sheet and icon, and nothing else.
const POLICY: (HeaderName, HeaderValue) = (
    header::CONTENT_SECURITY_POLICY,
    HeaderValue::from_static(
        "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; form-action 'none'; \
         frame-ancestors 'none'",
    ),
);

/// What the page says of a service, and how it asks for its health.
#[derive(Clone, Debug)]
pub(crate) struct StatusPage {
    title: String,
    description: String,
    version: String,
    routes: Router,
    face: Face,
}

impl StatusPage {
    /// The page of the service with this description and these routes.
    pub fn new(described: &Described, routes: Router, face: Face) -> Self {
        // Written in Markdown, which is not read here. What follows the first paragraph is about calls.
        let description = described.description.as_deref().unwrap_or_default().split("\n\n").next();
        let description = description.unwrap_or_default().replace('`', "");
        Self { title: described.title.clone(), description, version: described.version.clone(), routes, face }
    }

    /// The page as it is now.
    pub async fn render(self) -> Response {
        let page = self.page(self.health().await);
        ([POLICY, (header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY"))], Html(page)).into_response()
    }

    /// What `/health/ready` says.
    async fn health(&self) -> Option<Health> {
        let mut request = Request::new(Body::empty());
        *request.uri_mut() = axum::http::Uri::from_static("/health/ready");
        let mut answer = self.routes.clone().oneshot(request).await.ok()?;
        answer.extensions_mut().remove()
    }

    fn page(&self, health: Option<Health>) -> String {
        let Self { title, description, version, face, .. } = self;
        let state = health.as_ref().map_or(State::Down, |health| health.status);
        // Where operators have a port of their own, this one shows the state alone, as `/health/ready` does.
        let dependencies = health.filter(|_| *face == Face::Whole).map(dependencies).unwrap_or_default();
        let metrics =
            if *face == Face::Whole { r#"<li><a href="/metrics">Metrics</a> for Prometheus</li>"# } else { "" };
        let (title, description, version) = (escaped(title), escaped(description), escaped(version));
        let (class, state) = shown(state);
        format!(
            r#"<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}: {state}</title>
<link rel="stylesheet" href="{STYLE}">
<link rel="icon" href="{ICON}">
</head>
<body>
<main>
<h1>{title} <span class="state {class}">{state}</span></h1>
<p>{description}</p>
<p class="version">Version {version}</p>
{dependencies}
<h2>More</h2>
<ul>
<li><a href="/swagger-ui/">Swagger UI</a>: try every call</li>
<li><a href="/api-docs/openapi.json">OpenAPI document</a> of every call</li>
<li><a href="/health/ready">Health</a> as JSON</li>
{metrics}
</ul>
</main>
</body>
</html>
"#
        )
    }
}

fn dependencies(health: Health) -> String {
    let mut rows = String::new();
    for (name, dependency) in health.dependencies {
        let (class, state) = shown(dependency.status);
        let circuit = dependency.circuit.map(|circuit| format!(", circuit {}", circuit.as_str().replace('_', " ")));
        // Writing to a text does not fail.
        let _ = writeln!(
            rows,
            r#"<tr><th scope="row">{name}</th><td><span class="state {class}">{state}</span>{}</td></tr>"#,
            circuit.unwrap_or_default()
        );
    }
    if rows.is_empty() {
        return rows;
    }
    format!("<h2>What it needs</h2>\n<table>\n<tbody>\n{rows}</tbody>\n</table>")
}

fn shown(state: State) -> (&'static str, &'static str) {
    match state {
        State::Up => ("up", "UP"),
        State::Degraded => ("degraded", "DEGRADED"),
        State::Down => ("down", "DOWN"),
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// The style sheet.
pub(crate) async fn style() -> Response {
    file("text/css; charset=utf-8", STYLE_SHEET)
}

/// The icon.
pub(crate) async fn icon() -> Response {
    file("image/svg+xml", ICON_IMAGE)
}

fn file(media_type: &'static str, content: &'static str) -> Response {
    ([(header::CONTENT_TYPE, HeaderValue::from_static(media_type))], content).into_response()
}

#[cfg(test)]
mod tests {
    use super::{Face, StatusPage};
    use crate::health::{Circuit, Dependency, Health};
    use axum::Router;

    fn page(face: Face) -> String {
        let (title, description, version) = ("orders & co".to_owned(), "<b>".to_owned(), "1.2.3".to_owned());
        let away = Dependency::optional(Err("of 10.0.0.1".to_owned())).behind(Circuit::HalfOpen);
        let health = Health::ready(true, [("inventory-service", away)]);
        StatusPage { title, description, version, routes: Router::new(), face }.page(Some(health))
    }

    #[test]
    fn it_names_the_service_and_its_dependencies() {
        let page = page(Face::Whole);
        for part in ["orders &amp; co", "&lt;b&gt;", "1.2.3", "DEGRADED", "inventory-service", "circuit half open"] {
            assert!(page.contains(part), "{part} in {page}");
        }
        assert!(page.contains("/metrics") && page.contains("/swagger-ui/"));
        assert!(!page.contains("10.0.0.1"), "reasons are for operators");
        assert!(!page.contains("<script") && !page.contains("style="), "nothing for which the policy had to make room");
    }

    #[test]
    fn the_public_port_shows_the_state_alone() {
        let page = page(Face::Public);
        assert!(page.contains("DEGRADED") && !page.contains("inventory-service") && !page.contains("/metrics"));
    }
}
