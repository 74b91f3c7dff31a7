//! The command line: which commands there are and what they take.

use crate::workspace::{Profile, Workspace};
use crate::{
    bench, chaos, container_test, deny, deploy_check, down, drill, fuzz, generate, ha, host_test, test, up, upgrade,
    verify,
};
use std::path::PathBuf;
use testbed::error::{Result, TestbedError};
use testbed::interrupt;

const HELP: &str = "\
The project's own commands:

  cargo xtask up [--release] [--detach] [--gateway]
                                          build and start everything, also the gateway in front; Ctrl-C stops it again
  cargo xtask down                        stop what `up` started
  cargo xtask reset                       stop it and delete its data
  cargo xtask test [--keep] [ARGS…]       run all tests against private servers; ARGS go to cargo test
  cargo xtask verify [ARGS…]              compare orders with their stock in the running services; --help says what ARGS are
  cargo xtask chaos [--keep] [ARGS…]      break everything under load and check what is left; --help likewise; with --ha
                                          on the servers of `ha`, which go on without what is broken
  cargo xtask ha                          three PostgreSQL and three RabbitMQ, two of each service; Ctrl-C stops it again
  cargo xtask drill [--keep]              break one thing at a time and see that the right alert tells of it
  cargo xtask upgrade-test [--from COMMIT] [ARGS…]
                                          from the newest tag to this build under load, and back; --help likewise
  cargo xtask restore-drill [--keep]      lose the database and restore it by the commands of docs/backups.md
  cargo xtask fuzz [--minutes N]          throw changed requests at all that reads one, for a minute unless told otherwise
  cargo xtask container-test [--binaries FOLDER]
                                          build the images and run them with podman, also all of them by docker-compose
  cargo xtask host-test [--binaries FOLDER] [--before FOLDER]
                                          boot a Debian, do what docs/hosts.md says, kill and replace the services
  cargo xtask bench [--smoke] [ARGS…]     measure orders and stock against plain PostgreSQL; --help likewise
  cargo xtask bench --against COMMIT      … against the build of another commit, turn by turn
  cargo xtask deploy-check                judge the manifests for Kubernetes and Terraform's files by tools from PyPI
  cargo xtask deny [CHECKS…]              judge the dependencies by deny.toml: bans, licenses and sources, or those named
  cargo xtask generate [--check]          renew .sqlx, database-schema.sql and docs/openapi, or check them

Settings of `up` (environment variables): DATABASE_URL or PGHOST, PGPORT, PGDATABASE, PGUSER, PGPASSWORD; AMQP_URL or
RABBITMQ_HOST, RABBITMQ_PORT, RABBITMQ_USERNAME, RABBITMQ_PASSWORD: servers to use instead of private ones;
ORDER_SERVICE_PORT (8081), INVENTORY_SERVICE_PORT (8082), ACCOUNT_SERVICE_PORT (8083), PAYMENT_SANDBOX_PORT (8084),
GATEWAY_PORT (8080), GATEWAY_TLS_PORT (8443), GATEWAY_CERTIFICATE_FILE and GATEWAY_KEY_FILE: a certificate for HTTPS. `verify`
looks at the first two, or at ORDER_SERVICE_URL and INVENTORY_SERVICE_URL, with the API key in the file OMS_API_KEY_FILE.
With STRIPE_SECRET_KEY or RAZORPAY_KEY_ID there is no sandbox, and order-service has the settings of payments as given.
";

/// What the command line asks for, for commands that work on servers of their own.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RunOptions {
    /// Keep the folder with the servers' data and logs, also when all went well.
    pub keep: bool,
    /// Passed on to the program that is run.
    pub arguments: Vec<String>,
}

/// One understood command line.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Command {
    Help,
    Up(up::Options),
    Down,
    Reset,
    Test(RunOptions),
    Verify(Vec<String>),
    Chaos(RunOptions),
    Bench(RunOptions),
    Ha,
    Drill(RunOptions),
    UpgradeTest(RunOptions),
    RestoreDrill(RunOptions),
    Fuzz(fuzz::Minutes),
    ContainerTest(Option<PathBuf>),
    HostTest(host_test::Builds),
    Deny(Vec<String>),
    DeployCheck,
    Generate(generate::Mode),
}

/// Carries out the command line (without the program's name) and gives the exit code.
pub fn run(arguments: &[String]) -> Result<u8> {
    let command = parse(arguments)?;
    if command == Command::Help {
        print!("{HELP}");
        return Ok(0);
    }
    interrupt::listen()?;
    let workspace = Workspace::find()?;
    match command {
        Command::Help => Ok(0),
        Command::Up(options) => up::run(&workspace, options),
        Command::Down => down::run(&workspace),
        Command::Reset => down::reset(&workspace),
        Command::Test(options) => test::run(&workspace, &options),
        Command::Verify(arguments) => verify::run(&workspace, &arguments),
        Command::Chaos(options) => chaos::run(&workspace, &options),
        Command::Bench(options) => bench::run(&workspace, &options),
        Command::Ha => ha::run(&workspace),
        Command::Drill(options) => drill::of_alerts(&workspace, &options),
        Command::RestoreDrill(options) => drill::of_backups(&workspace, &options),
        Command::UpgradeTest(options) => upgrade::run(&workspace, &options),
        Command::Fuzz(minutes) => fuzz::run(&workspace, minutes),
        Command::ContainerTest(binaries) => container_test::run(&workspace, binaries),
        Command::HostTest(builds) => host_test::run(&workspace, &builds),
        Command::Deny(checks) => deny::run(&workspace, &checks),
        Command::DeployCheck => deploy_check::run(&workspace),
        Command::Generate(mode) => generate::run(&workspace, mode),
    }
}

