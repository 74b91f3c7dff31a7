//! The whole route table of inventory-service; each module brings its own part.

use crate::app::App;
use crate::{health, products, reservations};
use service_kit::access::Guarded;
use service_kit::admin;
use service_kit::documented;
use service_kit::problem::Problem;
use shared_types::reservations::ShortStock;
use shared_types::topology;
use utoipa::OpenApi;
use utoipa_axum::router::OpenApiRouter;

#[derive(OpenApi)]
#[openapi(
    info(
        title = "inventory-service",
        description = "Products, their stock, and the reservations that hold it for orders.",
        license(name = "MIT", identifier = "MIT")
    ),
    servers((url = "/", description = "This service")),
    tags(
        (name = "products", description = "What can be ordered"),
        (name = "stock", description = "Stock that comes in and goes out, and every movement of it"),
        (name = "reservations", description = "Stock held for orders"),
        (name = "admin", description = "For operators: messages that were set aside, and what must always hold"),
        (name = "health", description = "Whether the service works"),
    ),
    components(schemas(Problem, ShortStock))
)]
struct Document;

/// Every route with its documentation.
pub fn routes() -> OpenApiRouter<App> {
    let routes = Guarded::new()
        .merge(products::routes())
        .merge(reservations::routes())
        .merge(health::routes())
        .merge(admin::routes());
    let mut routes = routes.into_router(Document::openapi());
    let consumers: Vec<&str> = topology::consumed_by("inventory-service").collect();
    documented::complete(routes.get_openapi_mut(), &consumers);
    routes
}
