//! A private RabbitMQ: its own data, its own ports and its own Erlang port mapper, the loopback address only.

mod programs;
mod settings;
pub mod virtual_host;

use std::ffi::OsStr;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

pub use programs::{Programs, find as find_programs};
pub use settings::host;

use crate::durability::Durability;
use crate::error::{Result, TestbedError};
use crate::folders::delete_folder;
use crate::http;
use crate::pairs::Variables;
use crate::place::Place;
use crate::poll;
use crate::process::{self, Identity, Signal};
use crate::state::{SERVER_FILE, State};
use settings::{Node, Ports};

/// What the state file of a private server of this kind says under `kind`.
pub(crate) const KIND: &str = "rabbitmq";

const SERVER: &str = "server";

/// Which node of a broker of several a server is.
#[derive(Debug, Clone)]
pub struct Membership {
    /// The part of its name before `@localhost`.
    pub name: String,
    /// The lines of the configuration that name the others.
    pub config: String,
    /// The port of the port mapper that all of them use, or that each uses at a place of its own.
    pub epmd: u16,
    /// Where it runs.
    pub place: Place,
}

/// A handle on a server that runs, was killed, or was stopped. Dropping it leaves the server as it is, unless
/// [`RabbitMq::stop_on_drop`] was asked for.
#[derive(Debug)]
pub struct RabbitMq {
    dir: PathBuf,
    ports: Ports,
    durability: Durability,
    node: Node,
    programs: Programs,
    stops_on_drop: bool,
}

impl RabbitMq {
    /// Starts a server whose files are in `dir`, with the plugins for management and for Prometheus. A server that runs there already is taken
    /// over as it is.
    pub fn start(dir: &Path, port: u16, durability: Durability) -> Result<Self> {
        Self::start_with(dir, port, durability, "")
    }

    /// [`RabbitMq::start`] with more lines of configuration.
    pub fn start_with(dir: &Path, port: u16, durability: Durability, config: &str) -> Result<Self> {
        Self::start_node(dir, port, durability, Node { config: config.to_owned(), ..Node::default() }, None)
    }

    /// Starts a node of a broker of several. Those that stand in its configuration and run already take it in.
    pub fn start_member(dir: &Path, port: u16, durability: Durability, membership: Membership) -> Result<Self> {
        let Membership { name, config, epmd, place } = membership;
        Self::start_node(dir, port, durability, Node { name, config, one_of_many: true, place }, Some(epmd))
    }

    /// Starts a node, with the port mapper on this port where it is one of many.
    fn start_node(dir: &Path, port: u16, durability: Durability, node: Node, epmd: Option<u16>) -> Result<Self> {
        std::fs::create_dir_all(dir).map_err(|cause| TestbedError::io("cannot create", dir, &cause))?;
        let dir = dir.canonicalize().map_err(|cause| TestbedError::io("cannot find", dir, &cause))?;
        if let Some(running) = Self::attach(&dir)? {
            return Ok(running);
        }
        let last = State::read(&dir.join(SERVER_FILE))?;
        let ports = Ports::choose(port, last.as_ref())?;
        let server = Self {
            ports: Ports { epmd: epmd.unwrap_or(ports.epmd), ..ports },
            durability,
            node,
            programs: find_programs()?,
            dir,
            stops_on_drop: false,
        };
        server.launch()?;
        Ok(server)
    }

    /// The server that [`RabbitMq::start`] left running in `dir`, or `None` when none runs there.
    pub fn attach(dir: &Path) -> Result<Option<Self>> {
        let Some(state) = State::read(&dir.join(SERVER_FILE))? else {
            return Ok(None);
        };
        let running = state.process(SERVER).is_some_and(|it| it.is_running());
        let (Some(ports), Some(durability), true) = (Ports::recall(&state), state.get("durability"), running) else {
            return Ok(None);
        };
        let (node, programs) = (Node::recall(&state), find_programs()?);
        Ok(Some(Self { dir: dir.to_owned(), ports, durability, node, programs, stops_on_drop: false }))
    }

