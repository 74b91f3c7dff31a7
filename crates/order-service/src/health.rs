//! Whether the service lives, and whether it is ready.

use crate::app::App;
use axum::extract::State;
use service_kit::access::{Access, Guarded};
use service_kit::health::Health;
use utoipa_axum::routes;

/// The routes for those who watch the process.
pub fn routes() -> Guarded<App> {
    Guarded::new().add(Access::PUBLIC, routes!(get_live)).add(Access::PUBLIC, routes!(get_ready))
}

/// The process runs.
#[utoipa::path(get, path = "/health/live", tag = "health",
    responses((status = 200, description = "The process runs", body = Health)))]
pub async fn get_live() -> Health {
    Health::live()
}

/// Whether the process takes requests, and a report of what it needs for them, each dependency by name. Only the first
/// decides the status. Without RabbitMQ or inventory-service the service is DEGRADED: reads go on. So it is while mail
/// server, SMS gateway or payment provider, where they are set up, are left alone. Without PostgreSQL it is DOWN.
#[utoipa::path(get, path = "/health/ready", tag = "health", responses(
    (status = 200, description = "Takes requests; UP, DEGRADED, or DOWN while PostgreSQL is away", body = Health),
    (status = 503, description = "Takes no requests: it starts, ends, or its schema is not ready", body = Health)))]
pub async fn get_ready(State(app): State<App>) -> Health {
    let (own, inventory) = tokio::join!(app.admin.dependencies(), app.orders.inventory_dependency());
    let others = [("inventory-service", inventory)].into_iter().chain(app.notifications.dependencies());
    let others = others.chain(app.orders.payment_dependencies());
    Health::ready(app.admin.prepared.takes_requests(), own.into_iter().chain(others))
}
