//! The whole route table of order-service.

mod health;
mod orders;
mod timeline;

use crate::app::App;
use utoipa::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

#[derive(OpenApi)]
#[openapi(
    info(title = "order-service", description = "Places orders and walks them through their life. Errors are RFC 9457 problems; lists are paginated by `Link` (RFC 8288)."),
    servers((url = "/", description = "This service")),
    tags((name = "orders", description = "Orders and their statuses"), (name = "health", description = "For operators"))
)]
struct Document;

/// Every route with its documentation.
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::with_openapi(Document::openapi())
        .routes(routes!(orders::place_order, orders::list_orders))
        .routes(routes!(orders::get_order))
        .routes(routes!(orders::list_orders_by_status))
        .routes(routes!(orders::list_orders_by_customer))
        .routes(routes!(orders::change_status))
        .routes(routes!(orders::cancel_order))
        .routes(routes!(timeline::get_timeline))
        .routes(routes!(health::get_live))
        .routes(routes!(health::get_ready))
}
