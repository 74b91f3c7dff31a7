//! Every call of inventory-service on one page, and the OpenAPI document made from them.

pub mod documented;
pub mod health;
pub mod movements;
pub mod products;
pub mod reservations;
pub mod stock;

use crate::app::App;
use service_kit::admin;
use service_kit::problem::Problem;
use utoipa::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

#[derive(OpenApi)]
#[openapi(
    info(
        title = "inventory-service",
        description = "Products, their stock, and the reservations that hold it for orders.",
        license(name = "MIT", identifier = "MIT")
    ),
    servers((url = "/", description = "this service")),
    security(()),
    tags(
        (name = "products", description = "What can be ordered"),
        (name = "stock", description = "Stock that comes in and goes out, and every movement of it"),
        (name = "reservations", description = "Stock held for orders"),
        (name = "admin", description = "For operators: messages that were set aside, and what must always hold"),
        (name = "health", description = "Whether the service works"),
    ),
    components(schemas(Problem))
)]
struct Description;

/// Every route with its documentation.
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::with_openapi(Description::openapi())
        .routes(routes!(products::list_products, products::create_product))
        .routes(routes!(products::list_active_products))
        .routes(routes!(products::list_low_stock_products))
        .routes(routes!(products::get_product, products::replace_product, products::delete_product))
        .routes(routes!(stock::add_stock))
        .routes(routes!(stock::reduce_stock))
        .routes(routes!(stock::check_stock))
        .routes(routes!(movements::list_movements))
        .routes(routes!(reservations::reserve_stock))
        .routes(routes!(reservations::list_reservations, reservations::create_reservation))
        .routes(routes!(reservations::batch::create_reservations))
        .routes(routes!(reservations::get_reservation))
        .routes(routes!(reservations::commit_reservation))
        .routes(routes!(reservations::release_reservation))
        .routes(routes!(health::get_liveness))
        .routes(routes!(health::get_readiness))
        .merge(admin::routes())
}
