//! The services as they are measured: release builds with their default settings, on a database and a virtual host
//! of their own.

use crate::database::Database;
use crate::error::{BenchError, Result};
use crate::metrics::Metrics;
use crate::stage::Stage;
use crate::usage::Groups;
use std::path::PathBuf;
use std::time::{Duration, Instant};
use testbed::rabbitmq::virtual_host;
use testbed::{Pairs, Plan, Service, pairs};

/// How long everything may take to come to rest after a load.
const QUIET_LIMIT: Duration = Duration::from_secs(300);

/// How long a service may take to end.
pub const END_LIMIT: Duration = Duration::from_secs(30);

/// The name of account-service's processes among the others.
pub const ACCOUNTS: &str = "account-service";

const HOLDS_FOR: Duration = Duration::from_millis(500);

const PAUSE: Duration = Duration::from_millis(100);

/// How long what differs between the services may take to agree once it is quiet.
const VERIFY_PATIENCE: Duration = Duration::from_secs(10);

/// A running shop. Its services end when it is dropped; [`Shop::close`] deletes its data too.
#[derive(Debug)]
pub struct Shop<'a> {
    /// What it stands on.
    pub stage: &'a Stage,
    /// Processes of order-service; each asks the inventory-service of the same number.
    pub orders: Vec<Service>,
    pub inventory: Vec<Service>,
    /// Processes of account-service, in a shop with accounts.
    pub accounts: Vec<Service>,
    /// The database of all of them.
    pub database: Database,
}

impl<'a> Shop<'a> {
    /// A shop with a fresh database, `pairs` processes of each service, counting its statements.
    pub async fn open(stage: &'a Stage, name: &str, pairs: usize) -> Result<Self> {
        Self::open_on(stage, Self::database(stage, name).await?, pairs, &[]).await
    }

    /// The same with one process of each, both with these settings.
    pub async fn open_with(stage: &'a Stage, name: &str, settings: &[(&str, &str)]) -> Result<Self> {
        Self::open_on(stage, Self::database(stage, name).await?, 1, settings).await
    }

    /// The same with account-service beside them, whose tokens they take.
    pub async fn open_with_accounts(stage: &'a Stage, name: &str) -> Result<Self> {
        Self::start(stage, Self::database(stage, name).await?, 1, &[], Some(stage.account_service.clone())).await
    }

    /// A fresh database for a shop.
    pub async fn database(stage: &Stage, name: &str) -> Result<Database> {
        let database = stage.database(&format!("bench_{}", name.replace('-', "_"))).await?;
        let count = format!("ALTER DATABASE {} SET pg_stat_statements.track = 'top'", database.name());
        database.run(&count).await?;
        database.checkpoint().await?;
        Ok(database)
    }

    /// A shop on this database, both services with these settings; returns when every process is ready.
    pub async fn open_on(
        stage: &'a Stage,
        database: Database,
        count: usize,
        settings: &[(&str, &str)],
    ) -> Result<Self> {
        Self::start(stage, database, count, settings, None).await
    }

    async fn start(
        stage: &'a Stage,
        database: Database,
        count: usize,
        settings: &[(&str, &str)],
        account_service: Option<PathBuf>,
    ) -> Result<Self> {
        let folder = stage.run_dir.join("services").join(database.name());
        std::fs::create_dir_all(&folder).map_err(BenchError::file(&folder))?;
        let (amqp_url, management_url) = (stage.rabbitmq.url(), stage.rabbitmq.management_url());
        let (database_url, name) = (database.url(), database.name().to_owned());
        let binaries = (stage.order_service.clone(), stage.inventory_service.clone());
        let settings = pairs::owned(settings);
        let starting = tokio::task::spawn_blocking(move || {
            let amqp_url = virtual_host::make(&amqp_url, &management_url, &name)?;
            let mut plan = Plan::new(&binaries.0, &binaries.1, &database_url, &amqp_url);
            if let Some(binary) = account_service {
                plan = plan.with_accounts(&binary);
            }
            plan.pairs = count;
            plan.order.extend(settings.clone());
            plan.inventory.extend(settings);
            plan.start(&folder, &["UP"])
        });
        let Pairs { orders, inventory, accounts } = starting.await??;
        Ok(Self { stage, orders, inventory, accounts, database })
    }

