//! Whether the service lives, and whether it is ready.

use crate::app::App;
use axum::extract::State;
use service_kit::health::{Circuit, Dependency, Health};

/// The process runs.
#[utoipa::path(get, path = "/health/live", tag = "health",
    responses((status = 200, description = "The process runs", body = Health)))]
pub async fn get_live() -> Health {
    Health::live()
}

/// Ready to serve, each dependency by name. Without RabbitMQ or inventory-service the service is DEGRADED and
/// still answers 200: reads go on. So it is while mail server or SMS gateway, where they are set up, are left alone.
#[utoipa::path(get, path = "/health/ready", tag = "health", responses(
    (status = 200, description = "Ready; UP or DEGRADED", body = Health),
    (status = 503, description = "Not ready: PostgreSQL is away", body = Health)))]
pub async fn get_ready(State(app): State<App>) -> Health {
    let (database, inventory) = tokio::join!(app.database_status(), app.inventory.ping());
    let channels = app.outbound.routes.iter().map(|route| {
        let (name, circuit) = (route.name(), route.circuit.shown());
        let away = || Err("it failed again and again: messages wait, and one is tried at times".to_owned());
        let status = if circuit == Circuit::Closed { Ok(()) } else { away() };
        (name, Dependency::optional(status).behind(circuit))
    });
    let others = [
        ("postgresql", Dependency::essential(database)),
        ("rabbitmq", Dependency::optional(app.broker_status())),
        ("inventory-service", Dependency::optional(inventory).behind(app.inventory.circuit())),
    ];
    Health::ready(others.into_iter().chain(channels))
}
