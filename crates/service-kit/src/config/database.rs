//! Where PostgreSQL and its replica are.

use super::{ConfigError, secret};
use clap::{Args, value_parser};
use secrecy::{ExposeSecret, SecretString};
use sqlx::postgres::PgConnectOptions;
use std::str::FromStr;
use std::time::Duration;
use tracing::subscriber::NoSubscriber;
use url::Url;

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
/// docs/locks-and-plans.md. So one plan serves all parameters: to plan anew takes longer than most statements do. Such a plan does
/// not know how short a page is, and would have several processors sort whole tables for it.
///
/// A client whose host died is given up within some 11 s, so that what it held, as the lock of the relay, is free again. Over a
/// Unix socket these have no effect.
const SETTINGS: [(&str, &str); 10] = [
    ("tcp_keepalives_idle", "5"),
    ("tcp_keepalives_interval", "2"),
    ("tcp_keepalives_count", "3"),
    ("tcp_user_timeout", "11s"),
    ("statement_timeout", "10s"),
    ("idle_in_transaction_session_timeout", "5s"),
    ("enable_seqscan", "off"),
    ("jit", "off"),
    ("plan_cache_mode", "force_generic_plan"),
    ("max_parallel_workers_per_gather", "0"),
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

#[cfg(test)]
mod tests {
    use super::DatabaseConfig;
    use clap::Parser;

    #[derive(Parser, Debug)]
    struct Flags {
        #[command(flatten)]
        database: DatabaseConfig,
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
}
