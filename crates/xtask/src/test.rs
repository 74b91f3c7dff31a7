//! `cargo xtask test`: every test of the workspace against private servers that are gone afterwards.

mod summary;

use std::io::{BufRead, BufReader, IsTerminal, Write};
use std::process::Command;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use crate::cargo::{self, EVERYTHING, SERVICES, cargo};
use crate::cli::RunOptions;
use crate::install::from_pypi::SCHEMATHESIS;
use crate::install::{self, Apt, Need};
use crate::workspace::{Profile, Workspace};
use summary::Summary;
use testbed::error::{Result, TestbedError};
use testbed::interrupt;
use testbed::run_folder::RunFolder;
use testbed::step::Steps;
use testbed::{Durability, Servers};

/// The tests of the package e2e, which are all in one binary. Chosen by that and not by their package they run on what
/// was built for the whole workspace, see [`EVERYTHING`].
const END_TO_END: [&str; 2] = ["--test", "all"];

/// How many tests of one binary run at once; a variable of Rust's own test runner.
const TEST_THREADS: &str = "RUST_TEST_THREADS";

/// Most tests wait for processes and servers longer than they compute.
const TESTS_PER_CORE: usize = 3;

/// Runs the tests; the exit code is 0 only when some ran and none failed.
pub fn run(workspace: &Workspace, options: &RunOptions) -> Result<u8> {
    let steps = Steps::begin("testing the workspace against private servers");
    let folder = RunFolder::make(&workspace.run_folder(), "test", options.keep, &steps)?;
    let outcome = prepare_and_run(workspace, options, &folder, &steps);
    let since = Instant::now();
    folder.end(matches!(outcome, Ok((_, false))), &steps);
    steps.done("servers stopped", since);
    let (summary, all_well) = outcome?;
    Ok(report(&summary, all_well))
}

fn prepare_and_run(
    workspace: &Workspace,
    options: &RunOptions,
    folder: &RunFolder,
    steps: &Steps,
) -> Result<(Summary, bool)> {
    let apt = can_install()?;
    let servers = std::thread::scope(|scope| {
        let starting = scope.spawn(|| {
            let servers = start_servers(apt, folder, steps)?;
            install_for_few_tests(apt, workspace, folder, steps);
            Ok(servers)
        });
        let since = Instant::now();
        let built = build(workspace, options);
        if built.is_ok() {
            steps.done("tests and services built", since);
        }
        let started = starting.join().map_err(|_| TestbedError::new("the start of the servers panicked"));
        built?;
        started?
    })?;
    let mut test = cargo(workspace);
    test.args(["test", "--no-fail-fast"]).args(arguments(&options.arguments));
    set_environment(&mut test, workspace, folder, &servers);
    run_tests(&mut test)
}

/// How missing programs are installed; an error when one is missing and none can be.
fn can_install() -> Result<Option<Apt>> {
    let few_tests = [Need::Chromium, Need::Npm, Need::Prometheus, Need::Alertmanager, Need::Nginx, Need::PgBackRest];
    let missing = install::missing(&[&[Need::Postgres, Need::RabbitMq, Need::Wrk], &few_tests[..]].concat());
    if missing.is_empty() {
        return Ok(None);
    }
    let apt = Apt::find();
    let servers: Vec<Need> = missing.into_iter().filter(|need| !few_tests.contains(need)).collect();
    if apt.is_none() && !servers.is_empty() {
        return Err(install::ask_for(&servers));
    }
    Ok(apt)
}

fn start_servers(apt: Option<Apt>, folder: &RunFolder, steps: &Steps) -> Result<Servers> {
    install_missing(apt, &[Need::Postgres, Need::RabbitMq, Need::Wrk], folder, steps)?;
    let since = Instant::now();
    let servers = Servers::start(folder.path(), Durability::ThrowAway, "")?;
    let (postgres, rabbitmq) = (&servers.postgres, &servers.rabbitmq);
    let (version, database, broker) = (postgres.major_version(), postgres.port(), rabbitmq.port());
    steps.done(&format!("PostgreSQL {version} and RabbitMQ started on 127.0.0.1, {database} and {broker}"), since);
    Ok(servers)
}

