//! The whole route table of account-service; each module brings its own part.

use crate::app::App;
use crate::{accounts, addresses, api_keys, codes, health, sessions, signing_keys, token_checks};
use service_kit::access::Guarded;
use service_kit::admin;
use service_kit::documented;
use service_kit::problem::Problem;
use shared_types::topology;
use utoipa::OpenApi;
use utoipa_axum::router::OpenApiRouter;

#[derive(OpenApi)]
#[openapi(
    info(
        title = "account-service",
        description = "Who people and machines are, and the tokens that prove it.",
        license(name = "MIT", identifier = "MIT")
    ),
    servers((url = "/", description = "This service")),
    security(()),
    tags(
        (name = "auth", description = "Registration, log-in and sessions"),
        (name = "accounts", description = "One's own account, and those of others for administrators"),
        (name = "addresses", description = "Where one has things sent, and where bills go"),
        (name = "api-keys", description = "Keys by which programs act for one"),
        (name = "keys", description = "The keys that tokens are checked with"),
        (name = "internal", description = "For the other services"),
        (name = "admin", description = "For operators: messages that were set aside, and what must always hold"),
        (name = "health", description = "Whether the service works"),
    ),
    components(schemas(Problem))
)]
struct Document;

/// Every route with its documentation.
pub fn routes() -> OpenApiRouter<App> {
    let guarded = Guarded::new()
        .merge(sessions::routes())
        .merge(token_checks::routes())
        .merge(accounts::routes())
        .merge(addresses::routes())
        .merge(api_keys::routes())
        .merge(signing_keys::routes())
        .merge(codes::routes())
        .merge(health::routes())
        .merge(admin::routes());
    let mut routes = guarded.into_router(Document::openapi());
    let consumers: Vec<&str> = topology::consumed_by("account-service").collect();
    documented::complete(routes.get_openapi_mut(), &consumers);
    routes
}
