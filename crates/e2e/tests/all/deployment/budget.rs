//! All pods at once, of both colours, find a connection to the database.

use super::manifests::{list, of};
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
