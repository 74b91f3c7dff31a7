//! The gateway of `deploy/gateway` on ports of this machine: its files for the instances that there are, and nginx as a
//! process of a test.

use std::fs::File;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::daemon::Program;
use crate::error::{Result, TestbedError};
use crate::folders::{make_folder, write_file};
use crate::http;
use crate::place::Place;
use crate::poll;
use crate::process::{self, Signal, tail};

/// How long nginx may take to listen, and to end.
const LIMIT: Duration = Duration::from_secs(10);

const NGINX_CONF: &str = include_str!("../../../deploy/gateway/nginx.conf");
const ERRORS_CONF: &str = include_str!("../../../deploy/gateway/errors.conf");

/// A certificate and where it is shown.
#[derive(Clone, Debug)]
pub struct Tls {
    /// The port for HTTPS.
    pub port: u16,
    /// The certificate, in PEM, with those that lead to its authority.
    pub certificate: PathBuf,
    /// Its key, in PEM.
    pub key: PathBuf,
}

/// Most requests of one client.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// In a second.
    pub per_second: u32,
    /// At the same time.
    pub at_once: u32,
}

impl Limits {
    /// Those of `deploy/gateway/limits.conf`.
    pub const USUAL: Self = Self { per_second: 100, at_once: 256 };
}

/// What a gateway is to be like. It listens on the loopback address.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The port for HTTP.
    pub port: u16,
    /// HTTPS, where there is a certificate.
    pub tls: Option<Tls>,
    /// The ports of each order-service.
    pub orders: Vec<u16>,
    /// The ports of each inventory-service.
    pub inventory: Vec<u16>,
    /// The ports of each account-service.
    pub accounts: Vec<u16>,
    /// How much one client may ask for.
    pub limits: Limits,
    /// Where it says what it has served.
    pub access_log: PathBuf,
}

impl Plan {
    /// Every file of its folder, by name.
    pub fn files(&self) -> Vec<(&'static str, String)> {
        let Limits { per_second, at_once } = self.limits;
        let limits = format!(
            "limit_req_zone $client zone=requests:10m rate={per_second}r/s;\nlimit_conn connections {at_once};\n"
        );
        vec![
            ("nginx.conf", NGINX_CONF.to_owned()),
            ("errors.conf", ERRORS_CONF.to_owned()),
            ("listen.conf", self.listen()),
            ("limits.conf", limits),
            ("order-service.conf", servers(&self.orders)),
            ("inventory-service.conf", servers(&self.inventory)),
            ("account-service.conf", servers(&self.accounts)),
        ]
    }

    /// Writes them, and lets nginx judge them.
    pub fn write(&self, folder: &Path) -> Result<()> {
        make_folder(folder)?;
        for (name, text) in self.files() {
            let file = folder.join(name);
            write_file(&file, &text)?;
        }
        judge(folder)
    }

    fn listen(&self) -> String {
        let address = |port: u16| format!("{}:{port}", Ipv4Addr::LOCALHOST);
        let mut lines =
            vec![format!("listen {};", address(self.port)), format!("access_log {} oms;", quoted(&self.access_log))];
        if let Some(tls) = &self.tls {
            lines.push(format!("listen {} ssl http2;", address(tls.port)));
            lines.push(format!("ssl_certificate {};", quoted(&tls.certificate)));
            lines.push(format!("ssl_certificate_key {};", quoted(&tls.key)));
        }
        lines.join("\n") + "\n"
    }
}

fn quoted(path: &Path) -> String {
    format!("\"{}\"", path.display())
}

/// The lines of an upstream with these instances: each is left alone for a second where it failed, unless all did.
pub(crate) fn servers(ports: &[u16]) -> String {
    let lines = |parameters: &str| -> String {
        ports.iter().map(|port| format!("server {}:{port} {parameters};\n", Ipv4Addr::LOCALHOST)).collect()
    };
    lines("max_fails=1 fail_timeout=1s") + &lines("max_fails=0 backup")
}

/// Where nginx is. On Debian its folder is not on everybody's search path.
pub fn find_program() -> Result<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let others = ["/usr/sbin", "/usr/local/sbin", "/opt/homebrew/bin"].map(PathBuf::from);
    let mut folders = std::env::split_paths(&path).chain(others);
    let found = folders.find_map(|folder| Some(folder.join("nginx")).filter(|program| program.is_file()));
    found.ok_or_else(|| TestbedError::new("nginx is not installed"))
}

/// nginx on the files of a folder.
fn nginx(folder: &Path) -> Result<Command> {
    let mut command = Command::new(find_program()?);
    command.arg("-p").arg(folder).args(["-c", "nginx.conf"]);
    Ok(command)
}

