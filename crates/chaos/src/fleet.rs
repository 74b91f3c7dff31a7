//! Blows to a fleet: one part after the other is killed under load, and all has to go on without it.

use crate::clients::ChaosClient;
use crate::clock::Clock;
use crate::error::ChaosError;
use crate::history::SharedHistory;
use crate::schedule::{PAIRS, Process};
use crate::stage::Stage;
use fastrand::Rng;
use futures_util::future::join_all;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};
use testbed::daemon::Daemon;
use testbed::fleet::{Fleet, HOSTS, Host, NODES, Role};
use testbed::rabbitmq::RabbitMq;
use tokio::sync::oneshot;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

/// For how long no order may be placed and confirmed when the primary was killed.
const AFTER_PRIMARY: Duration = Duration::from_secs(15);

/// The same after any other blow.
const AFTER_ANY: Duration = Duration::from_secs(30);

/// How long is waited for what is promised sooner, so that a run can say how late it was.
const PATIENCE: Duration = Duration::from_secs(90);

/// How long what was killed may take to be one of the others again: longer than a RabbitMQ that does not get ready is left alone.
const WHOLE_LIMIT: Duration = Duration::from_secs(240);

/// The load is to begin in peace.
const FIRST: Duration = Duration::from_secs(3);

const PAUSE: Duration = Duration::from_millis(100);

/// What is killed with `kill -9`, or stopped for a while. Numbers count from 0.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Blow {
    /// The primary and its Patroni.
    Primary,
    /// The standby without which the primary answers nothing, and its Patroni.
    Standby,
    /// The primary and its Patroni say nothing for a while, as behind a network that is cut; then they are there again.
    PrimaryHangs,
    /// The network of the primary's node is cut for a while, with the RabbitMQ and the etcd there.
    PrimaryCut,
    /// The network of this node is cut.
    NodeCut(usize),
    /// This node of RabbitMQ.
    Broker(usize),
    /// This node of RabbitMQ says nothing for a while.
    BrokerHangs(usize),
    /// Every node of RabbitMQ but this one, which then stops to serve.
    OtherBrokers(usize),
    /// This member of etcd.
    Etcd(usize),
    /// Every member of etcd but this one.
    OtherEtcd(usize),
    /// The way to the primary on this host.
    Haproxy(usize),
    /// The gateway on this host.
    Gateway(usize),
    /// The way from order-service to inventory-service on this host.
    Internal(usize),
    /// A service.
    Service(Process),
}

impl Blow {
    /// The kind as the table at the end counts it.
    pub fn kind(self) -> &'static str {
        match self {
            Self::Primary => "primary PostgreSQL and Patroni",
            Self::Standby => "synchronous standby and Patroni",
            Self::PrimaryHangs => "primary and Patroni stand still",
            Self::PrimaryCut => "network of the primary cut",
            Self::NodeCut(_) => "network of a node cut",
            Self::BrokerHangs(_) => "one RabbitMQ stands still",
            Self::Broker(_) => "one RabbitMQ of three",
            Self::OtherBrokers(_) => "two RabbitMQ of three",
            Self::Etcd(_) => "one etcd of three",
            Self::OtherEtcd(_) => "two etcd of three",
            Self::Haproxy(_) => "HAProxy of a host",
            Self::Gateway(_) => "gateway of a host",
            Self::Internal(_) => "TLS proxy of a host",
            Self::Service(_) => "instance of a service",
        }
    }

    /// How soon all has to work again.
    fn limit(self) -> Duration {
        if self == Self::Primary { AFTER_PRIMARY } else { AFTER_ANY }
    }
}