/// What only a few tests need: without it those fail and say so, and all others run.
fn install_for_few_tests(apt: Option<Apt>, workspace: &Workspace, folder: &RunFolder, steps: &Steps) {
    if let Err(error) = install_missing(apt, &[Need::Chromium], folder, steps) {
        steps.say(&format!("going on without a browser: {error}"));
    }
    if let Err(error) = install_missing(apt, &[Need::Prometheus, Need::Alertmanager], folder, steps) {
        steps.say(&format!("going on without promtool and amtool: {error}"));
    }
    if let Err(error) = install_missing(apt, &[Need::Nginx], folder, steps) {
        steps.say(&format!("going on without nginx: {error}"));
    }
    if let Err(error) = install_missing(apt, &[Need::PgBackRest], folder, steps) {
        steps.say(&format!("going on without pgbackrest: {error}"));
    }
    let newman = install_missing(apt, &[Need::Npm], folder, steps);
    if let Err(error) = newman.and_then(|()| install::newman::if_missing(workspace, steps)) {
        steps.say(&format!("going on without newman: {error}"));
    }
    let schemathesis = install_missing(apt, &[Need::Python], folder, steps);
    if let Err(error) = schemathesis.and_then(|()| SCHEMATHESIS.if_missing(workspace, steps)) {
        steps.say(&format!("going on without schemathesis: {error}"));
    }
}

fn install_missing(apt: Option<Apt>, needs: &[Need], folder: &RunFolder, steps: &Steps) -> Result<()> {
    match apt {
        Some(apt) => install::with_apt(&apt, &install::missing(needs), &folder.path().join("install.log"), steps),
        None => Ok(()),
    }
}

/// Builds the services and the tests, in one go where the tests are those of the workspace or end to end.
fn build(workspace: &Workspace, options: &RunOptions) -> Result<()> {
    let arguments = arguments(&options.arguments);
    let mut build = cargo(workspace);
    build.arg("build").args(EVERYTHING);
    if arguments.starts_with(&EVERYTHING.map(str::to_owned)) {
        let end_to_end = arguments.windows(END_TO_END.len()).any(|words| words == END_TO_END);
        build.args(if end_to_end { &END_TO_END[..] } else { &["--tests"] });
        return cargo::run(build.args(bins(end_to_end)), "cargo build");
    }
    cargo::run(build.args(bins(true)), "cargo build")?;
    let selection = arguments.iter().take_while(|argument| *argument != "--");
    cargo::run(cargo(workspace).args(["test", "--no-run"]).args(selection), "cargo test --no-run")
}

/// The flags for the binaries of the services, or for all that there are.
fn bins(services: bool) -> Vec<&'static str> {
    if services { SERVICES.iter().flat_map(|name| ["--bin", name]).collect() } else { vec!["--bins"] }
}

/// The caller's arguments; the whole workspace unless they choose packages.
fn arguments(given: &[String]) -> Vec<String> {
    let chooses = |argument: &String| {
        ["-p", "--package", "--workspace", "--manifest-path"].iter().any(|flag| argument.starts_with(flag))
    };
    let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
    let ours = given.iter().take_while(|argument| *argument != "--").filter(|argument| chooses(argument));
    match (ours.count(), given) {
        (0, rest) => [&words(&EVERYTHING), rest].concat(),
        (1, [flag, package, rest @ ..]) if ["-p", "--package"].contains(&flag.as_str()) && package == "e2e" => {
            [&words(&EVERYTHING), &words(&END_TO_END), rest].concat()
        }
        _ => given.to_vec(),
    }
}

fn set_environment(
    test: &mut Command,
    workspace: &Workspace,
    folder: &RunFolder,
    Servers { postgres, rabbitmq }: &Servers,
) {
    test.env("TEST_DATABASE_URL", postgres.url())
        .env("TEST_AMQP_URL", rabbitmq.url())
        .env("TEST_RABBITMQ_MANAGEMENT_URL", rabbitmq.management_url())
        // Servers that tests start below this folder are ended with the run, however the tests end.
        .env("TEST_RUN_DIR", folder.path());
    for name in SERVICES {
        test.env(cargo::binary_variable(name), workspace.binary(name, Profile::Dev));
    }
    if std::env::var_os(TEST_THREADS).is_none() {
        let cores = std::thread::available_parallelism().map_or(1, |count| count.get());
        test.env(TEST_THREADS, (cores * TESTS_PER_CORE).to_string());
    }
    test.env("NEWMAN_BIN", install::newman::program(workspace));
    test.env("SCHEMATHESIS_BIN", SCHEMATHESIS.program(workspace));
}

