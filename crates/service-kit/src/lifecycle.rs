//! The life of a service's process: take the port, get the database ready, listen, end in order.

use crate::access::{self, tokens::Verifier};
use crate::config::{ConfigError, DatabaseConfig, ServerConfig};
use crate::db::Database;
use crate::migrations::SchemaError;
use crate::prepared::Prepared;
use crate::schema::Schema;
use crate::server::{self, Connections, Described, Face, Gate};
use crate::shutdown::Shutdown;
use crate::telemetry::{self, TelemetryError};
use crate::traces;
use axum::Router;
use futures_util::FutureExt;
use http_client::TlsError;
use sqlx::migrate::Migrator;
use std::future::Future;
use std::io::Write;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::process::ExitCode;
use std::time::{Duration, Instant};
use tokio::net::TcpSocket;
use utoipa::openapi::OpenApi;

/// Why a service could not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A setting cannot be used.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// Logs or metrics cannot be set up.
    #[error(transparent)]
    Telemetry(#[from] TelemetryError),
    /// The address cannot be listened on.
    #[error("cannot listen on {address}: {source}")]
    Listen {
        /// Address and port.
        address: SocketAddr,
        /// Why.
        source: std::io::Error,
    },
    /// The database's schema cannot be brought up to date, or is too new.
    #[error(transparent)]
    Schema(#[from] SchemaError),
    /// The service's own first steps in the database failed.
    #[error("database: {0}")]
    Database(#[from] sqlx::Error),
    /// The HTTP client cannot be made.
    #[error("HTTP client: {0}")]
    Client(#[from] reqwest::Error),
    /// The operating system refused something.
    #[error(transparent)]
    Io(#[from] std::io::Error),
}

/// What runs behind the listener: migrations first, then the starting of relay, consumers and jobs.
pub type Background = Pin<Box<dyn Future<Output = Result<(), StartError>> + Send>>;

/// What a service consists of.
pub struct Built {
    /// What it answers.
    pub routes: Router,
    /// What it says of that.
    pub document: OpenApi,
    /// Whoever knows callers by their tokens.
    pub verifier: Verifier,
    /// Where it keeps what it knows.
    pub database: Database,
    /// What it does besides.
    pub background: Background,
}

/// Writes the OpenAPI document to standard output, its keys in the order of the alphabet: extensions have no order of their
/// own and would come out differently each time.
pub fn print_openapi(document: &OpenApi) -> ExitCode {
    let sorted = serde_json::to_value(document).and_then(|document| serde_json::to_string_pretty(&document));
    print(sorted.map_err(std::io::Error::from))
}

/// Writes who may call what to standard output, as a table in Markdown.
pub fn print_access(document: &OpenApi) -> ExitCode {
    print(Ok(access::table(document).trim_end().to_owned()))
}

fn print(text: std::io::Result<String>) -> ExitCode {
    let written = text.and_then(|text| writeln!(std::io::stdout(), "{text}"));
    if written.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// How long a start may take before the service listens all the same and answers what it can.
const PREPARATION: Duration = Duration::from_secs(2);

/// Connections that may wait to be accepted.
const BACKLOG: u32 = 1024;

/// What the background and the last traces have each, where requests took all the time there was.
const LEAST: Duration = Duration::from_secs(1);

/// Connections of operators and their tools at once, where they have a port of their own.
const MANAGEMENT_CONNECTIONS: usize = 64;

/// Runs a service until SIGTERM or Ctrl-C.
///
/// The routes of what `build` gives are served as soon as its background is under way, or after two seconds when the database is
/// still away; a failure in the background ends the process.
pub fn run<Build>(config: &ServerConfig, port: u16, build: Build) -> ExitCode
where
    Build: AsyncFnOnce(Shutdown, Prepared) -> Result<Built, StartError>,
{
    let threads = config.worker_threads();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(threads).enable_all().build();
    let outcome = runtime.map_err(StartError::from).and_then(|runtime| {
        let outcome = runtime.block_on(serve(config, port, build));
        // lapin ends its connections on threads of its own, which panic over a runtime that goes away under them. All
        // that matters was waited for, and the process ends here anyway.
        std::mem::forget(runtime);
        outcome
    });
    exit_code(outcome)
}

/// Brings the schema up to date, and ends: before a new build is started, so that none of its instances waits for that.
pub fn migrate_only(config: &ServerConfig, database: &DatabaseConfig, migrator: Migrator, schema: Schema) -> ExitCode {
    let migrate = async {
        telemetry::start(config)?;
        Ok(Database::connect_lazy(database)?.migrate(migrator, schema).await?)
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    exit_code(runtime.map_err(StartError::from).and_then(|runtime| runtime.block_on(migrate)))
}

fn exit_code(outcome: Result<(), StartError>) -> ExitCode {
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(%error, "the service ends");
            // The log may not be set up yet, or may filter errors out.
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn serve<Build>(config: &ServerConfig, port: u16, build: Build) -> Result<(), StartError>
where
    Build: AsyncFnOnce(Shutdown, Prepared) -> Result<Built, StartError>,
{
    config.access.check(config.bind_address, config.auth.knows_callers())?;
    if let Some(file) = &config.https_ca_file {
        let refused = |error: TlsError| ConfigError { variable: "HTTPS_CA_FILE", reason: error.to_string() };
        http_client::believe(file).map_err(refused)?;
    }
    let metrics = telemetry::start(config)?;
    config.access.warn_while_open();
    let shutdown = Shutdown::on_signal()?;
    let prepared = Prepared::until(shutdown.signal());
    let Built { routes, document, verifier, database, background } = build(shutdown.clone(), prepared.clone()).await?;
    let described = Described::by(&document).map_err(std::io::Error::from)?;
    drop(document);
    metrics::gauge!("build_info", "version" => described.version.clone()).set(1.0);
    let traces = traces::start(&config.traces, &described.title, &described.version)?;
    let address = (config.bind_address, port).into();
    let socket = bind(address).map_err(|source| StartError::Listen { address, source })?;
    let management = config.management_port.map(|port| SocketAddr::from((config.bind_address, port)));
    let management = management.map(|address| match bind(address) {
        Ok(socket) => Ok((socket, address)),
        Err(source) => Err(StartError::Listen { address, source }),
    });
    let management = management.transpose()?;
    let preparing = async {
        background.await?;
        prepared.set();
        Ok::<_, StartError>(())
    };
    let mut preparing = pin!(preparing.fuse());
    // Who listens is sent requests: as a rule that begins when they can be served. Where the database keeps us waiting,
    // health checks must be answered all the same.
    if let Ok(prepared) = tokio::time::timeout(PREPARATION, &mut preparing).await {
        prepared?;
    }
    let patience = Duration::from_secs(config.shutdown_timeout_seconds);
    let listen = |socket: TcpSocket, address: SocketAddr, face: Face, most: usize| {
        let listener = socket.listen(BACKLOG).map_err(|source| StartError::Listen { address, source })?;
        tracing::info!(%address, "listening");
        let gate = Gate::new(config.access, Some(verifier.clone()));
        let (routes, described, metrics) = (routes.clone(), described.clone(), metrics.clone());
        let state = (prepared.clone(), database.replica().cloned());
        let application = server::application(routes, described, metrics, config, state, gate, face);
        let (waits, proxies) = (config.connections.patience(), config.trusted_proxies.clone());
        let connections = Connections::new(most, waits, proxies, config.bind_address.is_unspecified());
        Ok::<_, StartError>(server::serve(listener, application, connections, shutdown.signal(), patience))
    };
    let face = if management.is_some() { Face::Public } else { Face::Whole };
    let public = listen(socket, address, face, config.connections.most())?;
    let management = management
        .map(|(socket, address)| listen(socket, address, Face::Management, MANAGEMENT_CONNECTIONS))
        .transpose()?;
    let serving = async {
        match management {
            Some(management) => {
                tokio::join!(public, management);
            }
            None => public.await,
        }
    };
    let failing = async {
        match preparing.await {
            Ok(()) => std::future::pending().await,
            Err(error) => error,
        }
    };
    // From the signal on, all together have so long.
    let ending = async {
        shutdown.signal().cancelled_owned().await;
        Instant::now() + patience
    };
    let deadline = tokio::select! {
        (deadline, ()) = async { tokio::join!(ending, serving) } => deadline,
        error = failing => return Err(error),
    };
    let rest = || deadline.saturating_duration_since(Instant::now()).max(LEAST);
    shutdown.finish(rest()).await;
    if let Some(traces) = traces {
        traces.finish(rest()).await;
    }
    tracing::info!("stopped");
    Ok(())
}

/// Takes the port, so that a second process on it fails at once; connections are refused until it listens.
fn bind(address: SocketAddr) -> std::io::Result<TcpSocket> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    Ok(socket)
}
