//! Configuration from the environment (12-factor); each variable is also a flag, listed by `--help`.
//!
//! Passwords and URLs that may hold one are [`SecretString`]s: they never show in logs, `Debug` or `--help`. Each may lie in a
//! file that another variable names ([`parse`]).

mod broker;
mod database;
mod secret_files;

pub use broker::BrokerConfig;
pub use database::DatabaseConfig;
pub use secret_files::{parse, with_files};

use crate::access::AccessConfig;
use crate::access::tokens::AuthConfig;
use crate::proxies::TrustedProxies;
use crate::server::config::ConnectionConfig;
use crate::server::cors::CorsOrigins;
use crate::server::exposure::AllowedHosts;
use crate::traces::TracesConfig;
use clap::{Args, ValueEnum, value_parser};
use secrecy::SecretString;
use std::convert::Infallible;
use std::net::IpAddr;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

/// A setting that cannot be used; the message names the variable, never its value.
#[derive(Debug, thiserror::Error)]
#[error("{variable}: {reason}")]
pub struct ConfigError {
    /// The environment variable.
    pub variable: &'static str,
    /// What is wrong with it.
    pub reason: String,
}

/// Reads a secret: its text, whatever it is.
pub fn secret(text: &str) -> Result<SecretString, Infallible> {
    Ok(SecretString::from(text))
}

/// How the log is written.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line, for collectors.
    Json,
}

/// How the service is reached and what it logs.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Service")]
pub struct ServerConfig {
    /// Address to listen on; 0.0.0.0 for all
    #[arg(long, env = "BIND_ADDRESS", default_value = "127.0.0.1")]
    pub bind_address: IpAddr,
    /// Format of the log
    #[arg(long, env = "LOG_FORMAT", value_enum, default_value_t = LogFormat::Text)]
    pub log_format: LogFormat,
    /// What to log, in the syntax of tracing-subscriber's filters
    #[arg(long, env = "RUST_LOG", default_value = "info,sqlx::postgres::notice=warn")]
    pub log_filter: String,
    /// Lines of the log a second about requests of one route, method and status, on each thread; answers of 500 and above
    /// have one each
    #[arg(long, env = "LOG_REQUESTS_PER_SECOND", default_value_t = 10)]
    pub log_requests_per_second: u32,
    /// Names and addresses that clients may call the service by, with commas between them; localhost, the loopback
    /// addresses and the address that it listens on are always allowed
    #[arg(long, env = "ALLOWED_HOSTS", default_value = "", hide_default_value = true)]
    pub allowed_hosts: AllowedHosts,
    /// Addresses or networks (10.0.0.0/8) of the proxies in front, with commas between them: what they say of a client in
    /// X-Forwarded-For is believed
    #[arg(long, env = "TRUSTED_PROXIES", default_value = "", hide_default_value = true)]
    pub trusted_proxies: TrustedProxies,
    /// Origins whose pages may call the service from a browser, with commas between them: https://shop.example; none is *
    #[arg(long, env = "CORS_ORIGINS", default_value = "", hide_default_value = true)]
    pub cors_origins: CorsOrigins,
    /// Port of /metrics and of the details of /health/ready, which are then no longer on the other port
    #[arg(long, env = "MANAGEMENT_PORT")]
    pub management_port: Option<u16>,
    /// Who may do what without a token.
    #[command(flatten)]
    pub access: AccessConfig,
    /// How long clients are waited for, and how many.
    #[command(flatten)]
    pub connections: ConnectionConfig,
    /// Requests a second that one client address may make to /api/; 0 for no limit
    #[arg(long, env = "RATE_LIMIT_PER_SECOND", default_value_t = 0)]
    pub rate_limit_per_second: u32,
    /// Requests a second that one person may make to /api/ with access tokens; 0 for no limit
    #[arg(long, env = "RATE_LIMIT_USER_PER_SECOND", default_value_t = 0)]
    pub rate_limit_user_per_second: u32,
    /// Requests a second that one API key may make to /api/; 0 for no limit
    #[arg(long, env = "RATE_LIMIT_KEY_PER_SECOND", default_value_t = 0)]
    pub rate_limit_key_per_second: u32,
    /// Whose tokens are believed.
    #[command(flatten)]
    pub auth: AuthConfig,
    /// Minutes between two checks of the invariants, which read every row; the first is made at the start, 0 for none
    #[arg(long, env = "INVARIANT_CHECK_MINUTES", default_value_t = 60)]
    pub invariant_check_minutes: u32,
    /// File with the certificates of authorities (PEM) that are believed beside Mozilla's in every call by https: of
    /// other services, an issuer, a collector
    #[arg(long, env = "HTTPS_CA_FILE")]
    pub https_ca_file: Option<PathBuf>,
    /// Where traces go.
    #[command(flatten)]
    pub traces: TracesConfig,
    /// Threads that work on requests and messages; by default half of the processors, as PostgreSQL and RabbitMQ need
    /// some too
    #[arg(long, env = "WORKER_THREADS", value_parser = value_parser!(u16).range(1..=1024))]
    pub worker_threads: Option<u16>,
    /// Seconds that requests in flight and background work together get to finish after SIGTERM
    #[arg(long, env = "SHUTDOWN_TIMEOUT_SECONDS", default_value_t = 25)]
    pub shutdown_timeout_seconds: u64,
}

impl ServerConfig {
    /// How often the invariants are checked for the metrics.
    pub fn invariant_pause(&self) -> Option<Duration> {
        (self.invariant_check_minutes > 0).then(|| Duration::from_mins(self.invariant_check_minutes.into()))
    }

    /// Threads of the runtime.
    pub fn worker_threads(&self) -> usize {
        let processors = || std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
        self.worker_threads.map_or_else(|| processors().div_ceil(2), usize::from)
    }
}