fn parse(arguments: &[String]) -> Result<Command> {
    let Some((name, rest)) = arguments.split_first() else {
        return Ok(Command::Help);
    };
    let is_help = |argument: &String| matches!(argument.as_str(), "--help" | "-h");
    // These are programs of their own, which say themselves what they take.
    let explains_itself = matches!(name.as_str(), "verify" | "chaos" | "bench" | "upgrade-test");
    if rest.first().is_some_and(is_help) && !explains_itself {
        return Ok(Command::Help);
    }
    match name.as_str() {
        "help" | "--help" | "-h" => Ok(Command::Help),
        "up" => {
            let [release, detach, gateway] = flags(name, rest, ["--release", "--detach", "--gateway"])?;
            let profile = if release { Profile::Release } else { Profile::Dev };
            Ok(Command::Up(up::Options { profile, detach, gateway }))
        }
        "down" => flags(name, rest, []).map(|[]| Command::Down),
        "reset" => flags(name, rest, []).map(|[]| Command::Reset),
        "test" => Ok(Command::Test(keep_and_rest(rest))),
        "verify" => Ok(Command::Verify(rest.to_vec())),
        "chaos" => Ok(Command::Chaos(keep_and_rest(rest))),
        "bench" => Ok(Command::Bench(keep_and_rest(rest))),
        "ha" => flags(name, rest, []).map(|[]| Command::Ha),
        "drill" | "restore-drill" => {
            let [keep] = flags(name, rest, ["--keep"])?;
            let options = RunOptions { keep, arguments: Vec::new() };
            Ok(if name == "drill" { Command::Drill(options) } else { Command::RestoreDrill(options) })
        }
        "upgrade-test" => Ok(Command::UpgradeTest(keep_and_rest(rest))),
        "fuzz" => match rest {
            [] => Ok(Command::Fuzz(1)),
            [flag, minutes] if flag == "--minutes" => minutes.parse().map(Command::Fuzz).map_err(|_| {
                TestbedError::usage(format!("`cargo xtask fuzz --minutes` takes a whole number, not `{minutes}`"))
            }),
            _ => Err(TestbedError::usage(format!("`cargo xtask fuzz` takes --minutes N\n\n{HELP}"))),
        },
        "container-test" => {
            let [binaries] = folders(name, rest, ["--binaries"])?;
            Ok(Command::ContainerTest(binaries))
        }
        "host-test" => {
            let [binaries, before] = folders(name, rest, ["--binaries", "--before"])?;
            Ok(Command::HostTest(host_test::Builds { binaries, before }))
        }
        "deny" => match rest.iter().find(|word| word.starts_with('-')) {
            Some(flag) => Err(TestbedError::usage(format!("`cargo xtask deny` takes names of checks, not `{flag}`"))),
            None => Ok(Command::Deny(rest.to_vec())),
        },
        "deploy-check" => flags(name, rest, []).map(|[]| Command::DeployCheck),
        "generate" => {
            let [check] = flags(name, rest, ["--check"])?;
            Ok(Command::Generate(if check { generate::Mode::Check } else { generate::Mode::Write }))
        }
        other => Err(TestbedError::usage(format!("unknown command `{other}`\n\n{HELP}"))),
    }
}

/// Which of the known flags were given; an error for anything else.
fn flags<const N: usize>(command: &str, given: &[String], known: [&str; N]) -> Result<[bool; N]> {
    if let Some(unknown) = given.iter().find(|argument| !known.contains(&argument.as_str())) {
        return Err(TestbedError::usage(format!("`cargo xtask {command}` does not take `{unknown}`\n\n{HELP}")));
    }
    Ok(known.map(|flag| given.iter().any(|argument| argument == flag)))
}

/// The folders given after the known flags; an error for anything else.
fn folders<const N: usize>(command: &str, given: &[String], known: [&str; N]) -> Result<[Option<PathBuf>; N]> {
    let mut folders = [const { None }; N];
    for pair in given.chunks(2) {
        let place = known.iter().position(|flag| pair.first().is_some_and(|word| word == flag));
        let (Some(place), Some(folder)) = (place, pair.get(1)) else {
            return Err(TestbedError::usage(format!(
                "`cargo xtask {command}` does not take `{}`\n\n{HELP}",
                pair.join(" ")
            )));
        };
        folders[place] = Some(PathBuf::from(folder));
    }
    Ok(folders)
}

