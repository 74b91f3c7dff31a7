//! The HTTP server: what stands around every route of each service, and its graceful end.

pub mod config;
mod connection;
mod connections;
pub mod cors;
pub mod exposure;
mod gate;
mod head;
mod headers;
mod own_answers;
mod status_page;
mod stream;

pub(crate) use connection::Connection;
pub(crate) use connections::Connections;

use crate::access::{Principal, audit};
use crate::config::ServerConfig;
use crate::contract::{self, Contract, Operation, Target};
use crate::extract;
use crate::health::{self, Details};
use crate::listener::DrainingListener;
use crate::prepared::Prepared;
use crate::problem::{self, Problem};
use crate::rate_limit::{Counted, RateLimits};
use crate::reading::Replica;
use crate::telemetry::{self, Watched};
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::http::{HeaderValue, Method, StatusCode, Uri, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Router, middleware};
use connection::Cut;
use exposure::{Exposure, PROBED};
pub(crate) use gate::Gate;
use gate::Unnamed;
use head::Head;
use metrics_exporter_prometheus::PrometheusHandle;
use status_page::StatusPage;
use std::any::Any;
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use tower::ServiceBuilder;
use tower_http::catch_panic::CatchPanicLayer;
use utoipa::openapi::{Info, OpenApi};
use utoipa_swagger_ui::{Config, SwaggerUi};

/// Longest body on a path, in bytes. Nobody who logs in has much to say, and everybody may.
pub fn longest_body(path: &str) -> usize {
    if path.starts_with("/api/auth/") { 4 * 1024 } else { 1024 * 1024 }
}

/// Which part of a service a port shows.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Face {
    /// All of it.
    Whole,
    /// What clients need, where operators have a port of their own.
    Public,
    /// What operators need: metrics, and health with its details.
    Management,
}

/// What the layer around every request needs.
#[derive(Clone, Debug)]
struct Surroundings(Arc<Parts>);

#[derive(Debug)]
struct Parts {
    prepared: Prepared,
    contract: Contract,
    exposure: Exposure,
    /// How much a client may ask for, where that is limited.
    limits: Option<RateLimits>,
    gate: Gate,
    face: Face,
    /// The replica that lists are read from, where there is one.
    replica: Option<Arc<Replica>>,
    /// Most lines of the log a second about requests that are alike.
    lines_per_second: u32,
}

/// What a request tells of its caller by how it came.
#[derive(Clone, Copy, Debug)]
struct Presented {
    unnamed: Unnamed,
    /// A program on this machine sent it, for itself.
    from_here: bool,
}

/// A request that was let through to its route.
#[derive(Default)]
struct Admitted {
    by_operator: bool,
    refuses_body: bool,
    /// Written down with what comes of it.
    action: audit::Unfinished,
}

/// What the server needs of an OpenAPI document. The document itself takes megabytes, and is not kept.
#[derive(Clone, Debug)]
pub(crate) struct Described {
    pub title: String,
    pub version: String,
    description: Option<String>,
    contract: Contract,
    json: Bytes,
}

impl Described {
    pub fn by(document: &OpenApi) -> serde_json::Result<Self> {
        let json = serde_json::to_vec(document)?.into();
        let Info { title, version, description, .. } = document.info.clone();
        Ok(Self { title, version, description, contract: Contract::of(document), json })
    }
}

/// Where the document is.
const DOCUMENT: &str = "/api-docs/openapi.json";

/// Puts the status page, Swagger UI, the OpenAPI document, `/metrics`, the fallbacks and the common layers around the routes.
pub(crate) fn application(
    routes: Router,
    described: Described,
    metrics: PrometheusHandle,
    config: &ServerConfig,
    (prepared, replica): (Prepared, Option<Arc<Replica>>),
    gate: Gate,
    face: Face,
) -> Router {
    let look = Config::new([DOCUMENT]).try_it_out_enabled(true).display_request_duration(true);
    // Without a validator: it would be another site.
    let look = look.validator_url("none");
    let status = StatusPage::new(&described, routes.clone(), face);
    let swagger = SwaggerUi::new("/swagger-ui").config(look);
    let json = ([(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))], described.json);
    #[expect(
        clippy::disallowed_methods,
        reason = "the gate knows the rules of these pages, which no document describes"
    )]
    let application = Router::new()
        .merge(routes)
        .merge(swagger)
        .route(DOCUMENT, get(async move || json))
        .route("/", get(move || status.clone().render()))
        .route(status_page::STYLE, get(status_page::style))
        .route(status_page::ICON, get(status_page::icon))
        .route("/metrics", get(move || async move { render_metrics(&metrics) }))
        .fallback(unknown_path)
        .method_not_allowed_fallback(method_not_allowed);
    let limits = RateLimits::of(config);
    limits.iter().for_each(RateLimits::sweep_regularly);
    let (hosts, proxies) = (config.allowed_hosts.clone(), config.trusted_proxies.clone());
    let exposure = Exposure::new(hosts, config.bind_address, proxies, config.cors_origins.clone());
    let surroundings = Surroundings(Arc::new(Parts {
        prepared,
        contract: described.contract,
        exposure,
        limits,
        gate,
        face,
        replica,
        lines_per_second: config.log_requests_per_second,
    }));
    // One layer of the router and one middleware function: each of either costs every request.
    let application = application.layer(
        ServiceBuilder::new()
            .layer(middleware::from_fn_with_state(surroundings, around))
            .layer(CatchPanicLayer::custom(panicked)),
    );
    // Around everything, so that pages read refusals too, and what a browser asks first needs no token and uses up nothing.
    match config.cors_origins.layer().filter(|_| face != Face::Management) {
        Some(cors) => application.layer(cors),
        None => application,
    }
}

