//! The whole route table of order-service; each module brings its own part.

use crate::app::App;
use crate::{health, notifications, orders};
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
        title = "order-service",
        description = "Places orders and walks them through their life. Errors are RFC 9457 problems; lists are paginated by `Link` (RFC 8288).",
        license(name = "MIT", identifier = "MIT")
    ),
    servers((url = "/", description = "This service")),
    components(schemas(Problem, orders::Unsellable)),
    tags(
        (name = "orders", description = "Orders and their statuses"),
        (name = "payments", description = "What orders are paid by, and what was done to the money"),
        (name = "notifications", description = "What customers and the shop were told, by e-mail and SMS"),
        (name = "admin", description = "For operators: messages that were set aside, and what must always hold"),
        (name = "health", description = "For operators"),
    )
)]
struct Document;

/// Every route with its documentation.
pub fn routes() -> OpenApiRouter<App> {
    let routes = Guarded::new()
        .merge(orders::routes())
        .merge(notifications::routes())
        .merge(health::routes())
        .merge(admin::routes());
    let mut routes = routes.into_router(Document::openapi());
    let consumers: Vec<&str> = topology::consumed_by("order-service").collect();
    documented::complete(routes.get_openapi_mut(), &consumers);
    routes
}
