//! Where a server is: on the loopback address like everything else, or behind a network of its own, which can be cut.

use std::net::Ipv4Addr;
use std::process::Command;

/// As `nice` understands it.
const PRIORITY: &str = "-5";

/// An address, and the network namespace that has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The address to listen on.
    pub address: Ipv4Addr,
    /// The namespace; none for that of this machine.
    pub namespace: Option<String>,
}

impl Default for Place {
    fn default() -> Self {
        Self { address: Ipv4Addr::LOCALHOST, namespace: None }
    }
}

impl Place {
    /// The same command, run there. What has a network of its own stands for a host with processors of its own: it goes before
    /// the load on this machine.
    pub fn enter(&self, command: Command) -> Command {
        let Some(namespace) = &self.namespace else { return command };
        let mut inside = Command::new("ip");
        inside.args(["netns", "exec", namespace, "nice", "-n", PRIORITY]);
        inside.arg(command.get_program()).args(command.get_args());
        for (name, value) in command.get_envs() {
            match value {
                Some(value) => inside.env(name, value),
                None => inside.env_remove(name),
            };
        }
        if let Some(folder) = command.get_current_dir() {
            inside.current_dir(folder);
        }
        inside
    }

    /// Whether it is on the loopback address.
    pub fn is_here(&self) -> bool {
        self.namespace.is_none()
    }
}
