//! Configuration from the environment (12-factor); each variable is also a flag, listed by `--help`.
//!
//! Passwords and URLs that may hold one are [`SecretString`]s: they never show in logs, `Debug` or `--help`. Each may lie in a
//! file that another variable names ([`parse`]).

mod secret_files;

pub use secret_files::{parse, with_files};

use crate::access::AccessConfig;
use crate::access::tokens::AuthConfig;
use crate::proxies::TrustedProxies;
use crate::retries::RetryDelays;
use crate::server::config::ConnectionConfig;
use crate::server::cors::CorsOrigins;
use crate::server::exposure::AllowedHosts;
use crate::traces::TracesConfig;
use clap::{Args, ValueEnum, value_parser};
use http_client::ClientConfig;
use lapin::uri::{AMQPScheme, AMQPUri};
use secrecy::{ExposeSecret, SecretString};
use sqlx::postgres::PgConnectOptions;
use std::convert::Infallible;
use std::net::IpAddr;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;
use tracing::subscriber::NoSubscriber;
use url::Url;

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

/// Where PostgreSQL is.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "PostgreSQL")]
pub struct DatabaseConfig {
    /// Connection URL; takes the place of the PG* variables
    #[arg(long, env = "DATABASE_URL", hide_env_values = true, value_parser = secret)]
    pub database_url: Option<SecretString>,
    /// Host name or folder of the socket
    #[arg(long, env = "PGHOST", default_value = "localhost")]
    pub pghost: String,
    /// Port
    #[arg(long, env = "PGPORT", default_value_t = 5432)]
    pub pgport: u16,
    /// Database
    #[arg(long, env = "PGDATABASE", default_value = "oms")]
    pub pgdatabase: String,
    /// User
    #[arg(long, env = "PGUSER", default_value = "oms")]
    pub pguser: String,
    /// Password
    #[arg(long, env = "PGPASSWORD", hide_env_values = true, value_parser = secret)]
    pub pgpassword: Option<SecretString>,
    /// Most connections held at once
    #[arg(long, env = "DATABASE_MAX_CONNECTIONS", default_value_t = 16)]
    pub database_max_connections: u32,
    /// Milliseconds to wait for a connection before a request is refused with 503
    #[arg(long, env = "DATABASE_ACQUIRE_TIMEOUT_MS", default_value_t = 2000)]
    pub database_acquire_timeout_ms: u64,
    /// Connection URL of a replica, which lists are then read from
    #[arg(long, env = "DATABASE_REPLICA_URL", hide_env_values = true, value_parser = secret)]
    pub database_replica_url: Option<SecretString>,
    /// Milliseconds that what lists show may be old; where the replica is further behind, the primary is read
    #[arg(long, env = "REPLICA_MAX_LAG_MS", default_value_t = 1000, value_parser = value_parser!(u64).range(500..=3_600_000))]
    pub replica_max_lag_ms: u64,
    /// Milliseconds that a list waits for the replica to have what Read-After names, before the primary is read
    #[arg(long, env = "READ_AFTER_WAIT_MS", default_value_t = 50, value_parser = value_parser!(u64).range(0..=1000))]
    pub read_after_wait_ms: u64,
}

impl DatabaseConfig {
    /// The options to connect with.
    ///
    /// A statement is cut off after 10 s and a transaction whose process stands still after 5 s, so that no lock
    /// outlives the request it was taken for.
    pub fn connect_options(&self) -> Result<PgConnectOptions, ConfigError> {
        let options = match &self.database_url {
            Some(url) => options_of("DATABASE_URL", url)?,
            None => {
                let options = PgConnectOptions::new_without_pgpass()
                    .host(&self.pghost)
                    .port(self.pgport)
                    .database(&self.pgdatabase)
                    .username(&self.pguser);
                match &self.pgpassword {
                    Some(password) => options.password(password.expose_secret()),
                    None => options,
                }
            }
        };
        Ok(options.options(SETTINGS))
    }

    /// The options to connect to the replica with, if there is one: the same, so that plans are the same. A replica that
    /// became a primary is not written to either.
    pub fn replica_options(&self) -> Result<Option<PgConnectOptions>, ConfigError> {
        let Some(url) = &self.database_replica_url else { return Ok(None) };
        let options = options_of("DATABASE_REPLICA_URL", url)?.options(SETTINGS);
        Ok(Some(options.options([("default_transaction_read_only", "on")])))
    }

