//! What survives the loss of any one part, on this machine: three nodes of PostgreSQL under Patroni with etcd, three of
//! RabbitMQ, and HAProxy and nginx in front. Its configuration is that of `deploy/ha`.

mod brokers;
mod front;
mod network;
mod programs;
mod standing;

use std::path::Path;
use std::process::Command;
use std::time::Duration;

pub use front::{Front, Host};
pub use network::{Network, clean_up_after_dead_runs};
pub use programs::find_program;
pub use standing::Node;

use crate::daemon::Daemon;
use crate::error::{Result, TestbedError};
use crate::place::Place;
use crate::poll;
use crate::ports;
use crate::postgres;
use crate::process;
use crate::rabbitmq::RabbitMq;

/// Nodes of PostgreSQL, of RabbitMQ and of etcd.
pub const NODES: usize = 3;

/// Hosts of services, each with its own way to all of them.
pub const HOSTS: usize = 2;

/// The database of the services.
const DATABASE: &str = "oms";

/// How long the servers may take to find each other.
const LIMIT: Duration = Duration::from_secs(120);

/// The servers. Dropping it ends all of them.
// Fields are dropped in this order: what asks goes before what is asked.
#[derive(Debug)]
pub struct Fleet {
    /// One HAProxy for each host of services.
    pub haproxies: Vec<Daemon>,
    /// PostgreSQL, each with its Patroni.
    pub postgres: Vec<Node>,
    /// Where Patroni says who is primary.
    pub etcd: Vec<Daemon>,
    /// What keeps each RabbitMQ a member.
    pub memberships: Vec<Daemon>,
    /// The nodes of one broker.
    pub brokers: Vec<RabbitMq>,
    /// The ports on which each HAProxy leads to the primary.
    primary_ports: Vec<u16>,
    /// Each node's own, where there is one.
    pub network: Option<Network>,
}

impl Fleet {
    /// Starts all of them with their files below `folder`; returns when there is a primary with two standbys, and a broker
    /// of three nodes. Each PostgreSQL, RabbitMQ and etcd of a number is at one node of the network, where there is one. `say`
    /// tells of each step.
    pub fn start(folder: &Path, network: Option<Network>, say: &(dyn Fn(&str) + Sync)) -> Result<Self> {
        let places = network.as_ref().map_or_else(|| vec![Place::default(); NODES], Network::places);
        std::thread::scope(|scope| {
            let brokers =
                scope.spawn(|| brokers::start(&folder.join("brokers"), &places).inspect(|_| say("three RabbitMQ")));
            let (etcd, clients) = standing::start_etcd(folder, &places)?;
            say("three etcd");
            let postgres = standing::start_postgres(folder, &places, &clients)?;
            let (mut haproxies, mut primary_ports) = (Vec::new(), Vec::new());
            for host in 1..=HOSTS {
                let (primary, replicas) = (ports::free_port()?, ports::free_port()?);
                let haproxy = front::haproxy(&folder.join(format!("haproxy-{host}")), primary, replicas, &postgres)?;
                haproxy.launch()?;
                haproxies.push(haproxy);
                primary_ports.push(primary);
            }
            let brokers = brokers.join().map_err(|_| TestbedError::new("the start of RabbitMQ panicked"))??;
            let memberships = brokers::keep_members(folder, &brokers, &places)?;
            let fleet = Self { haproxies, postgres, etcd, memberships, brokers, primary_ports, network };
            fleet.wait_until_whole(LIMIT)?;
            fleet.make_database()?;
            say("three PostgreSQL, one of them primary, behind HAProxy");
            Ok(fleet)
        })
    }

    /// The URL of the database on a host of services, counted from 0.
    pub fn database_url(&self, host: usize) -> String {
        let port = self.primary_ports[host % HOSTS];
        format!("postgres://{}:{}@127.0.0.1:{port}/{DATABASE}", standing::SUPERUSER, standing::PASSWORD)
    }

    /// The URLs of all nodes of the broker. A connection on which nothing is heard is given up after ten seconds.
    pub fn amqp_url(&self) -> String {
        let urls: Vec<String> = self.brokers.iter().map(|it| format!("{}?heartbeat=10", it.url())).collect();
        urls.join(",")
    }

    /// The management API of a node that runs.
    pub fn management_url(&self) -> String {
        let running = self.brokers.iter().find(|it| it.process().is_ok_and(|process| process.is_some()));
        running.or(self.brokers.first()).map(RabbitMq::management_url).unwrap_or_default()
    }

    /// A `psql` on the primary, by way of the first HAProxy.
    pub fn psql(&self) -> Result<Command> {
        let mut psql = postgres::find_programs(None)?.command("psql");
        psql.args(["--no-psqlrc", "--quiet", "--set=ON_ERROR_STOP=1", "--dbname"]).arg(self.database_url(0));
        Ok(psql)
    }

    /// Which node is primary, as Patroni has it.
    pub fn primary(&self) -> Option<usize> {
        self.postgres.iter().position(|node| node.is(Role::Primary))
    }

    /// Waits until every part is there: a primary, whose standbys follow it and one of which is synchronous, a broker of three
    /// nodes, and every etcd. A RabbitMQ that has ended is started again, as systemd would.
    pub fn wait_until_whole(&self, limit: Duration) -> Result<()> {
        let mut missing = String::new();
        let waited = poll::until(limit, "the fleet to be whole", || {
            brokers::start_again(&self.brokers)?;
            missing = self.missing().unwrap_or_default();
            Ok(missing.is_empty().then_some(()))
        });
        waited.map_err(|cause| cause.with_details(&missing))
    }

    /// What is not there yet.
    fn missing(&self) -> Option<String> {
        for (number, etcd) in (1..).zip(&self.etcd) {
            if etcd.process().is_ok_and(|process| process.is_none()) {
                return Some(format!("etcd-{number} does not run"));
            }
        }
        if self.primary().is_none() {
            return Some("there is no primary".to_owned());
        }
        let standbys = self.postgres.iter().filter(|node| node.is(Role::Standby)).count();
        let synchronous = self.postgres.iter().filter(|node| node.is(Role::Synchronous)).count();
        if (standbys, synchronous) != (NODES - 1, 1) {
            return Some(format!("{standbys} standbys follow, {synchronous} of them at once"));
        }
        brokers::missing(&self.brokers)
    }

    fn make_database(&self) -> Result<()> {
        let url = self.database_url(0).replace(&format!("/{DATABASE}"), "/postgres");
        let mut make = postgres::find_programs(None)?.command("psql");
        make.args(["--no-psqlrc", "--quiet", "-c", &format!("CREATE DATABASE {DATABASE}"), "--dbname", &url]);
        // HAProxy may be about to see the primary.
        poll::until(LIMIT, "the database to be made", || Ok(process::output_of(&mut make).is_ok().then_some(())))
    }
}

/// What a node of PostgreSQL is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// The one that takes writes.
    Primary,
    /// One that follows it.
    Standby,
    /// The standby without which the primary answers nothing.
    Synchronous,
}
