//! A network of its own for each node of the servers, joined by a bridge, so that it can be cut as a cable would be.

use std::net::Ipv4Addr;
use std::process::Command;

use super::NODES;
use crate::error::Result;
use crate::place::Place;
use crate::postgres::is_root;
use crate::process::{self, Identity};

/// What the names of our namespaces and bridges begin with; the number of the process follows.
const PREFIX: &str = "oms";

/// The networks of one run. Dropping it takes them away.
#[derive(Debug)]
pub struct Network {
    name: String,
    /// The first three parts of the addresses.
    subnet: [u8; 3],
}

impl Network {
    /// Whether there can be one: that takes root, and Linux's `ip`.
    pub fn is_possible() -> bool {
        is_root() && super::find_program("ip").is_ok()
    }

    /// Makes a network for each node, after taking away those of runs that have died.
    pub fn make() -> Result<Self> {
        clean_up_after_dead_runs()?;
        let pid = std::process::id();
        // One of 253, so that two runs at once hardly get the same.
        let third = u8::try_from(pid % 253).unwrap_or_default() + 1;
        let network = Self { name: format!("{PREFIX}{pid}"), subnet: [10, 77, third] };
        let bridge = &network.name;
        ip(&["link", "add", bridge, "type", "bridge"])?;
        ip(&["addr", "add", &format!("{}/24", network.address(254)), "dev", bridge])?;
        ip(&["link", "set", bridge, "up"])?;
        for node in 0..NODES {
            let (namespace, outside) = (network.namespace(node), network.cable(node));
            ip(&["netns", "add", &namespace])?;
            ip(&["link", "add", &outside, "type", "veth", "peer", "name", "eth0", "netns", &namespace])?;
            ip(&["link", "set", &outside, "master", bridge, "up"])?;
            let address = format!("{}/24", network.of_node(node));
            ip(&["-n", &namespace, "addr", "add", &address, "dev", "eth0"])?;
            ip(&["-n", &namespace, "link", "set", "eth0", "up"])?;
            ip(&["-n", &namespace, "link", "set", "lo", "up"])?;
        }
        Ok(network)
    }

    /// Where the servers of each node are.
    pub fn places(&self) -> Vec<Place> {
        let place = |node| Place { address: self.of_node(node), namespace: Some(self.namespace(node)) };
        (0..NODES).map(place).collect()
    }

    /// Nothing passes between this node and all others any more, and nobody is told.
    pub fn cut(&self, node: usize) -> Result<()> {
        ip(&["link", "set", &self.cable(node), "down"])
    }

    /// Everything passes again.
    pub fn mend(&self, node: usize) -> Result<()> {
        ip(&["link", "set", &self.cable(node), "up"])
    }

    fn of_node(&self, node: usize) -> Ipv4Addr {
        self.address(u8::try_from(node + 1).unwrap_or(u8::MAX))
    }

    fn address(&self, last: u8) -> Ipv4Addr {
        let [one, two, three] = self.subnet;
        Ipv4Addr::new(one, two, three, last)
    }

    fn namespace(&self, node: usize) -> String {
        format!("{}-{node}", self.name)
    }

    /// The end of its cable on this machine.
    fn cable(&self, node: usize) -> String {
        format!("{}v{node}", self.name)
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        take_away(&self.name);
    }
}

/// Ends what one run has made. The cables go with the namespaces.
fn take_away(name: &str) {
    // What was not made yet cannot be taken away.
    for node in 0..NODES {
        let _ = ip(&["netns", "delete", &format!("{name}-{node}")]);
    }
    let _ = ip(&["link", "delete", name]);
}

/// Takes away what runs have left behind that were killed.
pub fn clean_up_after_dead_runs() -> Result<()> {
    let links = process::output_of(Command::new("ip").args(["-brief", "link", "show", "type", "bridge"]))?;
    for name in links.lines().filter_map(|line| line.split_whitespace().next()) {
        let pid = name.strip_prefix(PREFIX).and_then(|pid| pid.parse().ok());
        if pid.is_some_and(|pid| Identity::of(pid).is_none()) {
            take_away(name);
        }
    }
    Ok(())
}

fn ip(arguments: &[&str]) -> Result<()> {
    process::output_of(Command::new("ip").args(arguments)).map(drop)
}