/// Runs the command, shows what it says as it comes, and adds it up. The second value is whether it exited with 0.
fn run_tests(test: &mut Command) -> Result<(Summary, bool)> {
    let failed = |cause: std::io::Error| TestbedError::new(format!("cannot read what cargo says: {cause}"));
    // One pipe for both streams keeps the name of each test binary above its tests.
    let (reader, writer) = std::io::pipe().map_err(failed)?;
    test.stdout(writer.try_clone().map_err(failed)?).stderr(writer);
    if std::io::stdout().is_terminal() {
        test.env("CARGO_TERM_COLOR", "always");
    }
    let child = cargo::start(test, "cargo test")?;
    // The command holds the writing ends: without them gone, the reading never ends.
    test.stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null());
    let (send, receive) = mpsc::channel();
    std::thread::spawn(move || {
        let mut reader = BufReader::new(reader);
        let mut line = Vec::new();
        while reader.read_until(b'\n', &mut line).is_ok_and(|length| length > 0) {
            let mut out = std::io::stdout().lock();
            let _ = out.write_all(&line).and_then(|()| out.flush());
            if send.send(String::from_utf8_lossy(&line).trim_end().to_owned()).is_err() {
                break;
            }
            line.clear();
        }
    });
    let status = cargo::wait(child)?;
    interrupt::check()?;
    let mut summary = Summary::default();
    // A process that a test left behind may hold the pipe open for ever; what cargo said is there by now.
    while let Ok(line) = receive.recv_timeout(Duration::from_secs(2)) {
        summary.read_line(&line);
    }
    summary.finish();
    Ok((summary, status.success()))
}

/// Prints the end of the output and gives the exit code.
fn report(summary: &Summary, cargo_succeeded: bool) -> u8 {
    if !summary.failures.is_empty() {
        println!("\nfailed:");
        summary.failures.iter().for_each(|name| println!("  {name}"));
    }
    if summary.ignored > 0 {
        println!("{} ignored", summary.ignored);
    }
    let ran = summary.passed + summary.failed;
    if ran == 0 {
        println!("no test ran");
    } else if !cargo_succeeded && summary.failed == 0 {
        println!("cargo test failed, though no test did");
    }
    println!("{} passed, {} failed", summary.passed, summary.failed);
    u8::from(!cargo_succeeded || summary.failed > 0 || ran == 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<String> {
        text.split_whitespace().map(str::to_owned).collect()
    }

    #[test]
    fn tests_the_whole_workspace_unless_told_otherwise() {
        assert_eq!(arguments(&[]), EVERYTHING);
        let everything = |rest: &str| words(&format!("{} {rest}", EVERYTHING.join(" ")));
        assert_eq!(arguments(&words("place -- --nocapture")), everything("place -- --nocapture"));
        assert_eq!(arguments(&words("-p e2e place")), everything("--test all place"));
        assert_eq!(arguments(&words("-p e2e -p chaos")), words("-p e2e -p chaos"));
        assert_eq!(arguments(&words("-p order-service")), words("-p order-service"));
        assert_eq!(arguments(&words("x -- -p")), everything("x -- -p"));
    }

    #[test]
    fn succeeds_only_when_tests_ran_and_all_passed() {
        let summary = |passed, failed| {
            let mut summary = Summary::default();
            (summary.passed, summary.failed) = (passed, failed);
            summary
        };
        assert_eq!(report(&summary(3, 0), true), 0);
        assert_eq!(report(&summary(3, 1), false), 1);
        assert_eq!(report(&summary(3, 0), false), 1);
        assert_eq!(report(&summary(0, 0), true), 1);
    }
}
