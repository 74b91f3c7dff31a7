//! The Postman collection: newman runs it on the real services, and it has a request for every call of theirs.

use e2e::environment::{Environment, workspace};
use e2e::shop::Shop;
use serde_json::Value;
use std::process::{Command, Output};

const COLLECTION: &str = "docs/postman/oms.postman_collection.json";

/// The services and the variables with their URLs.
const SERVICES: [(&str, &str); 3] = [
    ("order-service", "orderServiceUrl"),
    ("inventory-service", "inventoryServiceUrl"),
    ("account-service", "accountServiceUrl"),
];

/// Runs the collection once, from the first request to the last.
fn run(shop: &Shop) -> Output {
    let newman = std::env::var_os("NEWMAN_BIN").unwrap_or_else(|| panic!("no newman: run `cargo xtask test`"));
    let mut run = Command::new(&newman);
    run.current_dir(workspace()).args(["run", COLLECTION, "--color", "off", "--timeout-request", "20000"]);
    run.env("FORCE_COLOR", "0");
    let services = [shop.orders(), shop.inventory(), shop.accounts()];
    for ((_, variable), client) in SERVICES.iter().zip(services) {
        run.arg("--env-var").arg(format!("{variable}={}", client.base()));
    }
    run.output().unwrap_or_else(|error| panic!("cannot run {}: {error}", newman.display()))
}

#[tokio::test]
async fn the_collection_is_green_on_fresh_sample_data_and_once_more() {
    Environment::get();
    let shop = Shop::plan().with_accounts().open().await;
    for time in ["the first", "the second"] {
        let Output { status, stdout, stderr } = run(&shop);
        let report = [stdout, stderr].concat();
        assert!(status.success(), "newman, {time} time:\n{}", String::from_utf8_lossy(&report));
    }
    shop.assert_invariants().await;
}

/// A request of the collection.
struct Request {
    name: String,
    method: String,
    /// The variable that holds the URL of the service.
    service: String,
    path: String,
    test: String,
}

fn requests() -> Vec<Request> {
    let text = std::fs::read_to_string(workspace().join(COLLECTION)).unwrap();
    let collection: Value = serde_json::from_str(&text).unwrap();
    let mut found = Vec::new();
    for folder in collection["item"].as_array().unwrap() {
        for item in folder["item"].as_array().unwrap() {
            let tests = item["event"].as_array().into_iter().flatten().filter(|event| event["listen"] == "test");
            let lines = tests.flat_map(|event| event["script"]["exec"].as_array().into_iter().flatten());
            let lines: Vec<&str> = lines.filter_map(Value::as_str).collect();
            let url = item["request"]["url"]["raw"].as_str().unwrap().split('?').next().unwrap();
            let (service, path) = url.strip_prefix("{{").unwrap().split_once("}}").unwrap();
            found.push(Request {
                name: format!("{}: {}", folder["name"], item["name"]),
                method: item["request"]["method"].as_str().unwrap().to_lowercase(),
                service: service.to_owned(),
                path: path.to_owned(),
                test: lines.join("\n"),
            });
        }
    }
    assert!(found.len() > 50, "the requests were not found");
    found
}

#[test]
fn every_request_says_what_it_must_be_answered() {
    let asserts = |test: &str| {
        let status = test.contains("pm.response.to.have.status(") || test.contains("pm.expect(pm.response.code)");
        let body = test.contains("pm.response.json()") || test.contains("pm.response.text()");
        status && body && test.matches("pm.test(").count() > 1
    };
    let silent: Vec<_> = requests().into_iter().filter(|it| !asserts(&it.test)).map(|it| it.name).collect();
    assert_eq!(silent, [""; 0], "a request tests the status and something of the body");
}

#[test]
fn every_call_of_the_services_is_in_the_collection() {
    let requests = requests();
    let mut missing = Vec::new();
    for (service, variable) in SERVICES {
        let text = std::fs::read_to_string(workspace().join(format!("docs/openapi/{service}.json"))).unwrap();
        let document: Value = serde_json::from_str(&text).unwrap();
        let paths = document["paths"].as_object().unwrap();
        let called = |method: &str, path: &str| {
            let of_service = |request: &&Request| request.method == method && request.service == variable;
            let mut urls = requests.iter().filter(of_service).map(|request| request.path.as_str());
            urls.any(|url| url == path || is_call_of(url, path) && !paths.contains_key(url))
        };
        for (path, item) in paths {
            let methods = item.as_object().unwrap().keys().filter(|method| !called(method, path));
            missing.extend(methods.map(|method| format!("{service}: {method} {path}")));
        }
    }
    assert_eq!(missing, [""; 0], "{COLLECTION} lacks these calls");
}

/// Whether a path has the parts of another one, whose placeholders stand for anything.
fn is_call_of(url: &str, path: &str) -> bool {
    let (url, path): (Vec<&str>, Vec<&str>) = (url.split('/').collect(), path.split('/').collect());
    url.len() == path.len() && url.iter().zip(&path).all(|(given, wanted)| given == wanted || wanted.starts_with('{'))
}
