//! What is broken: a durable PostgreSQL and RabbitMQ of our own, and the processes of both services on them.

use crate::Settings;
use crate::error::ChaosError;
use crate::schedule::{PAIRS, Process};
use e2e::process::Service;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::Mutex;
use xtask::postgres::Postgres;
use xtask::rabbitmq::RabbitMq;
use xtask::{Durability, ports, process};

/// How long a service may take to be ready.
const START_LIMIT: Duration = Duration::from_secs(60);

const PAUSE: Duration = Duration::from_millis(100);

/// A shorter window than by default: settling is part of every run, and placing is held up past its deadline.
const WINDOW: [(&str, &str); 2] = [("RESERVATION_WINDOW_SECONDS", "8"), ("SETTLE_INTERVAL_SECONDS", "2")];

/// A service process that others may be starting or stopping at the moment: whoever does holds the lock.
#[derive(Debug)]
pub struct Running {
    /// Which one.
    pub process: Process,
    /// Its URL without a path; the port stays the same across restarts.
    pub base: String,
    /// Its log, over all restarts.
    pub log: PathBuf,
    /// The process.
    pub service: Mutex<Service>,
}

/// Everything there is to break.
// Fields are dropped in this order: nothing may outlive what it stands on.
#[derive(Debug)]
pub struct Stage {
    /// Processes of order-service; each asks the inventory-service of the same number.
    pub orders: Vec<Running>,
    /// Processes of inventory-service.
    pub inventory: Vec<Running>,
    /// The broker; whoever restarts it or needs it to be up holds the lock.
    pub rabbitmq: Mutex<Arc<RabbitMq>>,
    /// The database; likewise.
    pub postgres: Mutex<Arc<Postgres>>,
    /// What the listener connects to.
    pub amqp_url: String,
    /// Where queues and connections are looked up.
    pub management_url: String,
    http: reqwest::Client,
}

impl Stage {
    /// Brings everything up; returns when every process is ready.
    pub async fn open(settings: &Settings) -> Result<Self, ChaosError> {
        let (postgres, rabbitmq) = start_servers(&settings.run_dir).await?;
        let environment = [("DATABASE_URL", postgres.url()), ("AMQP_URL", rabbitmq.url())];
        let environment = environment.into_iter().chain(WINDOW.map(|(name, value)| (name, value.to_owned())));
        let environment: Vec<(String, String)> = environment.map(|(name, value)| (name.to_owned(), value)).collect();
        let (mut orders, mut inventory) = (Vec::new(), Vec::new());
        for index in 0..PAIRS {
            let process = Process::Inventory(index);
            let running = Running::launch(process, &settings.inventory_service, &settings.run_dir, environment.clone());
            let mut variables = environment.clone();
            variables.push(("INVENTORY_SERVICE_URL".to_owned(), running.base.clone()));
            inventory.push(running);
            let process = Process::Order(index);
            orders.push(Running::launch(process, &settings.order_service, &settings.run_dir, variables));
        }
        let http = http_client::client().timeout(Duration::from_secs(10)).build().map_err(ChaosError::Client)?;
        let (amqp_url, management_url) = (rabbitmq.url(), rabbitmq.management_url());
        let (rabbitmq, postgres) = (Mutex::new(Arc::new(rabbitmq)), Mutex::new(Arc::new(postgres)));
        let stage = Self { orders, inventory, rabbitmq, postgres, amqp_url, management_url, http };
        stage.all_ready().await?;
        Ok(stage)
    }

    /// Every process.
    pub fn processes(&self) -> impl Iterator<Item = &Running> {
        self.orders.iter().chain(&self.inventory)
    }

    /// One process.
    pub fn process(&self, process: Process) -> &Running {
        match process {
            Process::Order(index) => &self.orders[index],
            Process::Inventory(index) => &self.inventory[index],
        }
    }

    /// For calls to the services and to the management API that are no part of the load.
    pub fn http(&self) -> &reqwest::Client {
        &self.http
    }

    /// Waits until every process says that it and all it needs is there.
    pub async fn all_ready(&self) -> Result<(), ChaosError> {
        let started = Instant::now();
        for running in self.processes() {
            let url = format!("{}/health/ready", running.base);
            loop {
                let seen = match self.http.get(&url).send().await {
                    Ok(response) => response.text().await.unwrap_or_default(),
                    Err(error) => error.to_string(),
                };
                // The service's own status comes first, those of its dependencies behind it.
                if seen.starts_with(r#"{"status":"UP""#) {
                    break;
                }
                if started.elapsed() > START_LIMIT {
                    let log = process::tail(&running.log, 20);
                    let text = format!("{} is not ready; it says: {seen}\n{log}", running.process);
                    return Err(ChaosError::NotReady(text));
                }
                tokio::time::sleep(PAUSE).await;
            }
        }
        Ok(())
    }

    /// Waits until a process listens, at the most for `limit`: one that was started a moment ago does not know yet that it
    /// may be asked to end, and just dies of it.
    pub async fn listens(&self, process: Process, limit: Duration) {
        let url = format!("{}/health/live", self.process(process).base);
        let started = Instant::now();
        while self.http.get(&url).send().await.is_err() && started.elapsed() < limit {
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// [`sql`] as soon as PostgreSQL is up.
    pub async fn sql(&self, statement: &'static str) -> Result<String, ChaosError> {
        sql(&*self.postgres.lock().await, statement).await
    }
}

/// Runs a statement in the database of both services and gives what it prints, columns parted by `|`.
pub async fn sql(postgres: &Postgres, statement: &'static str) -> Result<String, ChaosError> {
    let mut psql = postgres.psql();
    psql.args(["-Atc", statement]);
    let printed = tokio::task::spawn_blocking(move || process::output_of(&mut psql)).await??;
    Ok(printed.trim().to_owned())
}

impl Running {
    fn launch(process: Process, binary: &Path, folder: &Path, environment: Vec<(String, String)>) -> Self {
        let mut service = Service::new(process.to_string(), binary.to_owned(), folder.to_owned(), environment);
        service.launch();
        let (base, log) = (service.client().base().to_owned(), service.log_path().to_owned());
        Self { process, base, log, service: Mutex::new(service) }
    }
}

async fn start_servers(folder: &Path) -> Result<(Postgres, RabbitMq), ChaosError> {
    let (one, other) = (folder.join("postgres"), folder.join("rabbitmq"));
    let postgres = tokio::task::spawn_blocking(move || {
        Postgres::start(&one, ports::free_port()?, Durability::Durable).map(Postgres::stop_on_drop)
    });
    let rabbitmq = tokio::task::spawn_blocking(move || {
        RabbitMq::start(&other, ports::free_port()?, Durability::Durable).map(RabbitMq::stop_on_drop)
    });
    Ok((postgres.await??, rabbitmq.await??))
}
