//! The files and variables that keep a private RabbitMQ apart from any other on the same machine.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use crate::durability::Durability;
use crate::error::{Result, TestbedError};
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

/// Writes the configuration files into `dir`.
pub fn write_files(dir: &Path, ports: Ports, durability: Durability) -> Result<()> {
    let home = dir.join("home");
    std::fs::create_dir_all(&home).map_err(|cause| TestbedError::io("cannot create", &home, &cause))?;
    let cookie = home.join(".erlang.cookie");
    if !cookie.exists() {
        write(&cookie, "private-to-this-checkout")?;
        // Erlang refuses a cookie that others could read.
        std::fs::set_permissions(&cookie, Permissions::from_mode(0o400))
            .map_err(|cause| TestbedError::io("cannot protect", &cookie, &cause))?;
    }
    write(&dir.join("enabled_plugins"), "[rabbitmq_management,rabbitmq_prometheus].\n")?;
    let mut config = format!(
        "management.tcp.ip = 127.0.0.1\nmanagement.tcp.port = {}\nprometheus.tcp.ip = 127.0.0.1\n\
         prometheus.tcp.port = {}\nlog.file.level = info\n",
        ports.management, ports.metrics
    );
    if durability == Durability::ThrowAway {
        // Tests read queue lengths over the management API, which are this many milliseconds old.
        config.push_str("collect_statistics_interval = 500\n");
    }
    write(&dir.join("rabbitmq.conf"), &config)
}

/// Sets the variables with which the server finds those files and nothing else.
pub fn apply(command: &mut Command, dir: &Path, ports: Ports) {
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
        .env("RABBITMQ_NODENAME", "oms@localhost")
        .env("RABBITMQ_NODE_IP_ADDRESS", "127.0.0.1")
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
            "+sbwt none +sbwtdcpu none +sbwtdio none -kernel inet_dist_use_interface {127,0,0,1}",
        );
    apply_epmd(command, ports);
}

/// Sets the variables with which `epmd` means this server's port mapper.
pub fn apply_epmd(command: &mut Command, ports: Ports) {
    command.env("ERL_EPMD_PORT", ports.epmd.to_string()).env("ERL_EPMD_ADDRESS", "127.0.0.1");
}

fn write(path: &Path, text: &str) -> Result<()> {
    std::fs::write(path, text).map_err(|cause| TestbedError::io("cannot write", path, &cause))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_come_back_from_the_state_file() {
        let ports = Ports { amqp: 1, management: 2, metrics: 3, distribution: 4, epmd: 5 };
        assert_eq!(Ports::recall(&ports.remember(State::default())), Some(ports));
        assert_eq!(Ports::recall(&State::default()), None);
    }
}