impl fmt::Display for Blow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Service(process) => write!(f, "{}: {process}", self.kind()),
            Self::Broker(number) | Self::BrokerHangs(number) | Self::Etcd(number) => {
                write!(f, "{}: number {}", self.kind(), number + 1)
            }
            Self::OtherBrokers(number) | Self::OtherEtcd(number) => {
                write!(f, "{}: all but number {}", self.kind(), number + 1)
            }
            Self::Haproxy(host) | Self::Gateway(host) | Self::Internal(host) => {
                write!(f, "{}: number {}", self.kind(), host + 1)
            }
            Self::NodeCut(number) => write!(f, "{}: number {}", self.kind(), number + 1),
            Self::Primary | Self::PrimaryHangs | Self::PrimaryCut | Self::Standby => f.write_str(self.kind()),
        }
    }
}

/// Each kind once, in a new order, and how long each part stays away. Networks are cut where there are some.
pub fn every_kind(rng: &mut Rng, with_networks: bool) -> Vec<(Blow, Duration)> {
    let process = match rng.u32(0..3) {
        0 => Process::Order(rng.usize(0..PAIRS)),
        1 => Process::Inventory(rng.usize(0..PAIRS)),
        _ => Process::Account(rng.usize(0..PAIRS)),
    };
    let mut blows = vec![
        Blow::Primary,
        Blow::PrimaryHangs,
        Blow::Standby,
        Blow::BrokerHangs(rng.usize(0..NODES)),
        Blow::Broker(rng.usize(0..NODES)),
        Blow::OtherBrokers(rng.usize(0..NODES)),
        Blow::Etcd(rng.usize(0..NODES)),
        Blow::OtherEtcd(rng.usize(0..NODES)),
        Blow::Haproxy(rng.usize(0..HOSTS)),
        Blow::Gateway(rng.usize(0..HOSTS)),
        Blow::Internal(rng.usize(0..HOSTS)),
        Blow::Service(process),
    ];
    if with_networks {
        blows.extend([Blow::PrimaryCut, Blow::NodeCut(rng.usize(0..NODES))]);
    }
    let mut blows: Vec<(Blow, Duration)> = blows.into_iter().map(|blow| (blow, away(blow, rng))).collect();
    rng.shuffle(&mut blows);
    blows
}

/// A primary that is back soon enough stays primary, so it is kept away for longer than that.
fn away(blow: Blow, rng: &mut Rng) -> Duration {
    let milliseconds = match blow {
        Blow::Primary | Blow::PrimaryHangs => 12_000..16_000,
        // Longer than the nodes wait for a sign of life.
        Blow::BrokerHangs(_) | Blow::PrimaryCut | Blow::NodeCut(_) => 10_000..20_000,
        Blow::Standby | Blow::OtherEtcd(_) => 4000..12_000,
        _ => 500..5000,
    };
    Duration::from_millis(rng.u64(milliseconds))
}

/// What blows are struck at.
#[derive(Clone, Copy, Debug)]
pub struct Blows<'a> {
    pub stage: &'a Stage,
    pub fleet: &'a Arc<Fleet>,
    pub hosts: &'a Arc<Vec<Host>>,
    pub history: &'a SharedHistory,
    pub clock: Clock,
}

