//! Breaks everything a shop stands on while clients work with it, and checks afterwards that every promise was kept.
//!
//! The faults and what the clients do follow from a seed. What they meet does not: a run with the same seed strikes
//! the same blows, at other instructions. The checks believe nothing but what the clients were told.

pub mod books;
pub mod calm;
pub mod catalogue;
pub mod checks;
pub mod clients;
pub mod clock;
pub mod error;
pub mod faults;
pub mod figures;
pub mod fleet;
pub mod history;
pub mod listener;
pub mod logs;
pub mod observed;
pub mod operations;
pub mod program;
pub mod quiet;
pub mod requests;
pub mod routes;
pub mod schedule;
pub mod stage;
pub mod table;
pub mod tokens;
pub mod upgrade;

pub use error::ChaosError;
pub use table::RunReport;
pub use upgrade::Old;

use checks::Checked;
use clients::ChaosClient;
use clock::Clock;
use history::SharedHistory;
use listener::Listener;
use observed::Observed;
use stage::{Ground, Stage};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// How long what differs between the services may take to agree once it is quiet.
const VERIFY_PATIENCE: Duration = Duration::from_secs(10);

/// Customers with accounts, beside the clients.
const CUSTOMERS: usize = 3;

const PROGRESS_EVERY: Duration = Duration::from_secs(5);

/// What a run is to be like.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where faults and operations come from.
    pub seed: u64,
    /// How long the load and the faults last.
    pub seconds: u32,
    /// Whether the servers are several of each kind, of which any may be missing.
    pub fleet: bool,
    /// Clients at work at once.
    pub clients: usize,
    /// Folder for servers and logs.
    pub run_dir: PathBuf,
    /// The binary of order-service.
    pub order_service: PathBuf,
    /// The binary of inventory-service.
    pub inventory_service: PathBuf,
    /// The binary of account-service.
    pub account_service: PathBuf,
    /// The build that is upgraded from, where that is what happens under load. Otherwise things break.
    pub from: Option<Old>,
}

impl Settings {
    /// The binaries of order-service, inventory-service and account-service with which a run begins.
    pub fn first_build(&self) -> [&Path; 3] {
        match &self.from {
            Some(old) => [&old.order_service, &old.inventory_service, &old.account_service],
            None => [&self.order_service, &self.inventory_service, &self.account_service],
        }
    }
}

/// Carries out a run. An error means that nothing can be said; what is wrong with the services is in the outcome.
pub async fn run(settings: &Settings) -> Result<RunReport, ChaosError> {
    let clock = Clock::start();
    let Settings { seed, seconds, clients, .. } = settings;
    let what = settings.from.as_ref().map_or("chaos".to_owned(), |from| format!("from {} and back", from.name));
    clock.say(&format!("{what} for {seconds} s with {clients} clients and the seed {seed}"));
    let stage = Arc::new(Stage::open(settings).await?);
    let listener = Listener::start(&stage.amqp_url).await?;
    let history = SharedHistory::default();
    history.lock().products = catalogue::fill(&stage).await?;
    tokens::are_taken(&stage).await?;
    clock.say("the servers and two processes of each service are up, and take tokens");

    let over = CancellationToken::new();
    let _watching = over.clone().drop_guard();
    tokio::spawn(faults::watch(stage.clone(), history.clone(), clock, over.clone()));
    work_and_break(settings, &stage, &history, clock).await?;

    clock.say("the clients have gone; waiting for quiet");
    let recovery = quiet::wait(&stage).await;
    let last = ChaosClient::new(settings.clients + CUSTOMERS, &stage, &history, over.clone())?;
    clients::make_definite(last).await;
    // What never came to rest does not do so now either.
    let unrest = match &recovery {
        Ok(_) => quiet::wait(&stage).await.err(),
        Err(unrest) => Some(unrest.clone()),
    };
    over.cancel();

    clock.say("checking");
    let history = history.lock().clone();
    let observed = Observed::look(&stage, &history).await;
    let verified = verify::run(&stage.orders[0].base, &stage.inventory[0].base, VERIFY_PATIENCE).await;
    let heard = listener.heard();
    let mut checks = vec![Checked { name: "quiet", findings: unrest.into_iter().collect() }];
    let observed = match observed {
        Ok(observed) => {
            checks.extend(checks::all(&history, &observed, &heard));
            observed
        }
        Err(error) => {
            let findings = [history.findings.clone(), vec![format!("the end state cannot be read: {error}")]].concat();
            checks.push(Checked { name: "answers and processes", findings });
            Observed::default()
        }
    };
    let findings = match verified {
        Ok(report) => report.breaches.iter().map(ToString::to_string).collect(),
        Err(error) => vec![error.to_string()],
    };
    checks.push(Checked { name: "both services agree (verify)", findings });
    checks.push(Checked { name: "no panic in the logs", findings: logs::panics(&stage) });
    if settings.from.is_some() {
        checks.push(Checked { name: "no request failed", findings: upgrade::failed(&history.figures) });
    }
    Ok(RunReport::new(settings, history.figures, &observed, &heard, recovery.ok(), checks))
}