    /// The port that a server in `dir` was last started on.
    pub fn last_port(dir: &Path) -> Result<Option<u16>> {
        Ok(State::read(&dir.join(SERVER_FILE))?.and_then(|state| state.get("port")))
    }

    /// Stops what runs in `dir`, if anything, without ceremony, and deletes all of its files.
    pub fn delete(dir: &Path) -> Result<()> {
        if let Some(state) = State::read(&dir.join(SERVER_FILE))? {
            if let Some(process) = state.process(SERVER) {
                process.kill();
            }
            if let (Some(ports), Ok(programs)) = (Ports::recall(&state), find_programs()) {
                kill_epmd(&programs, ports, &Node::recall(&state));
            }
        }
        delete_folder(dir)
    }

    /// The AMQP URL of the default virtual host for the user guest.
    pub fn url(&self) -> String {
        format!("amqp://guest:guest@{}:{}/%2f", self.node.place.address, self.ports.amqp)
    }

    /// The URL of the management API for the user guest, without a path.
    pub fn management_url(&self) -> String {
        format!("http://guest:guest@{}:{}", self.node.place.address, self.ports.management)
    }

    /// How many nodes of its broker run, as it sees it; none while it does not answer.
    pub fn running_nodes(&self) -> usize {
        let answer = self.ask("/api/nodes?columns=running");
        answer.map_or(0, |answer| answer.body.matches("\"running\":true").count())
    }

    /// How many of its quorum queues have fewer members than this; none while it does not answer.
    pub fn queues_with_fewer_members(&self, members: usize) -> Option<usize> {
        let answer = self.ask("/api/queues?columns=members")?;
        // A queue of another kind has no list of them.
        let lists = answer.body.split("\"members\":[").skip(1).filter_map(|rest| rest.split(']').next());
        Some(lists.filter(|list| list.split(',').count() < members).count())
    }

    /// What its management API answers to a GET, while it does.
    fn ask(&self, path: &str) -> Option<http::Answer> {
        let address = (self.node.place.address, self.ports.management);
        http::call(address, "GET", path, &[virtual_host::AUTHORIZATION], "")
    }

    /// The variables with which RabbitMQ's own tools are found, and find this node.
    pub fn variables(&self) -> Variables {
        let mut tool = Command::new(&self.programs.server);
        settings::apply(&mut tool, &self.dir, self.ports, &self.node);
        let text = |it: &OsStr| it.to_string_lossy().into_owned();
        let path = std::env::var_os("PATH").unwrap_or_default();
        let folders = self.programs.server.parent().map(Path::to_owned).into_iter().chain(std::env::split_paths(&path));
        tool.env("PATH", std::env::join_paths(folders).unwrap_or(path));
        tool.get_envs().filter_map(|(name, value)| Some((text(name), text(value?)))).collect()
    }

    /// The port it speaks AMQP on.
    pub fn port(&self) -> u16 {
        self.ports.amqp
    }

    /// The port at which Prometheus reads its metrics.
    pub fn metrics_port(&self) -> u16 {
        self.ports.metrics
    }

    /// The server's log.
    pub fn log(&self) -> PathBuf {
        self.dir.join("rabbitmq.log")
    }

    /// The server's process (`beam.smp`) while it runs.
    pub fn process(&self) -> Result<Option<Identity>> {
        let state = State::read(&self.dir.join(SERVER_FILE))?;
        Ok(state.and_then(|it| it.process(SERVER)).filter(Identity::is_running))
    }

    /// Stops it in order, and its port mapper; a server that does not run is left alone.
    pub fn stop(&self) -> Result<()> {
        if let Some(process) = self.process()? {
            process.end(Signal::Terminate, Duration::from_secs(30));
        }
        kill_epmd(&self.programs, self.ports, &self.node);
        Ok(())
    }

    /// `kill -9` of the server, as a crash would. Its port mapper lives on for the restart, as it would then.
    pub fn kill(&self) -> Result<()> {
        if let Some(process) = self.process()? {
            process.kill();
        }
        Ok(())
    }

    /// SIGSTOP of the server: it holds its connections and says nothing.
    pub fn pause(&self) -> Result<()> {
        self.process()?.iter().for_each(|process| process.signal(Signal::Stop));
        Ok(())
    }

