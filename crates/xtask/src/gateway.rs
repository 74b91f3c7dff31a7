//! The gateway of the development system: nginx in front of the services, where `up --gateway` asks for it.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::install::{self, Need};
use crate::parts::{Part, Started};
use crate::services::{ServicePorts, log_of, port_from};
use crate::workspace::Workspace;
use testbed::error::{Result, TestbedError};
use testbed::gateway::{self, Limits, Plan, Tls};
use testbed::process;
use testbed::state::State;
use testbed::step::Steps;
use testbed::{poll, ports};

const PORT: &str = "GATEWAY_PORT";
const TLS_PORT: &str = "GATEWAY_TLS_PORT";
const CERTIFICATE: &str = "GATEWAY_CERTIFICATE_FILE";
const KEY: &str = "GATEWAY_KEY_FILE";

/// How long nginx may take to answer.
const LIMIT: Duration = Duration::from_secs(10);

/// The port for HTTP: 8080, unless the environment says otherwise.
pub fn port() -> Result<u16> {
    port_from(PORT, 8080)
}

/// Installs nginx where it is missing. May ask for the password of sudo.
pub fn install(workspace: &Workspace, steps: &Steps) -> Result<()> {
    install::what_is_missing(&[Need::Nginx], &workspace.dev_folder().join("logs/install.log"), steps)
}

/// An error when another program listens on one of its ports.
pub fn check_free(workspace: &Workspace) -> Result<()> {
    let tls = tls()?.map(|tls| (tls.port, TLS_PORT));
    for (port, variable) in [(port()?, PORT)].into_iter().chain(tls) {
        if Part::Gateway.process(workspace)?.is_none() && !ports::is_free(port) {
            return Err(TestbedError::new(format!(
                "port {port}, on which the gateway is to listen, is taken by another program. Stop that program, or \
                 choose another port: {variable}={} cargo xtask up --gateway",
                port.saturating_add(1000),
            )));
        }
    }
    Ok(())
}

/// Starts it in front of these services, or reuses the one that runs, and waits until it answers.
pub fn start(workspace: &Workspace, services: ServicePorts, started: &Started, steps: &Steps) -> Result<()> {
    let since = Instant::now();
    let folder = folder(workspace);
    let log = log_of(workspace, Part::Gateway);
    let plan = Plan {
        port: port()?,
        tls: tls()?,
        orders: vec![services.order],
        inventory: vec![services.inventory],
        accounts: vec![services.account],
        limits: Limits::USUAL,
        access_log: log.clone(),
    };
    let mut hasher = DefaultHasher::new();
    plan.files().hash(&mut hasher);
    let fingerprint = hasher.finish();
    if Part::Gateway.process(workspace)?.is_some() {
        let state = State::read(&Part::Gateway.state_file(workspace))?.unwrap_or_default();
        if state.get::<u64>("fingerprint") == Some(fingerprint) {
            steps.say(&format!("the gateway runs already on port {}", plan.port));
            return Ok(());
        }
        steps.say("the gateway runs with other settings; restarting it");
        Part::Gateway.stop(workspace, steps)?;
    }
    let _ = std::fs::remove_file(&log);
    plan.write(&folder)?;
    let process = process::spawn_detached(&gateway::command(&folder)?, &log)
        .map_err(|cause| cause.with_details(&process::tail(&log, 20)))?;
    State::default()
        .with("fingerprint", fingerprint)
        .with_process("service", &process)
        .write(&Part::Gateway.state_file(workspace))?;
    started.add(Part::Gateway, Some(process.clone()));
    let outcome = poll::until(LIMIT, "the gateway", || match process.is_running() {
        true => Ok(gateway::answers(plan.port).then_some(())),
        false => Err(TestbedError::new("the gateway ended during its start")),
    });
    outcome.map_err(|cause| cause.with_details(&process::tail(&log, 20)))?;
    steps.done(&format!("the gateway is ready on port {}", plan.port), since);
    Ok(())
}

/// HTTPS, where the environment names a certificate.
fn tls() -> Result<Option<Tls>> {
    let file = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    match (file(CERTIFICATE), file(KEY)) {
        (None, None) => Ok(None),
        (Some(certificate), Some(key)) => {
            let port = port_from(TLS_PORT, 8443)?;
            Ok(Some(Tls { port, certificate: absolute(&certificate)?, key: absolute(&key)? }))
        }
        _ => Err(TestbedError::usage(format!("{CERTIFICATE} and {KEY} have to be set together"))),
    }
}

fn absolute(file: &Path) -> Result<PathBuf> {
    file.canonicalize().map_err(|cause| TestbedError::io("cannot find", file, &cause))
}

fn folder(workspace: &Workspace) -> PathBuf {
    workspace.dev_folder().join("gateway")
}