    /// How long to wait for a connection.
    pub fn acquire_timeout(&self) -> Duration {
        Duration::from_millis(self.database_acquire_timeout_ms)
    }

    /// How old what lists show may be.
    pub fn replica_max_lag(&self) -> Duration {
        Duration::from_millis(self.replica_max_lag_ms)
    }

    /// How long a list waits for what its reader has to see.
    pub fn read_after_wait(&self) -> Duration {
        Duration::from_millis(self.read_after_wait_ms)
    }
}

/// What holds on every connection.
///
/// A prepared statement keeps the plan of its first executions, when a table may have been empty: one that reads the whole
/// table must not be among them. Every statement of ours has an index that fits it; see "Statements and their plans" in
/// docs/locks-and-plans.md.
const SETTINGS: [(&str, &str); 4] = [
    ("statement_timeout", "10s"),
    ("idle_in_transaction_session_timeout", "5s"),
    ("enable_seqscan", "off"),
    ("jit", "off"),
];

/// The options in the URL that a variable holds.
fn options_of(variable: &'static str, url: &SecretString) -> Result<PgConnectOptions, ConfigError> {
    postgres_url(url.expose_secret()).ok_or_else(|| ConfigError {
        variable,
        reason: "must look like postgres://user:password@host:5432/database".to_owned(),
    })
}

/// The options in a URL of PostgreSQL; none where it is no such URL.
///
/// sqlx reads any scheme, and logs parameters that it does not know with their values, which may be secrets.
fn postgres_url(text: &str) -> Option<PgConnectOptions> {
    let url = Url::parse(text).ok().filter(|url| matches!(url.scheme(), "postgres" | "postgresql"))?;
    if url.cannot_be_a_base() {
        return None;
    }
    tracing::subscriber::with_default(NoSubscriber::default(), || PgConnectOptions::from_str(text).ok())
}

/// Where RabbitMQ is.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "RabbitMQ")]
pub struct BrokerConfig {
    /// Connection URL, or those of several nodes of one cluster with commas between them; takes the place of the RABBITMQ_*
    /// variables
    #[arg(long, env = "AMQP_URL", hide_env_values = true, value_parser = secret)]
    pub amqp_url: Option<SecretString>,
    /// File with the certificates of authorities (PEM) that are believed beside Mozilla's where AMQP_URL is amqps://
    #[arg(long, env = "AMQP_CA_FILE")]
    pub amqp_ca_file: Option<PathBuf>,
    /// Host name
    #[arg(long, env = "RABBITMQ_HOST", default_value = "localhost")]
    pub rabbitmq_host: String,
    /// Port
    #[arg(long, env = "RABBITMQ_PORT", default_value_t = 5672)]
    pub rabbitmq_port: u16,
    /// User
    #[arg(long, env = "RABBITMQ_USERNAME", default_value = "guest")]
    pub rabbitmq_username: String,
    /// Password
    #[arg(long, env = "RABBITMQ_PASSWORD", hide_env_values = true, default_value = "guest", hide_default_value = true, value_parser = secret)]
    pub rabbitmq_password: SecretString,
    /// Milliseconds a message that failed waits before each further attempt, give or take a fifth; 1 to 10 of them
    #[arg(long, env = "RETRY_DELAYS_MS", default_value = "1000,5000,30000,120000,600000")]
    pub retry_delays_ms: RetryDelays,
}

impl BrokerConfig {
    /// The nodes to connect to, at least one.
    pub fn nodes(&self) -> Result<Vec<AMQPUri>, ConfigError> {
        match &self.amqp_url {
            Some(urls) => nodes(urls.expose_secret())
                .map_err(|reason| ConfigError { variable: "AMQP_URL", reason: reason.to_owned() }),
            None => Ok(vec![self.put_together()?]),
        }
    }

