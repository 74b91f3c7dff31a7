//! What is on each host of services beside them: HAProxy to PostgreSQL, the gateway, and TLS to the other services.

use std::path::Path;
use std::time::Duration;

use super::{Fleet, HOSTS, Node, find_program};
use crate::daemon::{Daemon, Program};
use crate::error::Result;
use crate::folders::write_file;
use crate::gateway::{self, Limits, Tls};
use crate::internal;
use crate::pairs::{Pairs, Plan, owned};
use crate::place::Place;
use crate::ports;
use crate::service_process::Service;

const HAPROXY_CFG: &str = include_str!("../../../../deploy/ha/haproxy.cfg");

/// How long nginx may take to answer.
const LIMIT: Duration = Duration::from_secs(10);

/// More than one client asks for.
const NO_LIMITS: Limits = Limits { per_second: 100_000, at_once: 10_000 };

/// An HAProxy that leads to the primary and to the standbys on these ports; it is not started yet.
pub(super) fn haproxy(folder: &Path, primary: u16, replicas: u16, nodes: &[Node]) -> Result<Daemon> {
    crate::folders::make_folder(folder)?;
    let file = folder.join("haproxy.cfg");
    write_file(&file, HAPROXY_CFG)?;
    let mut variables = owned(&[
        ("PRIMARY_LISTEN", format!("127.0.0.1:{primary}")),
        ("REPLICAS_LISTEN", format!("127.0.0.1:{replicas}")),
    ]);
    for (number, node) in (1..).zip(nodes) {
        variables.push((format!("POSTGRES_{number}"), format!("{}:{}", node.address, node.port)));
        variables.push((format!("PATRONI_{number}_PORT"), node.patroni_port.to_string()));
    }
    let arguments = vec!["-db".to_owned(), "-f".to_owned(), file.display().to_string()];
    let (file, place) = (find_program("haproxy")?, Place::default());
    Daemon::new(folder, Program { file, arguments, variables, as_postgres: false, place })
}

/// The two nginx of one host.
#[derive(Debug)]
pub struct Host {
    /// What clients call.
    pub gateway: Daemon,
    /// What order-service calls.
    pub internal: Daemon,
    /// The URL of the gateway without a path.
    pub base: String,
}

/// The services on their hosts, two of each.
#[derive(Debug)]
pub struct Front {
    /// The hosts, each with the services of its number.
    pub hosts: Vec<Host>,
    /// The services.
    pub pairs: Pairs,
}

impl Front {
    /// Starts the services of a plan, each with the parts of its host; returns when all of them are up.
    pub fn start(fleet: &Fleet, mut plan: Plan, folder: &Path) -> Result<Self> {
        plan.pairs = HOSTS;
        plan.both.extend(owned(&[("TRUSTED_PROXIES", "127.0.0.0/8")]));
        let mut pairs = plan.prepare(folder)?;
        let tls = internal::make_certificate(&folder.join("internal-certificate"), 0)?;
        let mut hosts = Vec::new();
        for host in 0..HOSTS {
            hosts.push(Self::host(&mut pairs, host, &tls, folder)?);
        }
        for services in [&mut pairs.orders, &mut pairs.inventory, &mut pairs.accounts] {
            for (host, service) in services.iter_mut().enumerate() {
                service.set("DATABASE_URL", &fleet.database_url(host));
            }
        }
        pairs.launch()?;
        pairs.ready_as(&["UP"])?;
        Ok(Self { hosts, pairs })
    }

    /// Starts both nginx of a host, and tells its order-service of one of them.
    fn host(pairs: &mut Pairs, host: usize, tls: &Tls, folder: &Path) -> Result<Host> {
        let of = |services: &[Service]| -> Vec<u16> { services.iter().map(Service::port).collect() };
        let tls = Tls { port: ports::free_port()?, ..tls.clone() };
        let plan = internal::Plan { tls, inventory: of(&pairs.inventory) };
        let internal = plan.start(&folder.join(format!("internal-{}", host + 1)))?;
        let folder = folder.join(format!("gateway-{}", host + 1));
        let public = gateway::Plan {
            port: ports::free_port()?,
            tls: None,
            orders: of(&pairs.orders),
            inventory: of(&pairs.inventory),
            accounts: of(&pairs.accounts),
            limits: NO_LIMITS,
            access_log: folder.join("access.log"),
        };
        public.write(&folder)?;
        let gateway = Daemon::new(&folder, gateway::program(&folder)?)?;
        gateway.launch()?;
        gateway.wait(LIMIT, "the gateway to answer", || gateway::answers(public.port))?;
        if let Some(order_service) = pairs.orders.get_mut(host) {
            order_service.set("INVENTORY_SERVICE_URL", &plan.url());
            order_service.set("HTTPS_CA_FILE", &plan.tls.certificate.display().to_string());
        }
        Ok(Host { gateway, internal, base: format!("http://127.0.0.1:{}", public.port) })
    }
}