impl Blows<'_> {
    /// Strikes one blow after the other until the time is over, each when the fleet is whole again. Each of the `probes` asks
    /// one order-service.
    pub async fn carry_out(&self, mut probes: Vec<ChaosClient>, seed: u64, time: Duration) -> Result<(), ChaosError> {
        let (mut rng, began, mut cycle) = (Rng::with_seed(seed), Instant::now(), Vec::new());
        sleep(FIRST).await;
        while began.elapsed() < time {
            if cycle.is_empty() {
                cycle = every_kind(&mut rng, self.fleet.network.is_some());
            }
            let Some((blow, away)) = cycle.pop() else { break };
            self.clock.say(&format!("* {blow}, back after {:.1} s", away.as_secs_f64()));
            self.history.lock().fault(blow.kind());
            let (struck, is_struck) = oneshot::channel();
            let (since, whole) = (Instant::now(), CancellationToken::new());
            let mending = async {
                let _over = whole.clone().drop_guard();
                self.strike(blow, away, struck).await?;
                Ok::<_, ChaosError>(self.whole().await)
            };
            let (mended, outage) = tokio::join!(mending, self.outage(&mut probes, is_struck, since, &whole));
            self.note(blow, outage);
            if let Err(error) = mended? {
                self.history.lock().found(format!("{blow}: {error}"));
                break;
            }
            sleep(Duration::from_millis(rng.u64(1000..3000))).await;
        }
        Ok(())
    }

    /// Notes how long something did not work.
    fn note(&self, blow: Blow, outage: Duration) {
        self.clock.say(&format!("  all parts are back; the longest outage was {:.1} s", outage.as_secs_f64()));
        let mut history = self.history.lock();
        history.figures.recoveries.entry(blow.kind()).or_default().push(outage);
        if outage > blow.limit() {
            let limit = blow.limit().as_secs();
            history.found(format!("{blow}: something did not work for {:.1} s, not {limit} s", outage.as_secs_f64()));
        }
    }

    /// Kills it, says so, and starts it again.
    async fn strike(&self, blow: Blow, away: Duration, struck: oneshot::Sender<()>) -> Result<(), ChaosError> {
        if let Blow::Service(process) = blow {
            let mut service = self.stage.process(process).service.lock().await;
            service.kill();
            // Nobody waits for it any more where the run is over.
            let _ = struck.send(());
            sleep(away).await;
            return Ok(service.launch()?);
        }
        let (fleet, hosts) = (self.fleet.clone(), self.hosts.clone());
        let striking = move || kill_and_start(&fleet, &hosts, blow, away, struck);
        Ok(tokio::task::spawn_blocking(striking).await??)
    }

    /// The longest time without an order that one of the order-services has placed and that is confirmed, or without a call that
    /// one of the gateways lets through, until every part is back and all of them work again. What happens when a part comes
    /// back counts as well.
    async fn outage(
        &self,
        probes: &mut [ChaosClient],
        is_struck: oneshot::Receiver<()>,
        since: Instant,
        whole: &CancellationToken,
    ) -> Duration {
        // Without a blow there is an error, which says more.
        if is_struck.await.is_err() {
            return Duration::ZERO;
        }
        let orders = probes.iter_mut().map(|probe| {
            let mut placed = None;
            longest_gap(since, whole, async move || sells(probe, &mut placed).await)
        });
        let gateways = self.stage.gateways.iter().map(|gateway| {
            let url = format!("{gateway}/api/inventory/products?limit=1");
            let get = move || self.stage.http().get(&url).send();
            longest_gap(since, whole, async move || get().await.is_ok_and(|answer| answer.status() == 200))
        });
        let (orders, gateways) = tokio::join!(join_all(orders), join_all(gateways));
        orders.into_iter().chain(gateways).max().unwrap_or_default()
    }

    async fn whole(&self) -> Result<(), ChaosError> {
        let fleet = self.fleet.clone();
        tokio::task::spawn_blocking(move || fleet.wait_until_whole(WHOLE_LIMIT)).await??;
        self.stage.all_ready().await
    }
}

/// The longest time from one success of `works` to the next, from `since` on, until every part is back. Who waits in vain for
/// too long gives up.
async fn longest_gap(since: Instant, whole: &CancellationToken, mut works: impl AsyncFnMut() -> bool) -> Duration {
    let (mut last, mut longest) = (since, Duration::ZERO);
    while last.elapsed() < PATIENCE {
        // What was asked before the last part was back says nothing of the time after.
        let was_whole = whole.is_cancelled();
        if works().await {
            longest = longest.max(last.elapsed());
            if was_whole {
                return longest;
            }
            last = Instant::now();
        }
        sleep(PAUSE).await;
    }
    longest.max(last.elapsed())
}

/// Places an order, or looks whether the one that was placed is confirmed: true when it is.
async fn sells(probe: &mut ChaosClient, placed: &mut Option<i64>) -> bool {
    let Some(id) = *placed else {
        *placed = probe.probe().await;
        return false;
    };
    let confirmed = probe.is_confirmed(id).await;
    if confirmed {
        *placed = None;
    }
    confirmed
}