/// `--keep` is ours when it comes before `--`; everything else is for the program that is started.
fn keep_and_rest(given: &[String]) -> RunOptions {
    let ours = given.iter().take_while(|argument| *argument != "--").position(|argument| argument == "--keep");
    let mut arguments = given.to_vec();
    if let Some(position) = ours {
        arguments.remove(position);
    }
    RunOptions { keep: ours.is_some(), arguments }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(line: &str) -> Result<Command> {
        let words: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
        parse(&words)
    }

    #[test]
    fn understands_every_command() {
        let up = |profile, detach, gateway| Ok(Command::Up(up::Options { profile, detach, gateway }));
        assert_eq!(parsed(""), Ok(Command::Help));
        assert_eq!(parsed("--help"), Ok(Command::Help));
        assert_eq!(parsed("up --help"), Ok(Command::Help));
        assert_eq!(parsed("up"), up(Profile::Dev, false, false));
        assert_eq!(parsed("up --detach --release"), up(Profile::Release, true, false));
        assert_eq!(parsed("up --gateway"), up(Profile::Dev, false, true));
        assert_eq!(parsed("down"), Ok(Command::Down));
        assert_eq!(parsed("reset"), Ok(Command::Reset));
        assert_eq!(parsed("ha"), Ok(Command::Ha));
        let drill = |keep| Ok(Command::Drill(RunOptions { keep, arguments: Vec::new() }));
        assert_eq!((parsed("drill"), parsed("drill --keep")), (drill(false), drill(true)));
        let restore = RunOptions { keep: true, arguments: Vec::new() };
        assert_eq!(parsed("restore-drill --keep"), Ok(Command::RestoreDrill(restore)));
        assert_eq!(parsed("fuzz"), Ok(Command::Fuzz(1)));
        assert_eq!(parsed("fuzz --minutes 60"), Ok(Command::Fuzz(60)));
        assert_eq!(parsed("deploy-check"), Ok(Command::DeployCheck));
        let binaries = Some(PathBuf::from("ready"));
        assert_eq!(parsed("container-test"), Ok(Command::ContainerTest(None)));
        assert_eq!(parsed("container-test --binaries ready"), Ok(Command::ContainerTest(binaries.clone())));
        let builds = host_test::Builds { binaries, before: Some(PathBuf::from("old")) };
        assert_eq!(parsed("host-test --before old --binaries ready"), Ok(Command::HostTest(builds)));
        assert_eq!(parsed("deny"), Ok(Command::Deny(Vec::new())));
        assert_eq!(parsed("deny advisories"), Ok(Command::Deny(vec!["advisories".to_owned()])));
        assert_eq!(parsed("generate"), Ok(Command::Generate(generate::Mode::Write)));
        assert_eq!(parsed("generate --check"), Ok(Command::Generate(generate::Mode::Check)));
    }

    #[test]
    fn passes_the_arguments_of_test_on() {
        let Ok(Command::Test(options)) = parsed("test place --keep -- --keep") else { panic!("not a test command") };
        assert!(options.keep);
        assert_eq!(options.arguments, ["place", "--", "--keep"]);
    }

    #[test]
    fn passes_the_arguments_of_other_programs_on() {
        let words = |line: &str| -> Vec<String> { line.split_whitespace().map(str::to_owned).collect() };
        assert_eq!(parsed("verify"), Ok(Command::Verify(Vec::new())));
        assert_eq!(parsed("verify --patience-seconds 3"), Ok(Command::Verify(words("--patience-seconds 3"))));
        assert_eq!(parsed("verify --help"), Ok(Command::Verify(words("--help"))));
        let chaos = |keep, arguments| Ok(Command::Chaos(RunOptions { keep, arguments: words(arguments) }));
        assert_eq!(parsed("chaos"), chaos(false, ""));
        assert_eq!(parsed("chaos --ha --seconds 90"), chaos(false, "--ha --seconds 90"));
        assert_eq!(parsed("chaos --seconds 90 --keep --seed 7"), chaos(true, "--seconds 90 --seed 7"));
        let bench = |keep, arguments| Ok(Command::Bench(RunOptions { keep, arguments: words(arguments) }));
        assert_eq!(parsed("bench --keep hot --smoke"), bench(true, "hot --smoke"));
        assert_eq!(parsed("bench --help"), bench(false, "--help"));
        let upgrade = RunOptions { keep: true, arguments: words("--from v0.9.0 --seconds 30") };
        assert_eq!(parsed("upgrade-test --from v0.9.0 --keep --seconds 30"), Ok(Command::UpgradeTest(upgrade)));
    }

    #[test]
    fn refuses_what_it_does_not_know() {
        for line in [
            "upp",
            "up --fast",
            "down now",
            "generate check",
            "fuzz 5",
            "fuzz --minutes x",
            "deny --all",
            "host-test --binaries",
        ] {
            assert_eq!(parsed(line).unwrap_err().exit_code(), 2, "{line}");
        }
    }
}
