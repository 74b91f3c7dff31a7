//! What is broken: a durable PostgreSQL and RabbitMQ of our own, and the processes of the services on them.

use crate::Settings;
use crate::error::ChaosError;
use crate::schedule::{PAIRS, Process};
use payment_sandbox::{Options, Sandbox, Webhooks};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};
use testbed::fleet::{Fleet, Front, Host, Network};
use testbed::pairs::MASTER_KEY;
use testbed::postgres::Postgres;
use testbed::rabbitmq::RabbitMq;
use testbed::service_process::START_LIMIT;
use testbed::{Durability, Pairs, Plan, Servers, Service, pairs, poll, ports, process, readiness};
use tokio::sync::Mutex;

const PAUSE: Duration = Duration::from_millis(100);

/// A shorter window than by default: settling is part of every run, and placing is held up past its deadline.
const WINDOW: [(&str, &str); 2] = [("RESERVATION_WINDOW_SECONDS", "8"), ("SETTLE_INTERVAL_SECONDS", "2")];

/// All clients are in one network, which nobody limits here.
const LIMITS: [(&str, &str); 2] = [("LOGINS_PER_MINUTE", "100000"), ("REGISTRATIONS_PER_MINUTE", "100000")];

/// Signs what the payment sandbox tells of the payments by each provider.
const SIGNED_WITH: [(&str, &str); 2] =
    [("STRIPE_WEBHOOK_SECRETS", "whsec_chaos"), ("RAZORPAY_WEBHOOK_SECRETS", "razorpay-chaos")];

/// Orders that nobody pays are cancelled within the run, and a provider that says nothing is soon given up.
const PAYMENTS: [(&str, &str); 3] =
    [("PAYMENT_WINDOW_SECONDS", "8"), ("PROVIDER_TIMEOUT_SECONDS", "1"), ("PROVIDER_CIRCUIT_PAUSE_MS", "200")];

/// A service process that others may be starting or stopping at the moment: whoever does holds the lock.
#[derive(Debug)]
pub struct Running {
    pub process: Process,
    /// Its URL without a path; the port stays the same across restarts.
    pub base: String,
    /// Its port on the loopback address.
    pub port: u16,
    /// Its log, over all restarts.
    pub log: PathBuf,
    pub service: Mutex<Service>,
}

