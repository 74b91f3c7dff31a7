//! Every variable that a file sets is one that the service has: a name that is wrong is a setting that nobody reads.

use super::manifests::{all, list, texts};
use super::{SERVICES, assert_none, help, parsed, read, variables_in};
use yaml_rust2::Yaml;

/// The names in `environment` of a service of docker-compose, with those that are merged in.
fn in_compose(environment: &Yaml) -> Vec<String> {
    let mut names = Vec::new();
    for (key, value) in environment.as_hash().into_iter().flatten() {
        match key.as_str() {
            Some("<<") if value.is_array() => names.extend(list(value).iter().flat_map(in_compose)),
            Some("<<") => names.extend(in_compose(value)),
            Some(name) => names.push(name.to_owned()),
            None => {}
        }
    }
    names
}

/// The names in the settings that begin a host's, also those that are left out for the start.
fn in_settings(text: &str) -> Vec<String> {
    let names = text.lines().filter_map(|line| line.trim_start_matches('#').split_once('=')).map(|(name, _)| name);
    let is_name = |name: &&str| !name.is_empty() && name.bytes().all(|it| it.is_ascii_uppercase() || it == b'_');
    names.filter(is_name).map(str::to_owned).collect()
}

#[test]
fn the_files_set_only_variables_that_the_services_have() {
    let helps = SERVICES.map(|service| (service, help(service)));
    let known = helps.each_ref().map(|(service, help)| (*service, variables_in(help)));
    let mut set: Vec<(String, &str, String)> = Vec::new();
    for manifest in all() {
        let containers = manifest.pod().map_or(&[][..], |pod| list(&pod["containers"]));
        for variable in containers.iter().flat_map(|container| list(&container["env"])) {
            let name = variable["name"].as_str().unwrap();
            set.extend(manifest.services().into_iter().map(|it| (manifest.path.clone(), it, name.to_owned())));
        }
    }
    let compose = parsed("docker-compose.yml").remove(0);
    for service in SERVICES {
        let file = "docker-compose.yml".to_owned();
        let names = in_compose(&compose["services"][service]["environment"]);
        assert!(names.len() > 5, "the variables of {service} were not found");
        set.extend(names.into_iter().map(|name| (file.clone(), service, name)));
        let file = format!("deploy/systemd/{service}.env.example");
        let names = in_settings(&read(&file));
        assert!(names.len() > 5, "the variables in {file} were not found");
        set.extend(names.into_iter().map(|name| (file.clone(), service, name)));
    }
    let has = |service: &str, name: &str| {
        known.iter().any(|(known, variables)| *known == service && variables.contains(name))
    };
    let unknown = set.iter().filter(|(_, service, name)| !has(service, name));
    let unknown: Vec<String> =
        unknown.map(|(file, service, name)| format!("{file}: {service} has no {name}")).collect();
    assert!(set.len() > 100, "the variables were not found");
    assert_none("a variable that nobody reads", &unknown);
}

#[test]
fn the_jobs_that_migrate_have_flags_that_the_services_know() {
    let mut count = 0;
    for manifest in all() {
        let containers = manifest.pod().map_or(&[][..], |pod| list(&pod["containers"]));
        for arguments in containers.iter().map(|container| texts(&container["args"])).filter(|it| !it.is_empty()) {
            if manifest.services().is_empty() {
                continue;
            }
            let (service, flag) = (arguments[0], arguments[1]);
            assert_eq!(manifest.services(), [service], "{}", manifest.path);
            assert!(help(service).contains(&format!(" {flag}\n")), "{service} has no {flag}");
            count += 1;
        }
    }
    assert_eq!(count, SERVICES.len());
}

#[test]
fn secrets_are_files_or_references_and_stand_in_no_manifest() {
    let helps = SERVICES.map(help);
    // What may lie in a file is a secret.
    let is_secret = |name: &str| helps.iter().any(|help| variables_in(help).contains(format!("{name}_FILE").as_str()));
    let mut shown = Vec::new();
    for manifest in all() {
        let path = &manifest.path;
        if manifest.kind() == "Secret" || !manifest.yaml["secretGenerator"].is_badvalue() {
            shown.push(format!("{path}: a Secret with its content"));
        }
        let containers = manifest.pod().map_or(&[][..], |pod| list(&pod["containers"]));
        for variable in containers.iter().flat_map(|container| list(&container["env"])) {
            let name = variable["name"].as_str().unwrap();
            let secret = is_secret(name) || name.contains("PASS");
            if secret && !name.ends_with("_FILE") && !variable["value"].is_badvalue() {
                shown.push(format!("{path}: {name} with its value"));
            }
        }
    }
    assert_none("Secrets are made beside the manifests", &shown);
}
