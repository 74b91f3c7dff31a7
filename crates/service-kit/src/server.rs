//! The HTTP server: what stands around every route of both services, and its graceful end.

use crate::contract::{self, Contract};
use crate::listener::{ClientAddress, DrainingListener};
use crate::panics;
use crate::prepared::Prepared;
use crate::problem::{self, Problem};
use crate::rate_limit::{self, RateLimit};
use crate::telemetry;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::http::{HeaderValue, Method, StatusCode, Uri, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::get;
use axum::{Router, middleware};
use metrics_exporter_prometheus::PrometheusHandle;
use std::any::Any;
use std::future::IntoFuture;
use std::num::NonZeroU32;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tower::ServiceBuilder;
use tower_http::catch_panic::CatchPanicLayer;
use utoipa::openapi::OpenApi;
use utoipa_swagger_ui::{Config, SwaggerUi};

/// Longest body, in bytes.
pub const BODY_LIMIT: usize = 1024 * 1024;

/// Puts Swagger UI, the OpenAPI document, `/metrics`, the fallbacks and the common layers around the routes.
pub fn application(
    routes: Router,
    document: OpenApi,
    metrics: PrometheusHandle,
    requests_per_second: Option<NonZeroU32>,
    prepared: Prepared,
) -> Router {
    let contract = Contract::of(&document);
    let swagger = SwaggerUi::new("/swagger-ui")
        .url("/api-docs/openapi.json", document)
        .config(Config::default().try_it_out_enabled(true).display_request_duration(true));
    let application = Router::new()
        .merge(routes)
        .merge(swagger)
        .route("/", get(|| async { Redirect::temporary("/swagger-ui/") }))
        .route("/metrics", get(move || async move { render_metrics(&metrics) }))
        .fallback(unknown_path)
        .method_not_allowed_fallback(method_not_allowed);
    let application = match requests_per_second {
        Some(limit) => application.layer(middleware::from_fn_with_state(RateLimit::new(limit), rate_limit::limit)),
        None => application,
    };
    // One layer of the router and one middleware function: each of either costs every request.
    application.layer(
        ServiceBuilder::new()
            .layer(middleware::from_fn_with_state((prepared, contract), around))
            .layer(CatchPanicLayer::custom(panicked))
            .layer(DefaultBodyLimit::max(BODY_LIMIT)),
    )
}

/// What stands around every request, from the outside in.
async fn around(State((prepared, contract)): State<(Prepared, Contract)>, request: Request, next: Next) -> Response {
    let path = request.uri().path().to_owned();
    let serve = async |request: Request| match prepared.refusal(&path).or_else(|| contract.refusal(&request)) {
        Some(refusal) => refusal.into_response(),
        None if request.method().is_safe() && contract::is_conditional(request.headers()) => {
            let conditions = request.headers().clone();
            contract::evaluated(&conditions, next.run(request).await)
        }
        None => next.run(request).await,
    };
    telemetry::observe(request, async |request| problem::render(serve(request).await, &path)).await
}

fn render_metrics(metrics: &PrometheusHandle) -> Response {
    let content_type = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
    ([(header::CONTENT_TYPE, content_type)], metrics.render()).into_response()
}

async fn unknown_path(uri: Uri) -> Problem {
    Problem::not_found(uri.path())
}

async fn method_not_allowed(method: Method, uri: Uri) -> Problem {
    let detail = format!("{method} is not possible on {}", uri.path());
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, "method-not-allowed", "Method not allowed", detail)
}

fn panicked(panic: Box<dyn Any + Send>) -> Response {
    Problem::unexpected(panics::message(&*panic)).into_response()
}

/// Serves until `shutdown`, then finishes what is in flight, at the most for `patience`.
pub async fn serve(
    listener: TcpListener,
    application: Router,
    shutdown: CancellationToken,
    patience: Duration,
) -> std::io::Result<()> {
    let drained = CancellationToken::new();
    let listener = DrainingListener::new(listener, shutdown.clone(), drained.clone())?;
    let application = application.into_make_service_with_connect_info::<ClientAddress>();
    let serving = axum::serve(listener, application).with_graceful_shutdown(async move { drained.cancelled().await });
    let too_late = async {
        shutdown.cancelled().await;
        tokio::time::sleep(patience).await;
    };
    tokio::select! {
        outcome = serving.into_future() => outcome,
        () = too_late => {
            tracing::warn!("some requests did not finish in time");
            Ok(())
        }
    }
}
