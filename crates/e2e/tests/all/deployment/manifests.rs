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