    /// SIGCONT: goes on after [`RabbitMq::pause`].
    pub fn resume(&self) -> Result<()> {
        self.process()?.iter().for_each(|process| process.signal(Signal::Continue));
        Ok(())
    }

    /// Stops it if it runs, and starts it on the same data and ports; also the way back after a kill.
    pub fn restart(&self) -> Result<()> {
        if let Some(process) = self.process()? {
            process.end(Signal::Terminate, Duration::from_secs(30));
        }
        self.launch()
    }

    /// Makes dropping this handle stop the server, also when a test panics.
    #[must_use]
    pub fn stop_on_drop(mut self) -> Self {
        self.stops_on_drop = true;
        self
    }

    fn launch(&self) -> Result<()> {
        settings::write_files(&self.dir, self.ports, self.durability, &self.node)?;
        let output = self.dir.join("start.log");
        let mut start = Command::new(&self.programs.server);
        settings::apply(&mut start, &self.dir, self.ports, &self.node);
        let script = process::spawn_detached(&self.node.place.enter(start), &output)?;
        let ready = self.remember(script.pid).and_then(|server| {
            poll::until(Duration::from_secs(120), "RabbitMQ", || {
                if !server.is_running() {
                    return Err(TestbedError::new("RabbitMQ ended during its start"));
                }
                Ok(self.answers().then_some(()))
            })
        });
        ready.map_err(|cause| {
            if let Some(process) = Identity::of(script.pid) {
                process.kill();
            }
            kill_epmd(&self.programs, self.ports, &self.node);
            let said = process::tail(&output, 10);
            let log = process::tail(&self.log(), 15);
            cause.with_details(&format!("{said}\n{log}"))
        })
    }

    /// Waits until the start script has become the server, which keeps the script's pid, and writes down who it is.
    fn remember(&self, pid: u32) -> Result<Identity> {
        let server = poll::until(Duration::from_secs(30), "RabbitMQ's start script", || match Identity::of(pid) {
            None => Err(TestbedError::new("RabbitMQ ended during its start")),
            Some(process) => Ok(process.program.contains("beam").then_some(process)),
        })?;
        self.node
            .remember(self.ports.remember(State::default()))
            .with("kind", KIND)
            .with("durability", self.durability)
            .with_process(SERVER, &server)
            .write(&self.dir.join(SERVER_FILE))?;
        Ok(server)
    }

    fn answers(&self) -> bool {
        let address = self.node.place.address;
        speaks_amqp((address, self.ports.amqp)) && http::get((address, self.ports.management), "/").is_some()
    }
}

impl Drop for RabbitMq {
    fn drop(&mut self) {
        if self.stops_on_drop {
            // Nobody is left to hear of a failure here.
            let _ = self.stop();
        }
    }
}

/// Whether an AMQP 0-9-1 server opens a connection: it answers the protocol header
/// with a method frame, whose first byte is 1.
pub fn speaks_amqp(server: impl Into<http::Server>) -> bool {
    let Some(mut stream) = http::connect(server) else {
        return false;
    };
    let mut first = [0u8; 1];
    stream.write_all(b"AMQP\x00\x00\x09\x01").is_ok() && stream.read_exact(&mut first).is_ok() && first == [1]
}

/// Ends the port mapper, which the last of many nodes takes with it.
fn kill_epmd(programs: &Programs, ports: Ports, node: &Node) {
    let mut kill = Command::new(&programs.epmd);
    settings::apply_epmd(&mut kill, ports, node);
    kill.arg("-kill");
    let mut kill = node.place.enter(kill);
    kill.stdin(Stdio::null());
    // It refuses while the server is still registered, which ends a moment after the server; and it fails when there is
    // no port mapper, which is as good.
    let patience = Duration::from_secs(if node.one_of_many { 1 } else { 5 });
    poll::came_true(patience, || {
        let said = kill.output().map(|output| String::from_utf8_lossy(&output.stdout).into_owned());
        !said.is_ok_and(|text| text.contains("not allowed"))
    });
}