/// What stands around every request, from the outside in.
async fn around(State(Surroundings(parts)): State<Surroundings>, request: Request, next: Next) -> Response {
    let path = request.uri().path().to_owned();
    let connection = request.extensions().get::<Arc<Connection>>().cloned();
    let principal = OnceLock::new();
    // Without a replica nothing is asked after a write.
    let written_to = parts.replica.as_deref().filter(|_| !request.method().is_safe());
    let serve = async |mut request: Request| {
        let (connection, mut counted) = (connection.as_deref(), Counted::default());
        let mut response = match parts.admit(&mut request, connection, &principal, &mut counted).await {
            Err(refusal) => refusal,
            Ok(Admitted { by_operator, refuses_body, action }) => {
                DefaultBodyLimit::max(longest_body(&path)).apply(&mut request);
                let refused = if refuses_body { extract::refuse_body(&mut request).await.err() } else { None };
                let mut response = match refused.or_else(|| parts.over_limit_of_caller(&request, &mut counted)) {
                    None => evaluated(request, next).await,
                    Some(problem) => problem.into_response(),
                };
                if let Some(replica) = written_to {
                    // In a box: requests of services without a replica would all carry it.
                    Box::pin(replica.written(principal.get(), &mut response)).await;
                }
                let response = match connection.and_then(Connection::cut) {
                    Some(why) => given_up(why),
                    None => parts.seen(response, &path, by_operator),
                };
                action.ended(&response);
                response
            }
        };
        counted.tell(response.headers_mut());
        response
    };
    let answer = async |request| {
        let contract = &parts.contract;
        headers::finish(problem::render(serve(request).await, &path, |path| contract.shown(path)), &path)
    };
    let watched = Watched { path: &path, principal: &principal, lines_per_second: parts.lines_per_second };
    telemetry::observe(request, watched, answer).await
}

/// The answer of the route; to a read, with its preconditions evaluated.
async fn evaluated(request: Request, next: Next) -> Response {
    if request.method().is_safe() && contract::is_conditional(request.headers()) {
        let conditions = request.headers().clone();
        contract::evaluated(&conditions, next.run(request).await)
    } else {
        next.run(request).await
    }
}

impl Parts {
    /// Lets a request through to its route, which learns who makes it. Otherwise gives the answer to one that no route gets
    /// to see. `known` learns who it is, and `counted` what the limit of its address says.
    async fn admit(
        &self,
        request: &mut Request,
        connection: Option<&Connection>,
        known: &OnceLock<Principal>,
        counted: &mut Counted,
    ) -> Result<Admitted, Response> {
        let presented = self.presented(request, connection)?;
        if let Some(limits) = &self.limits {
            *counted = limits.arrives(request);
            if let Some(problem) = counted.refusal() {
                return Err(problem.into_response());
            }
        }
        let (operation, rule) = match self.contract.target(request) {
            Target::Operation(operation) => (Some(operation), operation.access()),
            Target::OtherMethod | Target::Nowhere => return Ok(Admitted::default()),
            Target::Undocumented => match self.gate.rule_of_undocumented(request.uri().path()) {
                Some(rule) if !self.shows_metrics_to(request, presented) => (None, rule),
                _ => return Ok(Admitted::default()),
            },
        };
        let headers = request.headers();
        let client = || self.exposure.client(connection, headers);
        let principal = self.gate.principal(headers, presented.unnamed, client).await;
        if let Ok(principal) = &principal {
            known.get_or_init(|| principal.clone());
        }
        let takes_form = operation.is_some_and(Operation::takes_form);
        let admit = |principal| self.gate.admit(rule, principal, presented.unnamed, takes_form);
        let caller = match principal.and_then(admit) {
            Ok(caller) => caller,
            Err(refusal) => {
                let who = known.get().unwrap_or(&Principal::Nobody);
                audit::refused(request, who, rule, refusal.status, self.lines_per_second).await;
                return Err(refusal.into_response());
            }
        };
        let action = audit::begun(request, &caller.principal, rule).await;
        if let Some(refusal) = operation.and_then(|operation| operation.refusal(request)) {
            let refusal = refusal.into_response();
            action.ended(&refusal);
            return Err(refusal);
        }
        let by_operator = caller.principal.is_operator();
        let refuses_body = operation.is_some_and(|operation| operation.refuses_body(request.method()));
        request.extensions_mut().insert(caller);
        Ok(Admitted { by_operator, refuses_body, action })
    }