    /// What TLS to the nodes believes.
    pub fn tls(&self) -> Result<ClientConfig, ConfigError> {
        let refused = |reason: String| ConfigError { variable: "AMQP_CA_FILE", reason };
        let encrypted = self.nodes()?.iter().any(|node| node.scheme == AMQPScheme::AMQPS);
        if self.amqp_ca_file.is_some() && !encrypted {
            return Err(refused("has no use where AMQP_URL has no amqps://".to_owned()));
        }
        http_client::tls(self.amqp_ca_file.as_deref()).map_err(|error| refused(error.to_string()))
    }

    /// The one node that the RABBITMQ_* variables name.
    fn put_together(&self) -> Result<AMQPUri, ConfigError> {
        let refused = |variable| ConfigError { variable, reason: "cannot be part of a URL".to_owned() };
        let mut url = Url::parse("amqp://localhost/%2f").map_err(|_| refused("AMQP_URL"))?;
        url.set_host(Some(&self.rabbitmq_host)).map_err(|_| refused("RABBITMQ_HOST"))?;
        url.set_port(Some(self.rabbitmq_port)).map_err(|()| refused("RABBITMQ_PORT"))?;
        url.set_username(&self.rabbitmq_username).map_err(|()| refused("RABBITMQ_USERNAME"))?;
        url.set_password(Some(self.rabbitmq_password.expose_secret())).map_err(|()| refused("RABBITMQ_PASSWORD"))?;
        url.as_str().parse().map_err(|_| refused("RABBITMQ_HOST"))
    }
}

/// The nodes in a list of URLs with commas between them. What is wrong is said without the URLs, which hold passwords.
fn nodes(urls: &str) -> Result<Vec<AMQPUri>, &'static str> {
    let nodes = split(urls).into_iter().map(node).collect::<Option<Vec<AMQPUri>>>();
    let nodes = nodes.ok_or(
        "must look like amqp://user:password@host:5672/virtual-host, with a comma between the URLs of several nodes",
    )?;
    let one_cluster = nodes.iter().all(|node| nodes.first().is_some_and(|first| first.vhost == node.vhost));
    if one_cluster { Ok(nodes) } else { Err("must name the same virtual host at every node") }
}

/// The URLs of a list. A comma may also stand in a password, and then no URL begins behind it.
fn split(urls: &str) -> Vec<&str> {
    let begins = |text: &str| ["amqp://", "amqps://"].iter().any(|scheme| text.trim_start().starts_with(scheme));
    let (mut parts, mut rest) = (Vec::new(), urls);
    while let Some((at, _)) = rest.match_indices(',').find(|(at, _)| begins(&rest[at + 1..])) {
        parts.push(&rest[..at]);
        rest = &rest[at + 1..];
    }
    parts.push(rest);
    parts
}

