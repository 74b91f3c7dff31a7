//! The whole route table of order-service.

mod documented;
mod health;
mod notifications;
mod orders;
mod timeline;

use crate::app::App;
use service_kit::admin;
use service_kit::problem::Problem;
use utoipa::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

#[derive(OpenApi)]
#[openapi(
    info(
        title = "order-service",
        description = "Places orders and walks them through their life. Errors are RFC 9457 problems; lists are paginated by `Link` (RFC 8288).",
        license(name = "MIT", identifier = "MIT")
    ),
    servers((url = "/", description = "This service")),
    security(()),
    components(schemas(Problem)),
    tags(
        (name = "orders", description = "Orders and their statuses"),
        (name = "notifications", description = "What customers and the shop were told, by e-mail and SMS"),
        (name = "admin", description = "For operators: messages that were set aside, and what must always hold"),
        (name = "health", description = "For operators"),
    )
)]
struct Document;

/// Every route with its documentation.
pub fn routes() -> OpenApiRouter<App> {
    let mut routes = OpenApiRouter::with_openapi(Document::openapi())
        .routes(routes!(orders::place_order, orders::list_orders))
        .routes(routes!(orders::get_order))
        .routes(routes!(orders::list_orders_by_status))
        .routes(routes!(orders::list_orders_by_customer))
        .routes(routes!(orders::change_status))
        .routes(routes!(orders::cancel_order))
        .routes(routes!(timeline::get_timeline))
        .routes(routes!(notifications::list_order_notifications))
        .routes(routes!(notifications::list_notifications, notifications::erase_notifications))
        .routes(routes!(notifications::get_notification))
        .routes(routes!(notifications::get_notification_html))
        .routes(routes!(notifications::resend_notification))
        .routes(routes!(notifications::webhooks::take_brevo_reports))
        .routes(routes!(health::get_live))
        .routes(routes!(health::get_ready))
        .merge(admin::routes());
    // One handler serves both verbs, but no two operations may have the same id.
    let status = routes.get_openapi_mut().paths.paths.get_mut("/api/orders/{id}/status");
    if let Some(patch) = status.and_then(|path| path.patch.as_mut()) {
        patch.operation_id = Some("patch_status".to_owned());
    }
    routes
}
