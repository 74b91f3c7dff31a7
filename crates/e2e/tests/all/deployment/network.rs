//! Who may talk to whom in a cluster: the services are reached by the gateway and by each other, and nothing else.

use super::manifests::{Manifest, all, list, of, texts};
use super::{SERVICES, assert_none};
use std::collections::BTreeSet;
use yaml_rust2::Yaml;

/// Every pair of caller and called, by the ports.
const CALLS: [(&str, &str, i64); 6] = [
    ("gateway", "order-service", 8081),
    ("gateway", "inventory-service", 8082),
    ("gateway", "account-service", 8083),
    ("order-service", "inventory-service", 8082),
    ("order-service", "account-service", 8083),
    ("inventory-service", "account-service", 8083),
];

/// What is nobody else's: private networks, and the address that gives out a cloud's credentials.
const PRIVATE: [&str; 6] =
    ["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "169.254.0.0/16", "100.64.0.0/10", "127.0.0.0/8"];

fn policy(name: &str) -> Manifest {
    of("shared/network.yaml", "NetworkPolicy", name)
}

/// The names of the pods that a rule lets through in one direction, each with the ports.
fn pods(rules: &Yaml, direction: &str) -> BTreeSet<(String, i64)> {
    let mut found = BTreeSet::new();
    for rule in list(rules) {
        let ports = list(&rule["ports"]).iter().filter_map(|port| port["port"].as_i64());
        for port in ports {
            if list(&rule[direction]).is_empty() {
                found.insert(("everybody".to_owned(), port));
            }
            for peer in list(&rule[direction]) {
                let name = peer["podSelector"]["matchLabels"]["app.kubernetes.io/name"].as_str();
                let namespace = peer["namespaceSelector"]["matchLabels"]["kubernetes.io/metadata.name"].as_str();
                found.insert((name.or(namespace).unwrap_or("everybody").to_owned(), port));
            }
        }
    }
    found
}

#[test]
fn nobody_is_let_in_who_is_not_named() {
    let nothing = policy("nothing");
    assert!(nothing.yaml["spec"]["podSelector"].as_hash().unwrap().is_empty(), "it is for all pods");
    assert_eq!(texts(&nothing.yaml["spec"]["policyTypes"]), ["Ingress", "Egress"]);
    assert!(nothing.yaml["spec"]["ingress"].is_badvalue() && nothing.yaml["spec"]["egress"].is_badvalue());
    for service in SERVICES.into_iter().chain(["gateway"]) {
        let policy = policy(service);
        let called = CALLS.iter().filter(|(caller, _, _)| *caller == service);
        let called: BTreeSet<_> = called.map(|(_, called, port)| ((*called).to_owned(), *port)).collect();
        assert_eq!(pods(&policy.yaml["spec"]["egress"], "to"), called, "{service} calls");
        let callers = CALLS.iter().filter(|(_, called, _)| *called == service);
        let mut callers: BTreeSet<_> = callers.map(|(caller, _, port)| ((*caller).to_owned(), *port)).collect();
        match service {
            "gateway" => callers.extend([8080, 8443].map(|port| ("everybody".to_owned(), port))),
            _ => drop(callers.insert(("monitoring".to_owned(), 9090))),
        }
        assert_eq!(pods(&policy.yaml["spec"]["ingress"], "from"), callers, "{service} is called by");
    }
    // Policies add up: no other one may let anybody in, but to the servers of a laptop.
    let elsewhere = all().into_iter().filter(|it| it.kind() == "NetworkPolicy" && !it.path.contains("/shared/"));
    let opens = elsewhere.filter(|it| !it.yaml["spec"]["ingress"].is_badvalue());
    let opens: Vec<String> = opens.map(|it| format!("{}: {}", it.path, it.name())).collect();
    let servers = ["postgres", "rabbitmq"].map(|name| format!("deploy/kubernetes/overlays/local/network.yaml: {name}"));
    assert_eq!(opens, servers);
}

#[test]
fn the_internet_is_reached_without_what_is_private() {
    let (mut open, mut count) = (Vec::new(), 0);
    for manifest in all().into_iter().filter(|it| it.kind() == "NetworkPolicy") {
        for rule in list(&manifest.yaml["spec"]["egress"]) {
            if list(&rule["to"]).is_empty() || list(&rule["ports"]).is_empty() {
                open.push(format!("{}: {} leads everywhere", manifest.path, manifest.name()));
            }
            for peer in list(&rule["to"]).iter().filter(|peer| peer["ipBlock"]["cidr"].as_str() == Some("0.0.0.0/0")) {
                count += 1;
                let except = texts(&peer["ipBlock"]["except"]);
                let missing = PRIVATE.into_iter().filter(|network| !except.contains(network));
                open.extend(missing.map(|network| format!("{}: {network} is reached", manifest.path)));
                let selected = &manifest.yaml["spec"]["podSelector"]["matchLabels"]["app.kubernetes.io/name"];
                assert_eq!(selected.as_str(), Some("order-service"), "{}", manifest.path);
            }
        }
    }
    assert_eq!(count, 2, "mail and payments");
    assert_none("the way out is too wide", &open);
}
