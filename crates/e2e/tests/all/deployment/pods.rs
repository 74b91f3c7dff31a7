//! Pods have no rights that they do not need, end after what they have begun, and are asked the right questions.

use super::manifests::{Manifest, list, of, texts};
use super::{default_in, help, read};
use yaml_rust2::Yaml;

/// Every pod there is, where all of it stands: what services have in common is in two files.
fn pods() -> [Manifest; 5] {
    [
        of("base/service.yaml", "Deployment", "service"),
        of("base/migration.yaml", "Job", "migration"),
        of("shared/gateway.yaml", "Deployment", "gateway"),
        of("overlays/local/servers.yaml", "Deployment", "postgres"),
        of("overlays/local/servers.yaml", "Deployment", "rabbitmq"),
    ]
}

#[test]
fn pods_have_no_rights_that_they_do_not_need() {
    for manifest in pods() {
        let (pod, name) = (manifest.pod().unwrap(), manifest.name());
        assert_eq!(pod["automountServiceAccountToken"].as_bool(), Some(false), "{name}");
        assert_eq!(pod["securityContext"]["runAsNonRoot"].as_bool(), Some(true), "{name}");
        assert_eq!(pod["securityContext"]["seccompProfile"]["type"].as_str(), Some("RuntimeDefault"), "{name}");
        assert!(["hostNetwork", "hostPID", "hostIPC"].iter().all(|key| pod[*key].is_badvalue()), "{name}");
        for container in list(&pod["containers"]) {
            let rights = &container["securityContext"];
            assert_eq!(rights["readOnlyRootFilesystem"].as_bool(), Some(true), "{name}");
            assert_eq!(rights["allowPrivilegeEscalation"].as_bool(), Some(false), "{name}");
            assert_eq!(rights["privileged"].as_bool(), Some(false), "{name}");
            assert_eq!(texts(&rights["capabilities"]["drop"]), ["ALL"], "{name}");
            assert!(rights["capabilities"]["add"].is_badvalue(), "{name}");
            for limit in ["cpu", "memory"] {
                assert!(!container["resources"]["limits"][limit].is_badvalue(), "{name} has no limit of {limit}");
            }
        }
    }
}

#[test]
fn a_pod_has_time_to_finish_what_it_has_begun() {
    let service = of("base/service.yaml", "Deployment", "service");
    let pod = service.pod().unwrap();
    let container = &list(&pod["containers"])[0];
    let pause = container["lifecycle"]["preStop"]["sleep"]["seconds"].as_i64().unwrap();
    let finishing = i64::try_from(default_in(&help("order-service"), "SHUTDOWN_TIMEOUT_SECONDS")).unwrap();
    assert!(pause >= 5, "all nodes have to hear that it is going");
    // A second each for the background and the last traces, where requests took all of it.
    assert!(pod["terminationGracePeriodSeconds"].as_i64().unwrap() > pause + finishing + 2);
}

/// The number behind a word.
fn number_after(text: &str, word: &str) -> i64 {
    let rest = text.split_once(word).unwrap_or_else(|| panic!("no {word}")).1.trim_start_matches([' ', '=']);
    let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
    digits.parse().unwrap_or_else(|_| panic!("no number behind {word}"))
}

#[test]
fn a_balancer_hears_that_a_gateway_ends_before_it_does() {
    let gateway = of("shared/gateway.yaml", "Deployment", "gateway");
    let pod = gateway.pod().unwrap();
    let container = &list(&pod["containers"])[0];
    let commands = texts(&container["lifecycle"]["preStop"]["exec"]["command"]);
    let [_, _, ending] = commands[..] else { panic!("{commands:?}") };
    let pause = number_after(ending, "touch ending; sleep ");
    // A container that is started anew in the same folder is asked again.
    assert!(texts(&container["command"])[2].starts_with("rm -f ending; exec nginx "));
    let (edge, rules) = (read("deploy/terraform/modules/edge/main.tf"), read("deploy/gateway/nginx.conf"));
    let until_heard = number_after(&edge, " interval ") * number_after(&edge, "unhealthy_threshold ");
    assert!(pause >= until_heard + 5, "a balancer takes {until_heard} s to hear it");
    let path = edge.split_once(" path ").unwrap().1.split('"').nth(1).unwrap();
    assert!(rules.contains(&format!("location = {path} {{\n            root .;")), "{path}");
    let finishing = number_after(&rules, "worker_shutdown_timeout ");
    assert!(pod["terminationGracePeriodSeconds"].as_i64().unwrap() > pause + finishing);
    assert!(number_after(&edge, "idle_timeout ") < number_after(&rules, "\n    keepalive_timeout "));
}

#[test]
fn pods_are_asked_whether_they_live_and_take_requests() {
    let service = of("base/service.yaml", "Deployment", "service");
    let container = &list(&service.pod().unwrap()["containers"])[0];
    let path = |probe: &str| container[probe]["httpGet"]["path"].as_str();
    assert_eq!(path("livenessProbe"), Some("/health/live"));
    assert_eq!(path("readinessProbe"), Some("/health/ready"));
    assert_eq!(path("startupProbe"), Some("/health/live"));
    let start = &container["startupProbe"];
    assert_eq!((start["failureThreshold"].as_i64(), start["periodSeconds"].as_i64()), (Some(60), Some(2)));
    let threads = list(&container["env"]).iter().find(|it| it["name"].as_str() == Some("WORKER_THREADS")).unwrap();
    assert_eq!(threads["valueFrom"]["resourceFieldRef"]["resource"].as_str(), Some("limits.cpu"));
    let whole = |yaml: &Yaml| yaml.as_str().is_some_and(|text| text.parse::<u16>().is_ok());
    assert!(whole(&container["resources"]["limits"]["cpu"]), "threads are whole, so processors are");
}
