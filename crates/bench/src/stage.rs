//! What every scenario stands on: a durable PostgreSQL and RabbitMQ of our own, and a migrated database to copy.

use crate::Settings;
use crate::database::Database;
use crate::error::Result;
use crate::shop::Shop;
use crate::usage::Groups;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use testbed::postgres::Postgres;
use testbed::process::Identity;
use testbed::rabbitmq::RabbitMq;
use testbed::{Durability, Servers};

/// The database that all others are copies of, where one build is measured. Another build has one of its own: it may
/// have other tables.
const TEMPLATE: &str = "bench_template";

const PRODUCTS: &str = include_str!("../sql/products.sql");

/// How long a call that is no part of the load may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// Statements are counted where the services are measured, and nowhere else: the baseline must not pay for it. Files of the
/// write-ahead log that have been used once are kept for the next time, see [`USED_WAL`].
const SETTINGS: &str = "-c shared_preload_libraries=pg_stat_statements -c pg_stat_statements.track=none \
                        -c min_wal_size=2GB -c max_wal_size=4GB";

/// Uses 2 GiB of the write-ahead log. A server that has just been made has to fill each of its files with zeros and
/// wait for the disk before it can write to it, twice a second under these loads, and everybody waits meanwhile. One
/// that has run for an hour uses old files again.
const USED_WAL: &str = "DO $$ BEGIN
    FOR file IN 1..128 LOOP
        PERFORM pg_logical_emit_message(false, 'bench', ''), pg_switch_wal();
    END LOOP;
END $$";

/// The private servers and the binaries of the services.
// Fields are dropped in this order.
#[derive(Debug)]
pub struct Stage {
    pub rabbitmq: Arc<RabbitMq>,
    pub postgres: Arc<Postgres>,
    /// Folder for logs and for the files of the load generators.
    pub run_dir: PathBuf,
    template: String,
    /// The binary of order-service.
    pub order_service: PathBuf,
    /// The binary of inventory-service.
    pub inventory_service: PathBuf,
    /// The binary of account-service, for shops that have accounts.
    pub account_service: PathBuf,
    /// For calls that are no part of the load.
    pub http: reqwest::Client,
}

impl Stage {
    /// Starts the servers and prepares the database that the scenarios get copies of.
    pub async fn open(settings: &Settings) -> Result<Self> {
        let run_dir = settings.run_dir.clone();
        // Whether figures that mean nothing outlive a crash is of no account.
        let durability = if settings.smoke { Durability::ThrowAway } else { Durability::Durable };
        let starting = tokio::task::spawn_blocking(move || {
            Servers::start(&run_dir, durability, SETTINGS).map(Servers::stop_on_drop)
        });
        let Servers { postgres, rabbitmq } = starting.await??;
        // A connection that is not kept is never found closed by the other side.
        let http = http_client::client().pool_max_idle_per_host(0).timeout(PATIENCE).build()?;
        let stage = Self {
            postgres: Arc::new(postgres),
            rabbitmq: Arc::new(rabbitmq),
            run_dir: settings.run_dir.clone(),
            template: TEMPLATE.to_owned(),
            order_service: settings.order_service.clone(),
            inventory_service: settings.inventory_service.clone(),
            account_service: settings.account_service.clone(),
            http,
        };
        let template = stage.make_template().await?;
        if !settings.smoke {
            template.run(USED_WAL).await?;
        }
        template.checkpoint().await?;
        Ok(stage)
    }

    /// The same servers, with the binaries of another build.
    pub async fn with_build(&self, name: &str, order_service: &Path, inventory_service: &Path) -> Result<Self> {
        let stage = Self {
            postgres: self.postgres.clone(),
            rabbitmq: self.rabbitmq.clone(),
            run_dir: self.run_dir.clone(),
            template: format!("{TEMPLATE}_{name}"),
            order_service: order_service.to_owned(),
            inventory_service: inventory_service.to_owned(),
            account_service: self.account_service.clone(),
            http: self.http.clone(),
        };
        stage.make_template().await?.checkpoint().await?;
        Ok(stage)
    }

    /// A database with the tables of both services and a thousand products.
    pub async fn database(&self, name: &str) -> Result<Database> {
        Database::create(&self.postgres, name, &self.template).await
    }

    /// The processes of both servers.
    pub fn groups(&self) -> Result<Groups> {
        let pid = |process: Option<Identity>| process.map(|it| it.pid).into_iter().collect();
        Ok(vec![("PostgreSQL", pid(self.postgres.process()?)), ("RabbitMQ", pid(self.rabbitmq.process()?))])
    }

    /// The services migrate the template by being started on it.
    async fn make_template(&self) -> Result<Database> {
        let template = Database::create(&self.postgres, &self.template, "template1").await?;
        template.run("CREATE EXTENSION pg_stat_statements").await?;
        Shop::open_on(self, template.clone(), 1, &[]).await?.stop_services().await?;
        template.run(PRODUCTS).await?;
        template.run("ANALYZE").await?;
        Ok(template)
    }
}