    /// The answer, where the caller of a request that was let in has made too many.
    fn over_limit_of_caller(&self, request: &Request, counted: &mut Counted) -> Option<Problem> {
        self.limits.as_ref()?.is_let_in(request, counted);
        counted.refusal()
    }

    /// Programs on this machine and those who reach the port for operators read the metrics without a token.
    fn shows_metrics_to(&self, request: &Request, presented: Presented) -> bool {
        request.uri().path() == "/metrics" && (self.face == Face::Management || presented.from_here)
    }

    /// What the head and the way of a request tell; or the answer, where they are reason enough to refuse it.
    fn presented(&self, request: &Request, connection: Option<&Connection>) -> Result<Presented, Response> {
        let mut head = Head::of(request);
        // Nearly every request names the host that the one before it named.
        let host = head.only_host().zip(connection);
        let host_is_own = host.and_then(|(host, connection)| connection.knows(host));
        head.host_is_known = host_is_own.is_some();
        if let Some(fault) = head.fault() {
            return Err(and_close(fault));
        }
        let exposed = self.exposure.refusal(&head, connection, || self.contract.takes_form(request));
        if let Some((host, connection)) =
            host.filter(|_| !head.host_is_known && exposed.is_none() && !PROBED.contains(&head.path()))
        {
            connection.learns(host, exposure::names_this_machine(&head));
        }
        let refusal = exposed.or_else(|| {
            let shown = match self.face {
                Face::Whole => true,
                Face::Public => head.path() != "/metrics",
                Face::Management => head.path() == "/metrics" || head.path().starts_with("/health/"),
            };
            if shown { self.prepared.refusal(head.path()) } else { Some(Problem::not_found(head.path())) }
        });
        match refusal {
            Some(refusal) => Err(refusal.into_response()),
            None => Ok(Presented {
                unnamed: self.gate.unnamed(&head, connection, host_is_own),
                from_here: exposure::came_from_here(&head, connection),
            }),
        }
    }

    /// The answer as this port shows it to this caller.
    fn seen(&self, response: Response, path: &str, by_operator: bool) -> Response {
        if !path.starts_with("/health/") {
            return response;
        }
        let details = match self.face {
            Face::Public => Details::StatusAlone,
            Face::Whole if !by_operator => Details::States,
            Face::Whole | Face::Management => Details::All,
        };
        health::seen(response, details, self.gate.is_open())
    }
}

/// The rest of the body, if there is one, is not waited for.
fn and_close(problem: Problem) -> Response {
    let mut response = problem.into_response();
    response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    response
}

/// What a client is told whose body was not waited for any longer.
fn given_up(why: Cut) -> Response {
    and_close(match why {
        Cut::TooSlow => Problem::of_status(StatusCode::REQUEST_TIMEOUT, "the body of the request did not come in time"),
        Cut::Ending => Problem::unavailable("the service ends, and the request was not complete"),
    })
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

/// The hook of the process has logged the panic.
fn panicked(_: Box<dyn Any + Send>) -> Response {
    Problem::internal().into_response()
}

/// Serves until `shutdown`, then finishes what is in flight, at the most for `patience`.
pub(crate) async fn serve(
    listener: TcpListener,
    application: Router,
    connections: Connections,
    shutdown: CancellationToken,
    patience: Duration,
) {
    let serving = connections.serve(DrainingListener::new(listener, shutdown.clone()), application);
    let too_late = async {
        shutdown.cancelled().await;
        tokio::time::sleep(patience).await;
    };
    tokio::select! {
        () = serving => {}
        () = too_late => tracing::warn!("some requests did not finish in time"),
    }
}