/// The error that `nginx -t` finds in the files of a folder.
pub fn judge(folder: &Path) -> Result<()> {
    process::output_of(nginx(folder)?.arg("-t")).map(drop)
}

/// nginx on the files of a folder, in the foreground.
pub fn command(folder: &Path) -> Result<Command> {
    let mut command = nginx(folder)?;
    command.args(["-g", "daemon off;"]);
    Ok(command)
}

/// The same for a [`Daemon`](crate::daemon::Daemon).
pub fn program(folder: &Path) -> Result<Program> {
    let arguments = ["-p", &folder.display().to_string(), "-c", "nginx.conf", "-g", "daemon off;"].map(str::to_owned);
    Ok(Program {
        file: find_program()?,
        arguments: arguments.to_vec(),
        variables: Vec::new(),
        as_postgres: false,
        place: Place::default(),
    })
}

/// Whether the gateway on this port answers.
pub fn answers(port: u16) -> bool {
    http::get(port, "/health/live").is_some_and(|answer| answer.status == 200)
}

/// A gateway that ends when it is dropped.
#[derive(Debug)]
pub struct Gateway {
    plan: Plan,
    child: Child,
    log: PathBuf,
}

impl Gateway {
    /// Starts nginx on files in this folder; returns once it answers.
    pub fn start(plan: Plan, folder: &Path) -> Result<Self> {
        plan.write(folder)?;
        let log = folder.join("nginx.log");
        let file = || File::create(&log).map_err(|cause| TestbedError::io("cannot write", &log, &cause));
        let child = command(folder)?.stdin(Stdio::null()).stdout(Stdio::null()).stderr(file()?).spawn();
        let child = child.map_err(|cause| TestbedError::new(format!("cannot start nginx: {cause}")))?;
        let mut gateway = Self { plan, child, log };
        gateway.wait_until_it_answers()?;
        Ok(gateway)
    }

    fn wait_until_it_answers(&mut self) -> Result<()> {
        let port = self.plan.port;
        let outcome = poll::until(LIMIT, "nginx to answer", || match self.child.try_wait() {
            Ok(None) => Ok(answers(port).then_some(())),
            _ => Err(TestbedError::new("nginx has ended")),
        });
        outcome.map_err(|cause| cause.with_details(&tail(&self.log, 20)))
    }

    /// Its port for HTTP.
    pub fn port(&self) -> u16 {
        self.plan.port
    }

    /// Its URL without a path.
    pub fn base(&self) -> String {
        format!("http://127.0.0.1:{}", self.plan.port)
    }

    /// What it says of the requests it has served, one line of JSON for each.
    pub fn access_log(&self) -> String {
        std::fs::read_to_string(&self.plan.access_log).unwrap_or_default()
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        // Not killed: its workers would stay.
        process::send(Signal::Terminate, i64::from(self.child.id()));
        if !poll::came_true(LIMIT, || !matches!(self.child.try_wait(), Ok(None))) {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_files_name_every_instance_and_the_certificate() {
        let tls = Tls { port: 2, certificate: PathBuf::from("/x/it's.pem"), key: PathBuf::from("/x/key.pem") };
        let plan = Plan {
            port: 1,
            tls: Some(tls),
            orders: vec![3, 4],
            inventory: vec![5],
            accounts: vec![6],
            limits: Limits { per_second: 7, at_once: 8 },
            access_log: PathBuf::from("/x/access.log"),
        };
        let files = plan.files();
        let of = |name: &str| files.iter().find(|(known, _)| *known == name).map(|(_, text)| text.as_str()).unwrap();
        for line in ["listen 127.0.0.1:1;\n", "listen 127.0.0.1:2 ssl http2;\n", "ssl_certificate \"/x/it's.pem\";\n"] {
            assert!(of("listen.conf").contains(line), "{}", of("listen.conf"));
        }
        assert_eq!(of("order-service.conf").matches("server 127.0.0.1:4 ").count(), 2);
        assert!(of("limits.conf").contains("rate=7r/s"));
    }

    #[test]
    fn there_is_one_of_each_file_to_begin_with() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy/gateway");
        let plan = Plan {
            port: 8080,
            tls: None,
            orders: vec![8081],
            inventory: vec![8082],
            accounts: vec![8083],
            limits: Limits::USUAL,
            access_log: PathBuf::from("access.log"),
        };
        let without_comments = |text: &str| -> Vec<String> {
            text.lines().filter(|line| !line.starts_with('#') && !line.is_empty()).map(str::to_owned).collect()
        };
        for (name, text) in plan.files() {
            let there = std::fs::read_to_string(folder.join(name)).unwrap();
            if name != "listen.conf" {
                assert_eq!(without_comments(&there), without_comments(&text), "{name}");
            }
        }
    }
}