    /// The URL of an order-service.
    pub fn order_url(&self, index: usize) -> &str {
        self.orders[index].base()
    }

    /// The URL of the last order-service, which may be the only one.
    pub fn last_order_url(&self) -> &str {
        self.order_url(self.orders.len() - 1)
    }

    /// The URL of an inventory-service.
    pub fn inventory_url(&self, index: usize) -> &str {
        self.inventory[index].base()
    }

    /// The URL of account-service, in a shop with accounts.
    pub fn account_url(&self) -> &str {
        self.accounts.first().map_or("", Service::base)
    }

    /// The processes that do the work.
    pub fn groups(&self) -> Result<Groups> {
        Ok(self.services().into_iter().chain(self.stage.groups()?).collect())
    }

    /// The processes of the services.
    pub fn services(&self) -> Groups {
        let pids = |services: &[Service]| services.iter().filter_map(Service::pid).collect::<Vec<_>>();
        let services = [
            ("order-service", pids(&self.orders)),
            ("inventory-service", pids(&self.inventory)),
            (ACCOUNTS, pids(&self.accounts)),
        ];
        services.into_iter().filter(|(_, pids)| !pids.is_empty()).collect()
    }

    /// The metrics of all processes, added up.
    pub async fn metrics(&self) -> Result<Metrics> {
        let mut metrics = Metrics::default();
        for service in self.orders.iter().chain(&self.inventory).chain(&self.accounts) {
            let answer = self.stage.http.get(format!("{}/metrics", service.base())).send().await?;
            metrics.add(&answer.error_for_status()?.text().await?);
        }
        Ok(metrics)
    }

    /// Waits until no order is PENDING and no event unpublished. What the last requests of a load began may only become
    /// visible a moment later, so it must stay like that, with no order more.
    pub async fn quiet(&self) -> Result<()> {
        let started = Instant::now();
        let looked = "SELECT (SELECT count(*) FROM orders.orders WHERE status IN ('PENDING', 'PAID'))
                           + (SELECT count(*) FROM orders.outbox) + (SELECT count(*) FROM inventory.outbox),
                             (SELECT COALESCE(max(id), 0) FROM orders.orders)";
        let mut quiet_since: Option<(f64, Instant)> = None;
        loop {
            let rows = self.database.numbers(looked).await?;
            let [under_way, last] = rows.first().map_or([0.0; 2], |row| [row[0], row[1]]);
            quiet_since = match quiet_since {
                _ if under_way > 0.0 => None,
                Some((seen, since)) if seen == last => Some((seen, since)),
                _ => Some((last, Instant::now())),
            };
            if quiet_since.is_some_and(|(_, since)| since.elapsed() >= HOLDS_FOR) {
                return Ok(());
            }
            if started.elapsed() > QUIET_LIMIT {
                let seconds = QUIET_LIMIT.as_secs();
                return Err(BenchError::GaveUp(format!(
                    "{under_way} orders and messages are under way after {seconds} s"
                )));
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// What does not hold once everything has come to rest: a fast wrong answer is worth nothing.
    pub async fn breaches(&self) -> Result<Vec<String>> {
        if let Err(error) = self.quiet().await {
            return Ok(vec![error.to_string()]);
        }
        let report = verify::run(self.order_url(0), self.inventory_url(0), VERIFY_PATIENCE).await?;
        Ok(report.breaches.iter().map(|breach| format!("verify: {breach}")).collect())
    }

    /// Ends the services and deletes the data.
    pub async fn close(self) -> Result<()> {
        let database = self.database.clone();
        self.stop_services().await?;
        database.delete().await
    }

    /// Ends the services and deletes the virtual host; the database stays, with nobody connected to it.
    pub async fn stop_services(self) -> Result<()> {
        let (management_url, name) = (self.stage.rabbitmq.management_url(), self.database.name().to_owned());
        let mut services: Vec<Service> = self.orders.into_iter().chain(self.inventory).chain(self.accounts).collect();
        let stopping = tokio::task::spawn_blocking(move || {
            services.iter().for_each(Service::ask_to_end);
            services.iter_mut().try_for_each(|service| service.ended(END_LIMIT).map(drop))?;
            virtual_host::delete(&management_url, &name)
        });
        Ok(stopping.await??)
    }
}
