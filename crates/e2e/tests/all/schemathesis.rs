//! schemathesis makes up requests from the OpenAPI document of each service, right ones and wrong ones, and holds the answers
//! against it. What it may find without being right is in `schemathesis.toml`, with reasons.

use e2e::client::Client;
use e2e::environment::{Environment, folder_of_test, workspace};
use e2e::poll;
use e2e::shop::Shop;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// How long each service is asked; all at the same time.
const SECONDS: &str = "60";

/// The same requests each time: what others find is looked for with another one, not while somebody waits for something else.
const SEED: &str = "17";

/// The document of a service without what it says of tokens: the calls are those of a program on the same machine, which
/// needs none. Who may call what, the module `access` tests.
async fn document(client: &Client, name: &str) -> PathBuf {
    let mut document = client.get("/api-docs/openapi.json").await.is(200).json();
    document["components"].as_object_mut().unwrap().remove("securitySchemes");
    for item in document["paths"].as_object_mut().unwrap().values_mut() {
        for operation in item.as_object_mut().unwrap().values_mut() {
            operation.as_object_mut().unwrap().remove("security");
        }
    }
    let path = folder_of_test(Environment::get()).join(name);
    std::fs::write(&path, document.to_string()).unwrap();
    path
}

fn run(program: OsString, client: &Client, document: &Path) -> std::thread::JoinHandle<(bool, String)> {
    let seconds = std::env::var("SCHEMATHESIS_SECONDS").unwrap_or_else(|_| SECONDS.to_owned());
    let seed = std::env::var("SCHEMATHESIS_SEED").unwrap_or_else(|_| SEED.to_owned());
    let mut run = Command::new(program);
    run.arg("--config-file").arg(workspace().join("crates/e2e/schemathesis.toml"));
    run.args(["run", "--mode", "all", "--max-time", &seconds, "--continue-on-failure"]);
    run.args(["--seed", &seed]);
    run.args(["--warnings", "off", "--header", "X-Webhook-Secret: hush", "--url", client.base()]);
    run.arg(document);
    // Its examples of earlier failures go where nobody keeps them.
    let folder = std::env::temp_dir();
    run.current_dir(folder).env("NO_COLOR", "1").stdin(Stdio::null());
    std::thread::spawn(move || {
        let output = run.output().unwrap_or_else(|error| panic!("cannot run schemathesis: {error}"));
        (output.status.success(), String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned())
    })
}

#[tokio::test]
async fn the_services_do_what_their_documents_say() {
    Environment::get();
    let program =
        std::env::var_os("SCHEMATHESIS_BIN").unwrap_or_else(|| panic!("no schemathesis: run `cargo xtask test`"));
    let mut plan = Shop::plan().order_variable("BREVO_WEBHOOK_SECRET", "hush");
    for limit in ["LOGINS_PER_MINUTE", "REGISTRATIONS_PER_MINUTE", "RESETS_PER_MINUTE"] {
        plan = plan.account_variable(limit, "1000000");
    }
    let shop = plan.open().await;
    let documents = [
        document(shop.orders(), "orders.json").await,
        document(shop.inventory(), "inventory.json").await,
        document(shop.accounts(), "accounts.json").await,
    ];
    let runs = [shop.orders(), shop.inventory(), shop.accounts()];
    let runs = std::array::from_fn::<_, 3, _>(|index| run(program.clone(), runs[index], &documents[index]));
    let reports = runs.map(|run| run.join().expect("schemathesis"));
    let found: Vec<&str> = reports.iter().filter(|(clean, _)| !clean).map(|(_, report)| report.as_str()).collect();
    assert!(found.is_empty(), "{}", found.join("\n"));
    // Each for itself: reservations were committed that have no order.
    for client in [shop.orders(), shop.inventory(), shop.accounts()] {
        poll::eventually("every invariant to hold", async || {
            let found = client.get("/api/admin/invariants").await.is(200).json();
            if found["holds"] == true { Ok(()) } else { Err(found.to_string()) }
        })
        .await;
    }
}