/// The load, and what happens meanwhile; returns when everything is up again and every client has finished what it began.
async fn work_and_break(
    settings: &Settings,
    stage: &Arc<Stage>,
    history: &SharedHistory,
    clock: Clock,
) -> Result<(), ChaosError> {
    let stop = CancellationToken::new();
    let mut clients = JoinSet::new();
    history.lock().figures.begin();
    for number in 0..settings.clients {
        clients.spawn(ChaosClient::new(number, stage, history, stop.clone())?.run(settings.seed));
    }
    for number in settings.clients..settings.clients + CUSTOMERS {
        let customer = ChaosClient::new(number, stage, history, stop.clone())?.through_gateways(stage);
        clients.spawn(customer.run_as_customer(settings.seed));
    }
    let what = if settings.from.is_some() { "instances exchanged" } else { "faults" };
    let progress = tokio::spawn(report_progress(history.clone(), what, clock, stop.clone()));
    match &settings.from {
        Some(from) => upgrade::carry_out(stage, settings, from, history, clock).await?,
        None => {
            match &stage.ground {
                Ground::Alone(_) => {
                    let planned = schedule::derive(settings.seed, settings.seconds);
                    faults::carry_out(stage, planned, settings.seconds, history, clock).await?;
                }
                Ground::Fleet(fleet, hosts) => {
                    let blows = fleet::Blows { stage, fleet, hosts, history, clock };
                    let probes = probes(settings, stage, history)?;
                    blows.carry_out(probes, settings.seed, Duration::from_secs(settings.seconds.into())).await?;
                }
            }
            clock.say("the faults are over");
            stage.all_ready().await?;
            let visitor = ChaosClient::new(settings.clients + CUSTOMERS + 1, stage, history, stop.clone())?;
            calm::look(stage, history, visitor, clock).await?;
        }
    }
    stop.cancel();
    while let Some(client) = clients.join_next().await {
        client?;
    }
    Ok(progress.await?)
}

/// Clients that ask one order-service each.
fn probes(settings: &Settings, stage: &Stage, history: &SharedHistory) -> Result<Vec<ChaosClient>, ChaosError> {
    let probe = |index| {
        let number = settings.clients + CUSTOMERS + 2 + index;
        let client = ChaosClient::new(number, stage, history, CancellationToken::new())?;
        Ok(client.of_order_service(stage, index))
    };
    (0..stage.orders.len()).map(probe).collect()
}

async fn report_progress(history: SharedHistory, what: &str, clock: Clock, stop: CancellationToken) {
    while stop.run_until_cancelled(tokio::time::sleep(PROGRESS_EVERY)).await.is_some() {
        let line = {
            let history = history.lock();
            let placed = |it: &&history::Placement| matches!(it.outcome, history::Placed::Answered(_));
            let placed = history.placements.iter().filter(placed).count();
            let faults: u32 = history.figures.faults.values().sum();
            let (requests, found) = (history.figures.total(), history.findings.len());
            format!("{requests} requests, {placed} orders placed, {faults} {what}, {found} findings")
        };
        clock.say(&line);
    }
}
