//! The gateway in front of a shop, or in front of stand-ins.

use crate::client::Client;
use crate::environment::{Environment, folder_of_test};
use crate::process::Service;
use crate::shop::{Plan, Shop};
use testbed::gateway::{Gateway, Limits, Tls};
use testbed::{gateway, ports};

/// More than a test asks for.
const NO_LIMITS: Limits = Limits { per_second: 100_000, at_once: 10_000 };

/// A gateway without limits in front of what listens on these ports: order-services, inventory-services, account-services.
pub fn in_front_of(orders: &[u16], inventory: &[u16], accounts: &[u16]) -> Gateway {
    start(orders, inventory, accounts, NO_LIMITS, None)
}

/// A gateway in front of order-services.
pub fn start(orders: &[u16], inventory: &[u16], accounts: &[u16], limits: Limits, tls: Option<Tls>) -> Gateway {
    let folder = folder_of_test(Environment::get()).join("gateway");
    // nginx takes no service without an instance.
    let or_none = |all: &[u16]| if all.is_empty() { vec![free_port()] } else { all.to_vec() };
    let plan = gateway::Plan {
        port: free_port(),
        tls,
        orders: or_none(orders),
        inventory: or_none(inventory),
        accounts: or_none(accounts),
        limits,
        access_log: folder.join("access.log"),
    };
    Gateway::start(plan, &folder).unwrap_or_else(|error| panic!("no gateway, run `cargo xtask test`: {error}"))
}

/// A port on which nobody listens.
pub fn free_port() -> u16 {
    ports::free_port().expect("a free port")
}

impl Plan {
    /// All services, which believe what the gateway says of its clients.
    pub fn behind_a_gateway(self) -> Self {
        let (name, value) = ("TRUSTED_PROXIES", "127.0.0.0/8");
        self.order_variable(name, value).inventory_variable(name, value).account_variable(name, value)
    }
}

impl Shop {
    /// A gateway in front of all instances, and what calls it.
    pub fn gateway(&self) -> (Gateway, Client) {
        let ports = |all: &[Service]| -> Vec<u16> { all.iter().map(|service| service.port()).collect() };
        let (orders, inventory) = (ports(&self.order_services), ports(&self.inventory_services));
        let gateway = in_front_of(&orders, &inventory, &ports(&self.account_services));
        let client = Client::new(gateway.base());
        (gateway, client)
    }
}
