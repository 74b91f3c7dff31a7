//! Whether the service lives, and whether it is ready.

use crate::app::App;
use axum::extract::State;
use service_kit::access::{Access, Guarded};
use service_kit::health::{Dependency, Health};
use utoipa_axum::routes;

/// The routes for those who watch the process.
pub fn routes() -> Guarded<App> {
    Guarded::new().add(Access::PUBLIC, routes!(get_live)).add(Access::PUBLIC, routes!(get_ready))
}

/// The process runs.
#[utoipa::path(get, path = "/health/live", tag = "health", responses(
    (status = 200, description = "The process runs", body = Health)))]
pub async fn get_live() -> Health {
    Health::live()
}

/// Ready to serve, each dependency by name. Without RabbitMQ the service is DEGRADED and still answers 200: what it has
/// to announce waits in the outbox.
#[utoipa::path(get, path = "/health/ready", tag = "health", responses(
    (status = 200, description = "Ready; UP or DEGRADED", body = Health),
    (status = 503, description = "Not ready: PostgreSQL is away", body = Health)))]
pub async fn get_ready(State(app): State<App>) -> Health {
    Health::ready([
        ("postgresql", Dependency::essential(app.database_status().await)),
        ("rabbitmq", Dependency::optional(app.broker_status())),
    ])
}
