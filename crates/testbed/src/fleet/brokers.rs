//! Three nodes of one RabbitMQ.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use super::NODES;
use crate::daemon::{Daemon, Program};
use crate::durability::Durability;
use crate::error::{Result, TestbedError};
use crate::folders::{make_folder, write_file};
use crate::place::Place;
use crate::ports;
use crate::rabbitmq::{self, Membership, RabbitMq};

const CLUSTER_CONF: &str = include_str!("../../../../deploy/ha/rabbitmq/10-cluster.conf");
const MEMBERSHIP: &str = include_str!("../../../../deploy/ha/rabbitmq/membership");
const ADVANCED_CONFIG: &str = include_str!("../../../../deploy/ha/rabbitmq/advanced.config");

/// Starts them one after the other: each finds those that are there.
pub(super) fn start(folder: &Path, places: &[Place]) -> Result<Vec<RabbitMq>> {
    let epmd = ports::free_port()?;
    let mut config = CLUSTER_CONF.to_owned();
    // The user guest is otherwise for the loopback address alone.
    config.push_str("loopback_users = none\n");
    for (number, place) in (1..).zip(places) {
        let host = rabbitmq::host(place);
        config.push_str(&format!("cluster_formation.classic_config.nodes.{number} = oms{number}@{host}\n"));
    }
    let mut nodes = Vec::new();
    for (number, place) in (1..).zip(places) {
        let (name, place) = (format!("oms{number}"), place.clone());
        let membership = Membership { name, config: config.clone(), epmd, place };
        let folder = folder.join(format!("rabbitmq-{number}"));
        let advanced = folder.join("advanced.config");
        make_folder(&folder)?;
        write_file(&advanced, ADVANCED_CONFIG)?;
        nodes.push(
            RabbitMq::start_member(&folder, ports::free_port()?, Durability::Durable, membership)?.stop_on_drop(),
        );
    }
    Ok(nodes)
}

/// Starts what keeps each node a member, beside it.
pub(super) fn keep_members(folder: &Path, nodes: &[RabbitMq], places: &[Place]) -> Result<Vec<Daemon>> {
    let mut memberships = Vec::new();
    for (number, (node, place)) in (1..).zip(nodes.iter().zip(places)) {
        let folder = folder.join(format!("membership-{number}"));
        make_folder(&folder)?;
        let script = folder.join("membership");
        write_file(&script, MEMBERSHIP)?;
        std::fs::set_permissions(&script, Permissions::from_mode(0o755))
            .map_err(|cause| TestbedError::io("cannot make executable", &script, &cause))?;
        let (variables, place) = (node.variables(), place.clone());
        let program = Program { file: script, arguments: Vec::new(), variables, as_postgres: false, place };
        let membership = Daemon::new(&folder, program)?;
        membership.launch()?;
        memberships.push(membership);
    }
    Ok(memberships)
}

/// Starts those again that have ended.
pub(super) fn start_again(nodes: &[RabbitMq]) -> Result<()> {
    for node in nodes {
        if node.process()?.is_none() {
            node.restart()?;
        }
    }
    Ok(())
}

/// What is missing to a broker of three nodes.
pub(super) fn missing(nodes: &[RabbitMq]) -> Option<String> {
    for (number, node) in (1..).zip(nodes) {
        let running = node.running_nodes();
        if running != NODES {
            return Some(format!("rabbitmq-{number} sees {running} nodes of {NODES}"));
        }
        match node.queues_with_fewer_members(NODES) {
            Some(0) => (),
            Some(queues) => return Some(format!("{queues} queues have fewer than {NODES} members")),
            None => return Some(format!("rabbitmq-{number} does not say who is a member of its queues")),
        }
    }
    None
}