fn node(url: &str) -> Option<AMQPUri> {
    let behind_the_password = url.rsplit('@').next()?;
    if behind_the_password.contains(',') { None } else { url.trim().parse().ok() }
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
    /// Seconds that requests in flight get to finish after SIGTERM
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

#[cfg(test)]
mod tests {
    use super::{BrokerConfig, DatabaseConfig};
    use clap::Parser;

    #[derive(Parser, Debug)]
    struct Flags {
        #[command(flatten)]
        database: DatabaseConfig,
        #[command(flatten)]
        broker: BrokerConfig,
    }

    #[test]
    fn the_broker_url_is_put_together_and_escaped() {
        let flags = Flags::parse_from(["x", "--rabbitmq-host", "mq", "--rabbitmq-password", "p@ss/word"]);
        assert_eq!(flags.broker.nodes().unwrap()[0].to_string(), "amqp://guest:p%40ss%2Fword@mq:5672/%2F");
    }

    #[test]
    fn secrets_do_not_show() {
        let flags = Flags::parse_from(["x", "--pgpassword", "hush", "--database-url", "postgres://a:hush@b/c"]);
        assert!(!format!("{flags:?}").contains("hush"));
    }

    #[test]
    fn a_bad_database_url_is_named_but_not_shown() {
        for url in
            ["hush", "u:hush@db", "mysql://u:hush@db/oms", "postgres:u:hush@db", "postgres://u:hush@db:port/x", ""]
        {
            let flags = Flags::parse_from(["x", "--database-url", url]);
            let error = flags.database.connect_options().unwrap_err().to_string();
            assert!(error.starts_with("DATABASE_URL: must look like"), "{error}");
            assert!(!error.contains("hush"));
        }
        for url in ["postgres://u:p@db/oms?sslmode=require", "postgresql:///oms?host=/run/postgresql", "postgres://db"]
        {
            Flags::parse_from(["x", "--database-url", url]).database.connect_options().unwrap();
        }
    }

    #[test]
    fn the_replica_has_the_settings_of_the_primary() {
        let flags = Flags::parse_from(["x", "--database-url", "postgres://a/b"]);
        assert!(flags.database.replica_options().unwrap().is_none());
        let flags =
            Flags::parse_from(["x", "--database-url", "postgres://a/b", "--database-replica-url", "postgres://r/b"]);
        let (primary, replica) = (flags.database.connect_options().unwrap(), flags.database.replica_options().unwrap());
        let (primary, replica) = (primary.get_options().unwrap().to_owned(), replica.unwrap());
        assert_eq!(replica.get_host(), "r");
        assert_eq!(replica.get_options().unwrap(), format!("{primary} -c default_transaction_read_only=on"));
        let bad = Flags::parse_from(["x", "--database-replica-url", "u:hush@db"]);
        let error = bad.database.replica_options().unwrap_err().to_string();
        assert!(error.starts_with("DATABASE_REPLICA_URL: must look like") && !error.contains("hush"), "{error}");
    }

    #[test]
    fn a_bad_broker_url_is_named_but_not_shown() {
        let bad = ["u:hush@mq:5672/%2f", "amqp:u:hush@mq", "u:hush", "http://u:hush@mq", "amqp://u:hush@mq:port", ""];
        let lists = ["amqp://u:hush@mq,", "amqp://u:hush@a/x,", "amqp://u:hush@a,b", "amqp://u:hush@a,,amqp://b"];
        let lists = lists.into_iter().chain(["amqp://u:hush@a,amqp:b", "amqp://u:hush@a/x,http://b/x"]);
        for url in bad.into_iter().chain(["amqp://u:hush@mq/%2f?heartbeat=hush"]).chain(lists) {
            let flags = Flags::parse_from(["x", "--amqp-url", url]);
            let error = flags.broker.nodes().unwrap_err().to_string();
            assert!(error.starts_with("AMQP_URL: must look like"), "{url}: {error}");
            assert!(!error.contains("hush"));
        }
        for url in ["amqp://u:p@mq:5672/%2f", "amqps://u:p@mq/shop?heartbeat=10", "amqp://mq", "amqp://u:p,q@mq"] {
            assert_eq!(Flags::parse_from(["x", "--amqp-url", url]).broker.nodes().unwrap().len(), 1);
        }
    }

    #[test]
    fn several_nodes_are_those_of_one_cluster() {
        let nodes = |urls| Flags::parse_from(["x", "--amqp-url", urls]).broker.nodes();
        let three = nodes("amqp://u:p,q@a/shop, amqps://b/shop,amqp://u@c:5673/shop").unwrap();
        let hosts: Vec<_> = three.iter().map(|node| (node.authority.host.as_str(), node.authority.port)).collect();
        assert_eq!(hosts, [("a", 5672), ("b", 5671), ("c", 5673)]);
        assert_eq!(three[0].authority.userinfo.password, "p,q");
        let error = nodes("amqp://u:hush@a/shop,amqp://u:hush@b/other").unwrap_err().to_string();
        assert_eq!(error, "AMQP_URL: must name the same virtual host at every node");
    }

    #[test]
    fn a_file_of_authorities_must_be_one_and_be_of_use() {
        let tls = |url, file| Flags::parse_from(["x", "--amqp-url", url, "--amqp-ca-file", file]).broker.tls();
        let error = tls("amqp://a", "Cargo.toml").unwrap_err().to_string();
        assert_eq!(error, "AMQP_CA_FILE: has no use where AMQP_URL has no amqps://");
        let error = tls("amqps://a", "Cargo.toml").unwrap_err().to_string();
        assert_eq!(error, "AMQP_CA_FILE: holds no certificate in PEM");
        assert!(tls("amqps://a", "/nowhere.pem").unwrap_err().to_string().contains("AMQP_CA_FILE: cannot be read"));
        Flags::parse_from(["x", "--amqp-url", "amqps://a"]).broker.tls().unwrap();
    }
}
