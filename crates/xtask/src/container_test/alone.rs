//! Each image by itself, without servers and without a network: how it starts, says how it is, and ends.

use std::time::{Duration, Instant};

use super::images::{name, targets};
use super::podman::Podman;
use testbed::error::{Result, TestbedError};
use testbed::poll;
use testbed::process::output_of;
use testbed::step::Steps;

/// How long a container may take to be well.
const START: Duration = Duration::from_secs(30);

/// How long a service finishes what it has, SHUTDOWN_TIMEOUT_SECONDS.
const DRAIN: Duration = Duration::from_secs(25);

/// Names that lead nowhere: nginx does not start without an address of each.
const NO_SERVICES: [&str; 3] = [
    "--add-host=order-service:127.0.0.1",
    "--add-host=inventory-service:127.0.0.1",
    "--add-host=account-service:127.0.0.1",
];

/// Runs each image as docker-compose.yml does.
pub fn judge(podman: &Podman, steps: &Steps) -> Result<()> {
    targets().try_for_each(|target| {
        let since = Instant::now();
        let outcome = judge_one(podman, target);
        let outcome = outcome.map_err(|cause| {
            let log = podman.run(&["logs", "--tail=20", target]).unwrap_or_default();
            cause.while_doing(&format!("the container {target}")).with_details(&log)
        });
        let ended = outcome?;
        steps.done(
            &format!("{target} runs read-only as nobody, is well, and ends in {:.1} s", ended.as_secs_f64()),
            since,
        );
        podman.run(&["rm", target]).map(drop)
    })
}

/// How long it took to end.
fn judge_one(podman: &Podman, target: &str) -> Result<Duration> {
    let container = format!("--name={target}");
    let mut words = vec!["run", "--detach", &container, "--network=none", "--read-only", "--read-only-tmpfs=false"];
    words.extend(["--cap-drop=all", "--security-opt=no-new-privileges", "--env=ACCESS=open"]);
    words.push("--env=ACCOUNT_MASTER_KEY=b21zLWxhcHRvcG9tcy1sYXB0b3BvbXMtbGFwdG9wb20=");
    if target == "gateway" {
        words.push("--tmpfs=/tmp");
        words.extend(NO_SERVICES);
    }
    let image = name(target);
    words.push(&image);
    podman.run(&words)?;
    // Nothing here runs the command of HEALTHCHECK by itself: podman needs systemd as the first process for that.
    poll::until(START, "its HEALTHCHECK", || {
        let running = podman.run(&["inspect", "--format={{.State.Running}}", target])?;
        match running.as_str() {
            "true" => Ok(output_of(podman.inside("podman").args(["healthcheck", "run", target])).ok()),
            _ => Err(TestbedError::new("it ended")),
        }
    })?;
    let check = podman.run(&["image", "inspect", "--format={{index .Config.Healthcheck.Test 3}}", &image])?;
    must(podman, target, &["bash", "-c", &check], true, "the command of its HEALTHCHECK")?;
    must(
        podman,
        target,
        &["env", "PORT=1", "bash", "-c", &check],
        false,
        "its HEALTHCHECK of a port nobody listens on",
    )?;
    must(
        podman,
        target,
        &["sh", "-c", "test $(id -u) = 10001 && grep -q 'Uid:.10001.10001' /proc/1/status"],
        true,
        "its user",
    )?;
    must(podman, target, &["sh", "-c", "touch /usr/x || touch /etc/x || touch /x"], false, "writing to its files")?;
    if target == "gateway" {
        let call = "exec 3<>/dev/tcp/127.0.0.1/8080 && printf 'GET /nothing HTTP/1.0\\r\\n\\r\\n' >&3 && cat <&3 | grep -q 404";
        must(podman, target, &["bash", "-c", call], true, "a call")?;
    }
    let since = Instant::now();
    podman.run(&["stop", "--time=60", target])?;
    let took = since.elapsed();
    let code = podman.run(&["inspect", "--format={{.State.ExitCode}}", target])?;
    if code != "0" || took > DRAIN {
        return Err(TestbedError::new(format!("told to end, it took {} s and ended with {code}", took.as_secs())));
    }
    let log = podman.run(&["logs", target])?;
    let lines: Vec<&str> = log.lines().filter(|line| !line.is_empty()).collect();
    let strange = lines.iter().find(|line| !(line.starts_with("{\"") && line.ends_with('}')));
    match (strange, lines.is_empty()) {
        (None, false) => Ok(took),
        (None, true) => Err(TestbedError::new("it logged nothing to its standard output")),
        (Some(line), _) => Err(TestbedError::new(format!("a line of its log is no JSON: {line}"))),
    }
}

/// An error unless the command in the container ends as it should.
fn must(podman: &Podman, target: &str, words: &[&str], well: bool, what: &str) -> Result<()> {
    let outcome = podman.run(&[&["exec", target], words].concat());
    match (outcome, well) {
        (Ok(_), true) | (Err(_), false) => Ok(()),
        (Ok(_), false) => Err(TestbedError::new(format!("{what} should fail"))),
        (Err(cause), true) => Err(cause.while_doing(what)),
    }
}
