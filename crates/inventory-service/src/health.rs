//! Whether the process runs, and whether it can serve.

use crate::app::App;
use axum::extract::State;
use service_kit::health::{Dependency, Health};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// The routes for those who watch the process.
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(get_liveness)).routes(routes!(get_readiness))
}

/// The process runs
#[utoipa::path(get, path = "/health/live", tag = "health", responses(
    (status = 200, description = "it runs", body = Health),
))]
pub async fn get_liveness() -> Health {
    Health::live()
}

/// The service can serve, each dependency by name
///
/// Without RabbitMQ it is degraded: it serves all calls, what it has to announce waits in the outbox.
#[utoipa::path(get, path = "/health/ready", tag = "health", responses(
    (status = 200, description = "it serves", body = Health),
    (status = 503, description = "it cannot serve", body = Health),
))]
pub async fn get_readiness(State(app): State<App>) -> Health {
    Health::ready([
        ("postgresql", Dependency::essential(app.database_status().await)),
        ("rabbitmq", Dependency::optional(app.broker_status())),
    ])
}
