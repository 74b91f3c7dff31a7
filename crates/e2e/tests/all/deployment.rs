//! The files that run the system elsewhere are held to what the services are: Kubernetes, docker-compose, systemd, Terraform.
//! `cargo xtask deploy-check` judges them by other people's tools.

mod budget;
mod gateway;
mod manifests;
mod network;
mod pods;
mod terraform;
mod variables;

use e2e::environment::{Environment, workspace};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;
use testbed::process::output_of;
use yaml_rust2::{Yaml, YamlLoader};

const SERVICES: [&str; 3] = ["order-service", "inventory-service", "account-service"];

fn read(path: &str) -> String {
    std::fs::read_to_string(workspace().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The files below a folder of the checkout whose names end so, by their paths in the checkout.
fn files(folder: &str, endings: &[&str]) -> Vec<String> {
    fn walk(folder: &Path, found: &mut Vec<PathBuf>) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                walk(&path, found);
            } else {
                found.push(path);
            }
        }
    }
    let (top, mut found) = (workspace().canonicalize().unwrap(), Vec::new());
    walk(&top.join(folder), &mut found);
    let named = found.iter().map(|path| path.strip_prefix(&top).unwrap().display().to_string());
    let mut named: Vec<String> = named.filter(|path| endings.iter().any(|ending| path.ends_with(ending))).collect();
    named.sort();
    assert!(!named.is_empty(), "there is nothing in {folder}");
    named
}

/// The documents of a YAML file.
fn parsed(path: &str) -> Vec<Yaml> {
    YamlLoader::load_from_str(&read(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// What a service says of its settings.
fn help(service: &str) -> String {
    let environment = Environment::get();
    let program = match service {
        "order-service" => &environment.order_service,
        "inventory-service" => &environment.inventory_service,
        "account-service" => &environment.account_service,
        other => panic!("{other} is no service"),
    };
    output_of(Command::new(program).arg("--help").env_clear()).unwrap_or_else(|error| panic!("{error}"))
}

/// The variables that it names.
fn variables_in(help: &str) -> BTreeSet<&str> {
    let found: BTreeSet<&str> = help.split("[env: ").skip(1).filter_map(|rest| rest.split(['=', ']']).next()).collect();
    assert!(found.len() > 30, "the variables were not found in {help}");
    found
}

/// The default of one of them.
fn default_in(help: &str, variable: &str) -> u64 {
    let after = help.split(&format!("[env: {variable}=")).nth(1).unwrap_or_else(|| panic!("no {variable} in {help}"));
    let own = after.split("[env: ").next().unwrap_or_default();
    let default = own.split("[default: ").nth(1).and_then(|rest| rest.split(']').next());
    default.and_then(|text| text.parse().ok()).unwrap_or_else(|| panic!("no default of {variable}"))
}

#[track_caller]
fn assert_none(rule: &str, breaches: &[String]) {
    assert!(breaches.is_empty(), "{rule}:\n  {}", breaches.join("\n  "));
}

#[test]
fn every_yaml_file_can_be_read() {
    let own = ["deploy", "docs", ".github"].iter().flat_map(|folder| files(folder, &[".yml", ".yaml"]));
    for path in own.chain(["docker-compose.yml".to_owned()]) {
        assert!(!parsed(&path).is_empty(), "{path} is empty");
    }
}

#[test]
fn what_workflows_run_is_pinned() {
    let mut moving = Vec::new();
    for path in files(".github/workflows", &[".yml"]) {
        let text = read(&path);
        // An action by its commit, an image by its digest: whoever takes an account over can move the rest.
        let actions = text.lines().filter_map(|line| line.split_once("uses: ")).map(|(_, action)| action);
        let is_commit = |action: &str| {
            let commit = action.split_once('@').map_or("", |(_, rest)| rest.split(' ').next().unwrap_or_default());
            commit.len() == 40 && commit.bytes().all(|it| it.is_ascii_hexdigit())
        };
        moving.extend(actions.filter(|action| !is_commit(action)).map(|action| format!("{path}: {action}")));
        let is_image = |word: &&str| {
            let version = word.rsplit_once(':').map_or("", |(_, tag)| tag.trim_start_matches('v'));
            word.contains('/') && !word.contains("//") && version.starts_with(|c: char| c.is_ascii_hexdigit())
        };
        let images = text.split(char::is_whitespace).filter(is_image);
        moving.extend(images.filter(|image| !image.contains("@sha256:")).map(|image| format!("{path}: {image}")));
    }
    assert_none("a tag can be moved", &moving);
}

#[test]
fn networks_are_cut_where_fail_over_is_tried() {
    let workflow = read(".github/workflows/failover.yml");
    let run = workflow.lines().find(|line| line.contains("chaos --ha")).unwrap();
    assert!(run.contains("run: sudo "), "networks are cut only as root: {run}");
}

#[test]
fn backups_are_kept_for_the_days_that_the_documents_say() {
    let settings = read("deploy/backup/pgbackrest.conf");
    for line in ["repo1-retention-full=28", "repo1-retention-full-type=time"] {
        assert!(settings.lines().any(|it| it == line), "{line}");
    }
    assert!(read("docs/backups.md").contains("every moment of the last 28 days"));
    // The newest full backup that is older than 28 days is kept, and it is a week older at the most.
    for document in ["backups", "privacy"] {
        assert!(read(&format!("docs/{document}.md")).contains("up to 35 days"), "docs/{document}.md");
    }
}