/// Everything there is to break.
// Fields are dropped in this order: nothing may outlive what it stands on.
#[derive(Debug)]
pub struct Stage {
    /// Processes of order-service; each asks the inventory-service of the same number.
    pub orders: Vec<Running>,
    pub inventory: Vec<Running>,
    /// Processes of account-service; the first one is the issuer whose keys the others fetch.
    pub accounts: Vec<Running>,
    /// Binary and variables of account-service, for its commands.
    terminal: (PathBuf, [(&'static str, String); 2]),
    /// What they stand on.
    pub ground: Ground,
    /// What customers call where there are gateways, each URL without a path.
    pub gateways: Vec<String>,
    /// The payment providers; whoever has them fail holds the lock.
    pub providers: Mutex<Arc<Sandbox>>,
    /// The same, for customers at the providers' pages, and for their books.
    pub sandbox: Arc<Sandbox>,
    /// What the listener connects to.
    pub amqp_url: String,
    /// Where queues and connections are looked up.
    pub management_url: String,
    /// Whether clients keep their connections.
    pub keeps_connections: bool,
    http: reqwest::Client,
}

/// What the services stand on.
#[derive(Debug)]
pub enum Ground {
    /// One server of each kind, which is missed while it is down.
    Alone(Alone),
    /// Several of each, of which any may be missing, and what is in front of them.
    Fleet(Arc<Fleet>, Arc<Vec<Host>>),
}

/// One server of each kind.
#[derive(Debug)]
pub struct Alone {
    /// The broker; whoever restarts it or needs it to be up holds the lock.
    pub rabbitmq: Mutex<Arc<RabbitMq>>,
    pub postgres: Mutex<Arc<Postgres>>,
}

impl Stage {
    /// Brings everything up; returns when every process is ready.
    pub async fn open(settings: &Settings) -> Result<Self, ChaosError> {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, ports::free_port()?));
        let sandbox = Arc::new(Sandbox::start(Options { address, ..Options::default() }).await?);
        let (wanted, paid_at) = (settings.clone(), sandbox.url());
        let (ground, pairs) = tokio::task::spawn_blocking(move || start(&wanted, &paid_at)).await??;
        sandbox.deliver_to(pairs.orders.first().map(|first| webhooks_to(first.base())));
        let addresses = ground.addresses().await;
        let gateways = match &ground {
            Ground::Alone(_) => Vec::new(),
            Ground::Fleet(_, hosts) => hosts.iter().map(|host| host.base.clone()).collect(),
        };
        let orders = pairs.orders.into_iter().enumerate();
        let inventory = pairs.inventory.into_iter().enumerate();
        let key = pairs.accounts.first().and_then(|first| first.environment(MASTER_KEY)).unwrap_or_default();
        let accounts = pairs.accounts.into_iter().enumerate();
        let http = http_client::client().timeout(Duration::from_secs(10)).build().map_err(ChaosError::Client)?;
        Ok(Self {
            orders: orders.map(|(index, service)| Running::new(Process::Order(index), service)).collect(),
            inventory: inventory.map(|(index, service)| Running::new(Process::Inventory(index), service)).collect(),
            accounts: accounts.map(|(index, service)| Running::new(Process::Account(index), service)).collect(),
            terminal: (settings.account_service.clone(), [("DATABASE_URL", addresses.database_url), (MASTER_KEY, key)]),
            amqp_url: addresses.amqp_url,
            management_url: addresses.management_url,
            ground,
            gateways,
            providers: Mutex::new(sandbox.clone()),
            sandbox,
            // An instance that ends closes those that are kept, perhaps just when a request is on its way.
            keeps_connections: settings.from.is_none(),
            http,
        })
    }

    /// Every process.
    pub fn processes(&self) -> impl Iterator<Item = &Running> {
        self.orders.iter().chain(&self.inventory).chain(&self.accounts)
    }

    /// One process.
    pub fn process(&self, process: Process) -> &Running {
        match process {
            Process::Order(index) => &self.orders[index],
            Process::Inventory(index) => &self.inventory[index],
            Process::Account(index) => &self.accounts[index],
        }
    }

    /// For calls to the services and to the management API that are no part of the load.
    pub fn http(&self) -> &reqwest::Client {
        &self.http
    }

    /// Waits until every process says that it and all it needs is there.
    pub async fn all_ready(&self) -> Result<(), ChaosError> {
        for running in self.processes() {
            self.ready(running.process).await?;
        }
        Ok(())
    }

    /// Waits until this process says so.
    pub async fn ready(&self, process: Process) -> Result<(), ChaosError> {
        let running = self.process(process);
        let (port, log) = (running.port, running.log.clone());
        let ready = move || {
            let up = || Ok(readiness::check(port, &["UP"]).ok());
            let waited = poll::until(START_LIMIT, &format!("{process} to be UP"), up);
            waited.map_err(|error| error.with_details(&process::tail(&log, 20)))
        };
        Ok(tokio::task::spawn_blocking(ready).await??)
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

    /// Revokes the keys that sign tokens and makes a new one, from the terminal. PostgreSQL has to be up.
    pub async fn rotate_keys(&self) -> Result<(), ChaosError> {
        let (binary, variables) = self.terminal.clone();
        let mut rotate = Command::new(binary);
        rotate.args(["rotate-keys", "--now"]).envs(variables);
        tokio::task::spawn_blocking(move || process::output_of(&mut rotate)).await??;
        Ok(())
    }

    /// [`sql`] as soon as PostgreSQL is up.
    pub async fn sql(&self, statement: &'static str) -> Result<String, ChaosError> {
        match &self.ground {
            Ground::Alone(alone) => sql(alone.postgres.lock().await.psql(), statement).await,
            Ground::Fleet(fleet, _) => sql(fleet.psql()?, statement).await,
        }
    }
}

/// Where the servers are.
struct Addresses {
    database_url: String,
    amqp_url: String,
    management_url: String,
}

impl Ground {
    async fn addresses(&self) -> Addresses {
        match self {
            Self::Alone(Alone { rabbitmq, postgres }) => {
                let (rabbitmq, postgres) = (rabbitmq.lock().await, postgres.lock().await);
                let (amqp_url, management_url) = (rabbitmq.url(), rabbitmq.management_url());
                Addresses { database_url: postgres.url(), amqp_url, management_url }
            }
            Self::Fleet(fleet, _) => Addresses {
                database_url: fleet.database_url(0),
                amqp_url: fleet.amqp_url(),
                management_url: fleet.management_url(),
            },
        }
    }
}

/// Runs a statement in the database of the services and gives what it prints, columns parted by `|`.
pub async fn sql(mut psql: Command, statement: &'static str) -> Result<String, ChaosError> {
    psql.args(["-Atc", statement]);
    let printed = tokio::task::spawn_blocking(move || process::output_of(&mut psql)).await??;
    Ok(printed.trim().to_owned())
}

impl Running {
    fn new(process: Process, service: Service) -> Self {
        let (base, port, log) = (service.base().to_owned(), service.port(), service.log_path().to_owned());
        Self { process, base, port, log, service: Mutex::new(service) }
    }
}

/// Where what happens at the payment providers is told at once. One that is down hears of it when it is back, or never.
fn webhooks_to(base: &str) -> Webhooks {
    let [(_, stripe_secret), (_, razorpay_secret)] = SIGNED_WITH.map(|(name, secret)| (name, secret.to_owned()));
    Webhooks { url: format!("{base}/api/payments/webhooks"), stripe_secret, razorpay_secret }
}

/// What an order-service is told of the payment providers, which are all in the sandbox at this URL.
fn pays_at(url: &str) -> pairs::Variables {
    let sandbox = Options::default();
    let keys = [
        ("STRIPE_URL", url),
        ("STRIPE_SECRET_KEY", &sandbox.stripe_secret_key),
        ("STRIPE_PUBLISHABLE_KEY", &sandbox.stripe_publishable_key),
        ("RAZORPAY_URL", url),
        ("RAZORPAY_KEY_ID", &sandbox.razorpay_key_id),
        ("RAZORPAY_KEY_SECRET", &sandbox.razorpay_key_secret),
    ];
    [pairs::owned(&keys), pairs::owned(&SIGNED_WITH), pairs::owned(&PAYMENTS)].concat()
}

fn start(settings: &Settings, paid_at: &str) -> testbed::Result<(Ground, Pairs)> {
    let run_dir = &settings.run_dir;
    let [order_service, inventory_service, account_service] = settings.first_build();
    let plan = |database_url: &str, amqp_url: &str| {
        let plan = Plan::new(order_service, inventory_service, database_url, amqp_url);
        let mut plan = plan.with_accounts(account_service);
        plan.pairs = PAIRS;
        plan.account.extend(pairs::owned(&LIMITS));
        plan.both.extend(pairs::owned(&WINDOW));
        plan.order.extend(pays_at(paid_at));
        plan
    };
    if settings.fleet {
        let network = if Network::is_possible() { Some(Network::make()?) } else { None };
        let fleet = Fleet::start(run_dir, network, &|what| println!("{what} run"))?;
        let plan = plan(&fleet.database_url(0), &fleet.amqp_url());
        let Front { hosts, pairs } = Front::start(&fleet, plan, run_dir)?;
        return Ok((Ground::Fleet(Arc::new(fleet), Arc::new(hosts)), pairs));
    }
    let servers = Servers::start(run_dir, Durability::Durable, "")?.stop_on_drop();
    let pairs = plan(&servers.postgres.url(), &servers.rabbitmq.url()).start(run_dir, &["UP"])?;
    let Servers { postgres, rabbitmq } = servers;
    let alone = Alone { rabbitmq: Mutex::new(Arc::new(rabbitmq)), postgres: Mutex::new(Arc::new(postgres)) };
    Ok((Ground::Alone(alone), pairs))
}
