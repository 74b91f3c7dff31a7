//! The manifests as they are written, before kustomize puts them together.

use super::{SERVICES, files, parsed};
use yaml_rust2::Yaml;

/// What no service of ours is in.
const OTHERS: [&str; 3] = ["gateway", "postgres", "rabbitmq"];

/// One object, or a part of one that is laid over others.
pub struct Manifest {
    pub path: String,
    pub yaml: Yaml,
}

impl Manifest {
    pub fn kind(&self) -> &str {
        self.yaml["kind"].as_str().unwrap_or_default()
    }

    pub fn name(&self) -> &str {
        self.yaml["metadata"]["name"].as_str().unwrap_or_default()
    }

    /// What its pods are like, where it has any.
    pub fn pod(&self) -> Option<&Yaml> {
        let pod = &self.yaml["spec"]["template"]["spec"];
        (!pod.is_badvalue()).then_some(pod)
    }

    /// The services whose settings are in its containers: all of them in what they have in common.
    pub fn services(&self) -> Vec<&'static str> {
        match self.name() {
            "service" | "migration" => SERVICES.to_vec(),
            name if OTHERS.contains(&name) => Vec::new(),
            name => {
                let found: Vec<&str> = SERVICES.into_iter().filter(|service| name.ends_with(service)).collect();
                assert!(!found.is_empty(), "{}: whose are the settings of {name}?", self.path);
                found
            }
        }
    }
}

/// Every object below `deploy/kubernetes`.
pub fn all() -> Vec<Manifest> {
    let of_file = |path: String| {
        let yaml = parsed(&path).into_iter().filter(|yaml| yaml.is_hash());
        yaml.map(move |yaml| Manifest { path: path.clone(), yaml }).collect::<Vec<_>>()
    };
    files("deploy/kubernetes", &[".yaml"]).into_iter().flat_map(of_file).collect()
}

/// The object of that kind and name in a file.
pub fn of(path: &str, kind: &str, name: &str) -> Manifest {
    let path = format!("deploy/kubernetes/{path}");
    let is_it = |it: &Manifest| it.path == path && it.kind() == kind && it.name() == name;
    all().into_iter().find(is_it).unwrap_or_else(|| panic!("no {kind} {name} in {path}"))
}

/// The entries of a list; none where there is none.
pub fn list(yaml: &Yaml) -> &[Yaml] {
    yaml.as_vec().map_or(&[], Vec::as_slice)
}

/// The texts of a list.
pub fn texts(yaml: &Yaml) -> Vec<&str> {
    list(yaml).iter().filter_map(Yaml::as_str).collect()
}

/// The groups of a file of rules for Prometheus.
fn groups(path: &str) -> Vec<Yaml> {
    list(&parsed(path)[0]["groups"]).to_vec()
}

#[test]
fn a_cluster_has_the_rules_of_what_is_measured_in_it() {
    let files = ["recording", "alerts"].map(|name| groups(&format!("deploy/prometheus/rules/{name}.yml")));
    let name = |group: &Yaml| group["name"].as_str().unwrap().to_owned();
    let (elsewhere, here): (Vec<Yaml>, Vec<Yaml>) =
        files.concat().into_iter().partition(|group| ["rabbitmq", "backups"].contains(&name(group).as_str()));
    assert_eq!(elsewhere.len(), 2);
    let rule = of("shared/rules.yaml", "PrometheusRule", "oms");
    assert!(list(&rule.yaml["spec"]["groups"]) == here, "run `cargo xtask generate`");
    // These would have Prometheus tell of what nobody measures.
    let absent = here.iter().flat_map(|group| list(&group["rules"])).filter_map(|rule| rule["expr"].as_str());
    assert!(!absent.clone().any(|expression| expression.contains("absent(pgbackrest")) && absent.count() > 20);
}
