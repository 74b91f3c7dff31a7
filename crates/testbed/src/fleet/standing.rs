//! PostgreSQL under Patroni, and the etcd in which Patroni keeps who is primary.

use std::net::Ipv4Addr;
use std::path::Path;
use std::time::Duration;

use super::{Role, find_program};
use crate::daemon::{Daemon, Program};
use crate::error::Result;
use crate::folders::{make_folder, write_file};
use crate::http;
use crate::pairs::{Variables, owned};
use crate::place::Place;
use crate::ports;
use crate::postgres;

const PATRONI_YML: &str = include_str!("../../../../deploy/ha/patroni.yml");
const ETCD_ENV: &str = include_str!("../../../../deploy/ha/etcd.env");

/// Who owns the database.
pub(super) const SUPERUSER: &str = "postgres";

/// Everybody may know it: the servers listen on the loopback address.
pub(super) const PASSWORD: &str = "oms";

/// How long etcd may take to answer.
const LIMIT: Duration = Duration::from_secs(30);

/// One PostgreSQL with its Patroni.
#[derive(Debug)]
pub struct Node {
    /// Patroni, with PostgreSQL below it.
    pub server: Daemon,
    /// Where it listens.
    pub(super) address: Ipv4Addr,
    /// The port of PostgreSQL.
    pub(super) port: u16,
    /// The port of Patroni.
    pub(super) patroni_port: u16,
}

impl Node {
    /// Whether it is this, as its Patroni says.
    pub fn is(&self, role: Role) -> bool {
        let path = match role {
            Role::Primary => "/primary",
            Role::Standby => "/replica",
            Role::Synchronous => "/synchronous",
        };
        http::get((self.address, self.patroni_port), path).is_some_and(|answer| answer.status == 200)
    }
}

/// One member of etcd.
struct Member {
    place: Place,
    clients: u16,
    peers: u16,
}

impl Member {
    fn url(&self, port: u16) -> String {
        format!("http://{}:{port}", self.place.address)
    }
}

/// Starts the members of etcd; gives them, and where clients find them.
pub(super) fn start_etcd(folder: &Path, places: &[Place]) -> Result<(Vec<Daemon>, Vec<String>)> {
    let member =
        |place: &Place| Ok(Member { place: place.clone(), clients: ports::free_port()?, peers: ports::free_port()? });
    let members = places.iter().map(member).collect::<Result<Vec<Member>>>()?;
    let cluster: Vec<String> =
        (1..).zip(&members).map(|(number, it)| format!("etcd-{number}={}", it.url(it.peers))).collect();
    let file = find_program("etcd")?;
    let mut etcd = Vec::new();
    for (number, member) in (1..).zip(&members) {
        let name = format!("etcd-{number}");
        let folder = folder.join(&name);
        let (clients, peers) = (member.url(member.clients), member.url(member.peers));
        let mut variables = settings(ETCD_ENV);
        variables.extend(owned(&[
            ("ETCD_NAME", name),
            ("ETCD_DATA_DIR", folder.join("data").display().to_string()),
            ("ETCD_LISTEN_CLIENT_URLS", clients.clone()),
            ("ETCD_ADVERTISE_CLIENT_URLS", clients),
            ("ETCD_LISTEN_PEER_URLS", peers.clone()),
            ("ETCD_INITIAL_ADVERTISE_PEER_URLS", peers),
            ("ETCD_INITIAL_CLUSTER", cluster.join(",")),
        ]));
        let (file, place) = (file.clone(), member.place.clone());
        let server =
            Daemon::new(&folder, Program { file, arguments: Vec::new(), variables, as_postgres: false, place })?;
        server.launch()?;
        etcd.push(server);
    }
    for (server, member) in etcd.iter().zip(&members) {
        let address = (member.place.address, member.clients);
        let healthy = || http::get(address, "/health").is_some_and(|answer| answer.body.contains("true"));
        server.wait(LIMIT, "etcd to answer", healthy)?;
    }
    Ok((etcd, members.iter().map(|it| format!("{}:{}", it.place.address, it.clients)).collect()))
}

/// The lines of a file of variables.
fn settings(text: &str) -> Variables {
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines.filter_map(|line| line.split_once('=')).map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

/// Starts the nodes, which find out among themselves who is primary.
pub(super) fn start_postgres(folder: &Path, places: &[Place], etcd: &[String]) -> Result<Vec<Node>> {
    let programs = postgres::find_programs(None)?;
    let hosts: Vec<String> = etcd.iter().map(|host| format!("'{host}'")).collect();
    let mut nodes = Vec::new();
    for (number, place) in (1..).zip(places) {
        let (port, patroni_port) = (ports::free_port()?, ports::free_port()?);
        let folder = folder.join(format!("postgres-{number}"));
        make_folder(&folder)?;
        let home = postgres::home_for(&folder)?;
        let config = home.join("patroni.yml");
        write_file(&config, PATRONI_YML)?;
        let data = home.join("data");
        let address = place.address;
        let (sql, rest) = (format!("{address}:{port}"), format!("{address}:{patroni_port}"));
        let variables = owned(&[
            ("PATRONI_NAME", format!("postgres-{number}")),
            ("PATRONI_ETCD_HOSTS", hosts.join(",")),
            ("PATRONI_RESTAPI_LISTEN", rest.clone()),
            ("PATRONI_RESTAPI_CONNECT_ADDRESS", rest),
            ("PATRONI_POSTGRESQL_LISTEN", sql.clone()),
            ("PATRONI_POSTGRESQL_CONNECT_ADDRESS", sql),
            ("PATRONI_POSTGRESQL_DATA_DIR", data.display().to_string()),
            ("PATRONI_POSTGRESQL_BIN_DIR", programs.folder.display().to_string()),
            ("PATRONI_POSTGRESQL_PGPASS", home.join("pgpass").display().to_string()),
            ("PATRONI_SUPERUSER_USERNAME", SUPERUSER.to_owned()),
            ("PATRONI_SUPERUSER_PASSWORD", PASSWORD.to_owned()),
            ("PATRONI_REPLICATION_USERNAME", "replicator".to_owned()),
            ("PATRONI_REPLICATION_PASSWORD", PASSWORD.to_owned()),
            ("HOME", home.display().to_string()),
            ("LC_ALL", "C.UTF-8".to_owned()),
        ]);
        let arguments = vec![config.display().to_string()];
        let (file, place) = (find_program("patroni")?, place.clone());
        let program = Program { file, arguments, variables, as_postgres: true, place };
        let server = Daemon::new(&folder, program)?.with_child(data.join("postmaster.pid"));
        // It can be outside of the checkout.
        let server = if home == folder { server } else { server.with_home(home) };
        server.launch()?;
        nodes.push(Node { server, address, port, patroni_port });
    }
    Ok(nodes)
}

#[cfg(test)]
mod tests {
    use super::settings;

    #[test]
    fn a_file_of_variables_is_read_without_its_comments() {
        let read = settings("# A=B\nETCD_X=1\nETCD_Y=a=b\n");
        assert_eq!(read, [("ETCD_X".to_owned(), "1".to_owned()), ("ETCD_Y".to_owned(), "a=b".to_owned())]);
    }
}
