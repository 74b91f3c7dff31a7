//! The files and variables that keep a private RabbitMQ apart from any other on the same machine.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use crate::durability::Durability;
use crate::error::{Result, TestbedError};
use crate::folders::write_file;
use crate::place::Place;
use crate::ports;
use crate::state::State;

/// The ports of one server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ports {
    /// Where clients speak AMQP.
    pub amqp: u16,
    /// Where the management API answers.
    pub management: u16,
    /// Where Prometheus reads its metrics.
    pub metrics: u16,
    /// Where other Erlang nodes would connect; nobody does, but it is opened all the same.
    pub distribution: u16,
    /// Where the server's own Erlang port mapper listens.
    pub epmd: u16,
}

impl Ports {
    /// The ports of the last start where they are still free, with `amqp` as the caller wants it.
    pub fn choose(amqp: u16, last: Option<&State>) -> Result<Self> {
        let port = |key: &str| ports::preferred_or_free(last.and_then(|state| state.get::<u16>(key)));
        Ok(Self {
            amqp,
            management: port("management-port")?,
            metrics: port("metrics-port")?,
            distribution: port("distribution-port")?,
            epmd: port("epmd-port")?,
        })
    }

    /// The ports as [`Ports::remember`] wrote them.
    pub fn recall(state: &State) -> Option<Self> {
        Some(Self {
            amqp: state.get("port")?,
            management: state.get("management-port")?,
            // A server that an earlier version started has none.
            metrics: state.get("metrics-port").unwrap_or_default(),
            distribution: state.get("distribution-port")?,
            epmd: state.get("epmd-port")?,
        })
    }

    /// Adds the ports to a state.
    pub fn remember(&self, state: State) -> State {
        state
            .with("port", self.amqp)
            .with("management-port", self.management)
            .with("metrics-port", self.metrics)
            .with("distribution-port", self.distribution)
            .with("epmd-port", self.epmd)
    }
}

/// Which node a server is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// The part of its name before `@localhost`, which is one of its own among those of one port mapper.
    pub name: String,
    /// Further lines of its configuration.
    pub config: String,
    /// Whether other servers use its port mapper too.
    pub one_of_many: bool,
    /// Where it runs.
    pub place: Place,
}

impl Default for Node {
    fn default() -> Self {
        Self { name: "oms".to_owned(), config: String::new(), one_of_many: false, place: Place::default() }
    }
}

impl Node {
    /// The node as [`Node::remember`] wrote it.
    pub fn recall(state: &State) -> Self {
        let name = state.get("node").unwrap_or_else(|| Self::default().name);
        let config = state.get::<String>("config").unwrap_or_default().replace("\\n", "\n");
        let here = Place::default();
        let address = state.get("address").unwrap_or(here.address);
        let place = Place { address, namespace: state.get("namespace") };
        Self { name, config, one_of_many: state.get("one-of-many").unwrap_or_default(), place }
    }

    /// Adds it to a state.
    pub fn remember(&self, state: State) -> State {
        let state = state.with("node", &self.name).with("one-of-many", self.one_of_many);
        let state = match &self.place.namespace {
            Some(namespace) => state.with("address", self.place.address).with("namespace", namespace),
            None => state,
        };
        // A value is a line.
        state.with("config", self.config.replace('\n', "\\n"))
    }
}

/// What stands behind the `@` in the name of a node at this place.
pub fn host(place: &Place) -> String {
    if place.is_here() { "localhost".to_owned() } else { place.address.to_string() }
}

