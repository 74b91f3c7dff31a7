//! All pods at once, of both colours, find a connection to the database, and processors on the nodes.

use super::manifests::{Manifest, list, of};
use super::{SERVICES, read};

/// What a pod takes beside its pool: the relay has a connection of its own, so has what asks how far a replica is behind, and so
/// have the migrations at its start.
const BESIDE_THE_POOL: i64 = 3;

/// One Job each migrates.
const MIGRATIONS: i64 = 3;

/// Operators and what measures, and what PostgreSQL and RDS keep for superusers.
const OTHERS: i64 = 10 + 5;

/// Blue and green, while one follows the other.
const COLOURS: i64 = 2;

/// Thousandths of a processor that Kubernetes gives to pods on a node of this type: four, less what it keeps for itself.
const NODE: (&str, i64) = ("m7i.xlarge", 3920);

/// What the network and the proxy of Kubernetes ask for on each node.
const ON_EACH_NODE: i64 = 50 + 100;

/// What is there once: two each for names and for measures, and room for a Prometheus.
const ON_ALL_NODES: i64 = 2 * 100 + 2 * 100 + 1000;

/// Connections that everything together may take.
fn needed() -> i64 {
    let service = of("base/service.yaml", "Deployment", "service");
    let containers = list(&service.pod().unwrap()["containers"]);
    let pool = list(&containers[0]["env"]).iter().find(|it| it["name"].as_str() == Some("DATABASE_MAX_CONNECTIONS"));
    let pool: i64 = pool.unwrap()["value"].as_str().unwrap().parse().unwrap();
    let surge = service.yaml["spec"]["strategy"]["rollingUpdate"]["maxSurge"].as_i64().unwrap();
    let pods = |service: &str| {
        let scaler = of(&format!("base/{service}.yaml"), "HorizontalPodAutoscaler", service);
        let (least, most) = (&scaler.yaml["spec"]["minReplicas"], &scaler.yaml["spec"]["maxReplicas"]);
        assert_eq!((least.as_i64(), most.as_i64()), (Some(2), Some(5)), "{service}");
        most.as_i64().unwrap() + surge
    };
    let pods: i64 = SERVICES.into_iter().map(pods).sum();
    COLOURS * pods * (pool + BESIDE_THE_POOL) + MIGRATIONS + OTHERS
}

#[test]
fn the_database_has_a_connection_for_every_pod_of_both_colours() {
    let variables = read("deploy/terraform/variables.tf");
    let block = variables.split("variable \"database_max_connections\"").nth(1).unwrap();
    let default = block.split("default").nth(1).unwrap().trim_start_matches([' ', '=']);
    let there: i64 = default.lines().next().unwrap().parse().unwrap();
    assert!(needed() <= there, "all pods may take {} connections, and there are {there}", needed());
    let said = format!("`max_connections` of {} or more", needed());
    assert!(read("docs/kubernetes.md").contains(&said), "docs/kubernetes.md does not say: {said}");
}

/// What a pod asks for, in thousandths of a processor.
fn asked_for(manifest: &Manifest) -> i64 {
    let containers = list(&manifest.pod().unwrap()["containers"]).iter();
    let asked = containers.map(|it| it["resources"]["requests"]["cpu"].as_str().unwrap());
    asked.map(|text| text.strip_suffix('m').map_or_else(|| 1000 * whole(text), whole)).sum()
}

fn whole(text: &str) -> i64 {
    text.parse().unwrap()
}

/// What all pods together ask for: as few of them as there ever are, or as many.
fn processors(how_many: &str) -> i64 {
    let replicas =
        |path: &str, name: &str| of(path, "HorizontalPodAutoscaler", name).yaml["spec"][how_many].as_i64().unwrap();
    let (service, migration) =
        (of("base/service.yaml", "Deployment", "service"), of("base/migration.yaml", "Job", "migration"));
    let gateway = of("shared/gateway.yaml", "Deployment", "gateway");
    let of_colour: i64 = SERVICES.map(|name| replicas(&format!("base/{name}.yaml"), name)).iter().sum();
    // One more of each while they are replaced.
    let surge = SERVICES.len() as i64 * asked_for(&service) + asked_for(&gateway);
    COLOURS * of_colour * asked_for(&service)
        + replicas("shared/gateway.yaml", "gateway") * asked_for(&gateway)
        + surge
        + MIGRATIONS * asked_for(&migration)
}

#[test]
fn the_nodes_have_processors_for_every_pod_of_both_colours() {
    let variables = read("deploy/terraform/variables.tf");
    let default = |variable: &str| {
        let block = variables.split(&format!("variable \"{variable}\"")).nth(1).unwrap();
        block.split("default").nth(1).unwrap().lines().next().unwrap().to_owned()
    };
    assert!(default("node_type").contains(NODE.0), "the nodes are of another type: {}", default("node_type"));
    let nodes = default("nodes");
    for (replicas, word) in [("minReplicas", "min = "), ("maxReplicas", "max = ")] {
        let count: i64 = nodes.split(word).nth(1).unwrap().split([',', ' ']).next().unwrap().parse().unwrap();
        let (there, asked) = (count * (NODE.1 - ON_EACH_NODE) - ON_ALL_NODES, processors(replicas));
        assert!(asked <= there, "{replicas}: pods ask for {asked} of {there} thousandths on {count} nodes");
    }
}
