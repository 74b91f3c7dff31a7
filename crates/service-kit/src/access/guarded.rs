//! Routes, each with its rule.

use super::{Access, Reach};
use crate::documented::Refused;
use crate::turns;
use axum::middleware;
use utoipa::IntoResponses;
use utoipa::openapi::extensions::Extensions;
use utoipa::openapi::path::Operation;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme};
use utoipa::openapi::{OpenApi, PathItem};
use utoipa_axum::router::{OpenApiRouter, UtoipaMethodRouter};

/// The extension of an operation that holds its rule.
pub const ACCESS: &str = "x-access";

/// The name of the way to say who one is, in the OpenAPI document.
pub const BEARER: &str = "bearer";

/// Routes that were each added with the rule for who may call them. The rule stands in the OpenAPI document, and the
/// server holds every request against it; a route that has none lets nobody in.
#[expect(missing_debug_implementations, reason = "routers have none")]
pub struct Guarded<S = ()>(OpenApiRouter<S>);

impl<S: Clone + Send + Sync + 'static> Default for Guarded<S> {
    fn default() -> Self {
        Self(OpenApiRouter::new())
    }
}

impl<S: Clone + Send + Sync + 'static> Guarded<S> {
    /// No route yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds what `routes!` gives, for those whom the rule lets in. Requests that change one object take turns.
    #[must_use]
    pub fn add(self, access: Access, (schemas, mut paths, methods): UtoipaMethodRouter<S>) -> Self {
        for item in paths.paths.values_mut() {
            for operation in operations(item) {
                write(operation, &access);
            }
        }
        let changes = paths.paths.values().any(|path| path.get.is_none());
        let names_an_object = paths.paths.keys().any(|path| path.contains('{'));
        let methods = match changes && names_an_object {
            true => methods.layer(middleware::from_fn(turns::taken)),
            false => methods,
        };
        #[expect(clippy::disallowed_methods, reason = "the one place where routes are added, each with its rule")]
        Self(self.0.routes((schemas, paths, methods)))
    }

    /// Adds the routes of another module.
    #[must_use]
    pub fn merge(self, other: Self) -> Self {
        Self(self.0.merge(other.0))
    }

    /// Changes what the document says of the routes.
    #[must_use]
    pub fn described(mut self, change: impl FnOnce(&mut OpenApi)) -> Self {
        change(self.0.get_openapi_mut());
        self
    }

    /// Puts the routes into a document, which says how callers tell who they are.
    pub fn into_router(self, mut document: OpenApi) -> OpenApiRouter<S> {
        let bearer = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).bearer_format("JWT");
        let bearer = bearer.description(Some("The access token that a log-in gives")).build();
        document.components.get_or_insert_default().add_security_scheme(BEARER, SecurityScheme::Http(bearer));
        OpenApiRouter::with_openapi(document).merge(self.0)
    }
}

fn operations(item: &mut PathItem) -> impl Iterator<Item = &mut Operation> {
    [&mut item.get, &mut item.post, &mut item.put, &mut item.patch, &mut item.delete].into_iter().flatten()
}

fn write(operation: &mut Operation, access: &Access) {
    // A rule is names and flags, which are always JSON.
    let rule = serde_json::to_value(access).unwrap_or_default();
    let extension = Extensions::builder().add(ACCESS, rule).build();
    operation.extensions.get_or_insert_default().merge(extension);
    let bearer = SecurityRequirement::new(BEARER, Vec::<String>::new());
    // Nobody has to choose where a token gives no more. Pages draw a lock wherever there is a requirement, also an empty one.
    let everybody = access.nobody == Reach::All;
    let nobody = access.guests.then(SecurityRequirement::default);
    operation.security = Some(if everybody { Vec::new() } else { nobody.into_iter().chain([bearer]).collect() });
    for (status, refusal) in Refused::responses() {
        operation.responses.responses.entry(status).or_insert(refusal);
    }
}