fn kill_and_start(
    fleet: &Fleet,
    hosts: &[Host],
    blow: Blow,
    away: Duration,
    struck: oneshot::Sender<()>,
) -> testbed::Result<()> {
    if let (Some(network), Some(node)) = (&fleet.network, cut_off(fleet, blow)) {
        network.cut(node)?;
        let _ = struck.send(());
        std::thread::sleep(away);
        return network.mend(node);
    }
    let of_role = |role| fleet.postgres.iter().filter(|node| node.is(role)).map(|node| &node.server).collect();
    let servers: Vec<&Daemon> = match blow {
        Blow::Primary | Blow::PrimaryHangs => of_role(Role::Primary),
        Blow::Standby => of_role(Role::Synchronous),
        Blow::Etcd(number) => vec![&fleet.etcd[number]],
        Blow::OtherEtcd(number) => but(&fleet.etcd, number),
        Blow::Haproxy(host) => vec![&fleet.haproxies[host]],
        Blow::Gateway(host) => vec![&hosts[host].gateway],
        Blow::Internal(host) => vec![&hosts[host].internal],
        _ => Vec::new(),
    };
    let brokers: Vec<&RabbitMq> = match blow {
        Blow::Broker(number) | Blow::BrokerHangs(number) => vec![&fleet.brokers[number]],
        Blow::OtherBrokers(number) => but(&fleet.brokers, number),
        _ => Vec::new(),
    };
    if matches!(blow, Blow::PrimaryHangs | Blow::BrokerHangs(_)) {
        servers.iter().try_for_each(|server| server.pause())?;
        brokers.iter().try_for_each(|broker| broker.pause())?;
        let _ = struck.send(());
        std::thread::sleep(away);
        servers.iter().try_for_each(|server| server.resume())?;
        return brokers.iter().try_for_each(|broker| broker.resume());
    }
    servers.iter().try_for_each(|server| server.kill())?;
    brokers.iter().try_for_each(|broker| broker.kill())?;
    let _ = struck.send(());
    std::thread::sleep(away);
    servers.iter().try_for_each(|server| server.launch())?;
    // At once: the first of two may wait for the second.
    std::thread::scope(|scope| {
        let starting: Vec<_> = brokers.iter().map(|broker| scope.spawn(|| broker.restart())).collect();
        starting.into_iter().try_for_each(|start| {
            start.join().unwrap_or_else(|_| Err(testbed::TestbedError::new("the start of RabbitMQ panicked")))
        })
    })
}

/// The node whose network a blow cuts.
fn cut_off(fleet: &Fleet, blow: Blow) -> Option<usize> {
    match blow {
        Blow::PrimaryCut => fleet.primary(),
        Blow::NodeCut(node) => Some(node),
        _ => None,
    }
}

/// All of them but one.
fn but<T>(all: &[T], one: usize) -> Vec<&T> {
    all.iter().enumerate().filter(|(number, _)| *number != one).map(|(_, it)| it).collect()
}

#[cfg(test)]
mod tests {
    use super::{Blow, but, every_kind};
    use fastrand::Rng;
    use std::collections::BTreeSet;

    #[test]
    fn a_cycle_has_every_kind_once_and_follows_from_the_seed() {
        let blows = every_kind(&mut Rng::with_seed(7), true);
        let kinds: BTreeSet<&str> = blows.iter().map(|(blow, _)| blow.kind()).collect();
        assert_eq!((kinds.len(), blows.len()), (14, 14));
        assert_eq!(blows, every_kind(&mut Rng::with_seed(7), true));
        let away = blows.iter().find(|(blow, _)| *blow == Blow::Primary).unwrap().1;
        assert!(away.as_secs() >= 12, "another node becomes primary meanwhile");
    }

    #[test]
    fn all_but_one_are_two_of_three() {
        assert_eq!(but(&[1, 2, 3], 1), [&1, &3]);
    }
}
