//! The gateway's files for a cluster, as nginx reads them.

use super::SERVICES;
use e2e::environment::{Environment, folder_of_test, workspace};
use rcgen::CertifiedKey;
use std::fs;
use testbed::gateway::judge;

#[test]
fn nginx_finds_no_fault_in_the_gateway_of_a_cluster() {
    let folder = folder_of_test(Environment::get());
    let (rules, places) = (workspace().join("deploy/gateway"), workspace().join("deploy/kubernetes/shared/gateway"));
    for name in ["nginx", "errors", "limits"].map(|name| format!("{name}.conf")) {
        fs::copy(rules.join(&name), folder.join(&name)).unwrap();
    }
    for service in SERVICES {
        let name = format!("{service}.conf");
        let text = fs::read_to_string(places.join(&name)).unwrap();
        // Names of a cluster mean nothing here.
        let here = text.replace(&format!("server {service}:"), "server 127.0.0.1:");
        assert_eq!(here.matches("server 127.0.0.1:").count(), 2, "a connection that is refused is tried again: {text}");
        fs::write(folder.join(&name), here).unwrap();
    }
    let CertifiedKey { cert, signing_key } = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    fs::write(folder.join("tls.crt"), cert.pem()).unwrap();
    fs::write(folder.join("tls.key"), signing_key.serialize_pem()).unwrap();
    for place in ["shared/gateway", "overlays/production", "overlays/aws"] {
        let listen = workspace().join("deploy/kubernetes").join(place).join("listen.conf");
        let text = fs::read_to_string(listen).unwrap();
        let here = text.replace("/etc/oms-gateway-tls/", &format!("{}/", folder.display()));
        fs::write(folder.join("listen.conf"), here).unwrap();
        judge(&folder).unwrap_or_else(|error| panic!("{place}: {error}"));
    }
}