/// Writes the configuration files into `dir`.
pub fn write_files(dir: &Path, ports: Ports, durability: Durability, node: &Node) -> Result<()> {
    let home = dir.join("home");
    std::fs::create_dir_all(&home).map_err(|cause| TestbedError::io("cannot create", &home, &cause))?;
    let cookie = home.join(".erlang.cookie");
    if !cookie.exists() {
        write_file(&cookie, "private-to-this-checkout")?;
        // Erlang refuses a cookie that others could read.
        std::fs::set_permissions(&cookie, Permissions::from_mode(0o400))
            .map_err(|cause| TestbedError::io("cannot protect", &cookie, &cause))?;
    }
    write_file(&dir.join("enabled_plugins"), "[rabbitmq_management,rabbitmq_prometheus].\n")?;
    let mut config = format!(
        "management.tcp.ip = {0}\nmanagement.tcp.port = {1}\nprometheus.tcp.ip = {0}\n\
         prometheus.tcp.port = {2}\nlog.file.level = info\n",
        node.place.address, ports.management, ports.metrics
    );
    if durability == Durability::ThrowAway {
        // Tests read queue lengths over the management API, which are this many milliseconds old.
        config.push_str("collect_statistics_interval = 500\n");
    }
    config.push_str(&node.config);
    write_file(&dir.join("rabbitmq.conf"), &config)
}

/// Sets the variables with which the server finds those files and nothing else.
pub fn apply(command: &mut Command, dir: &Path, ports: Ports, node: &Node) {
    for (name, _) in std::env::vars_os() {
        let name = name.to_string_lossy();
        if name.starts_with("RABBITMQ_") || name.starts_with("ERL_") {
            command.env_remove(name.as_ref());
        }
    }
    command
        .current_dir(dir)
        .env("HOME", dir.join("home"))
        .env("ERL_CRASH_DUMP", dir.join("erl_crash.dump"))
        .env("RABBITMQ_NODENAME", format!("{}@{}", node.name, host(&node.place)))
        .env("RABBITMQ_USE_LONGNAME", if node.place.is_here() { "false" } else { "true" })
        .env("RABBITMQ_NODE_IP_ADDRESS", node.place.address.to_string())
        .env("RABBITMQ_NODE_PORT", ports.amqp.to_string())
        .env("RABBITMQ_DIST_PORT", ports.distribution.to_string())
        .env("RABBITMQ_MNESIA_BASE", dir.join("mnesia"))
        .env("RABBITMQ_LOG_BASE", dir.join("log"))
        .env("RABBITMQ_LOGS", dir.join("rabbitmq.log"))
        .env("RABBITMQ_PID_FILE", dir.join("rabbitmq.pid"))
        .env("RABBITMQ_GENERATED_CONFIG_DIR", dir.join("config"))
        .env("RABBITMQ_ENABLED_PLUGINS_FILE", dir.join("enabled_plugins"))
        .env("RABBITMQ_CONFIG_FILE", dir.join("rabbitmq.conf"))
        .env("RABBITMQ_ADVANCED_CONFIG_FILE", dir.join("advanced.config"))
        .env("RABBITMQ_CONF_ENV_FILE", "/dev/null")
        // The start script then becomes the server instead of waiting for it: one process to know and to signal.
        .env("RUNNING_UNDER_SYSTEMD", "true")
        .env(
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS",
            format!(
                "+sbwt none +sbwtdcpu none +sbwtdio none -kernel inet_dist_use_interface {{{}}}",
                node.place.address.to_string().replace('.', ",")
            ),
        );
    apply_epmd(command, ports, node);
}

/// Sets the variables with which `epmd` means this server's port mapper.
pub fn apply_epmd(command: &mut Command, ports: Ports, node: &Node) {
    command.env("ERL_EPMD_PORT", ports.epmd.to_string()).env("ERL_EPMD_ADDRESS", node.place.address.to_string());
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv4Addr;

    #[test]
    fn ports_come_back_from_the_state_file() {
        let ports = Ports { amqp: 1, management: 2, metrics: 3, distribution: 4, epmd: 5 };
        assert_eq!(Ports::recall(&ports.remember(State::default())), Some(ports));
        assert_eq!(Ports::recall(&State::default()), None);
        let node = Node {
            name: "oms2".to_owned(),
            config: "a = 1\nb = 2\n".to_owned(),
            one_of_many: true,
            place: Place { address: Ipv4Addr::new(10, 77, 0, 2), namespace: Some("x-2".to_owned()) },
        };
        assert_eq!(Node::recall(&node.remember(State::default())), node);
        assert_eq!(Node::recall(&State::default()), Node::default());
    }
}
