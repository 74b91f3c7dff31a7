//! `cargo xtask ha`: what survives the loss of any one part, on this machine: three PostgreSQL under Patroni, three RabbitMQ, and
//! two of each service behind two gateways.

use crate::cargo::{self, SERVICES};
use crate::install::{self, Need};
use crate::workspace::{Profile, Workspace};
use std::time::{Duration, Instant};
use testbed::error::Result;
use testbed::fleet::{Fleet, Front};
use testbed::interrupt;
use testbed::pairs::Plan;
use testbed::poll;
use testbed::run_folder::RunFolder;
use testbed::step::Steps;

/// The name of its folder before the process id.
pub const NAME: &str = "ha";

/// What it is made of.
pub const NEEDS: [Need; 6] = [Need::Postgres, Need::Patroni, Need::Etcd, Need::Haproxy, Need::RabbitMq, Need::Nginx];

/// Starts all of it and stays until Ctrl-C, or until `cargo xtask down`.
pub fn run(workspace: &Workspace) -> Result<u8> {
    let steps = Steps::begin("starting three of each server and two of each service");
    let folder = RunFolder::make(&workspace.run_folder(), NAME, false, &steps)?;
    install::what_is_missing(&NEEDS, &folder.path().join("install.log"), &steps)?;
    let since = Instant::now();
    cargo::build(workspace, &SERVICES, Profile::Dev)?;
    steps.done("services built", since);
    let say = |what: &str| steps.say(&format!("{what} run"));
    let fleet = Fleet::start(folder.path(), None, &say)?;
    let [order_service, inventory_service, account_service] = SERVICES.map(|name| workspace.binary(name, Profile::Dev));
    let plan = Plan::new(&order_service, &inventory_service, &fleet.database_url(0), &fleet.amqp_url());
    let plan = plan.with_sample_data().with_accounts(&account_service);
    let front = Front::start(&fleet, plan, folder.path())?;
    steps.done("two of each service run, each with its own gateway", since);
    println!("{}", what_now(&fleet, &front, folder.path()));
    while !poll::came_true(Duration::from_secs(1), interrupt::requested) {}
    println!();
    steps.say("ending all of it");
    drop((front, fleet));
    Ok(0)
}

/// Where everything is, and what can be broken.
fn what_now(fleet: &Fleet, front: &Front, folder: &std::path::Path) -> String {
    let pid = |process: testbed::Result<Option<testbed::process::Identity>>| {
        process.ok().flatten().map_or_else(|| "-".to_owned(), |it| it.pid.to_string())
    };
    let mut text = String::new();
    let hosts = front.hosts.iter().zip(&front.pairs.orders).zip(&fleet.haproxies);
    for (number, ((host, order_service), haproxy)) in (1..).zip(hosts) {
        let (gateway, internal) = (pid(host.gateway.process()), pid(host.internal.process()));
        let haproxy = pid(haproxy.process());
        text.push_str(&format!(
            "\n  host {number}: gateway {}, order-service {}/swagger-ui/",
            host.base,
            order_service.base()
        ));
        text.push_str(&format!("\n    gateway {gateway}, TLS to inventory-service {internal}, HAProxy {haproxy}"));
    }
    for (number, node) in (1..).zip(&fleet.postgres) {
        text.push_str(&format!("\n  postgres-{number}: Patroni {}", pid(node.server.process())));
    }
    for (number, broker) in (1..).zip(&fleet.brokers) {
        let (pid, management) = (pid(broker.process()), broker.management_url());
        text.push_str(&format!("\n  rabbitmq-{number}: {pid}, {management}"));
    }
    for (number, etcd) in (1..).zip(&fleet.etcd) {
        text.push_str(&format!("\n  etcd-{number}: {}", pid(etcd.process())));
    }
    let psql = format!("psql '{}'", fleet.database_url(0));
    format!(
        "{text}\n  the primary: {psql}\n  data and logs: {}\n\n{}\nThe numbers are process ids: kill -9 what you like. Ctrl-C \
         ends everything; `cargo xtask down` does the same from another terminal.",
        folder.display(),
        order_through(front)
    )
}

/// How to make an account and to place an order through the first gateway, which wants a token for that.
fn order_through(front: &Front) -> String {
    let gateway = front.hosts.first().map(|host| host.base.as_str()).unwrap_or_default();
    let post = |path: &str| format!("curl -s -X POST {gateway}{path} -H 'Content-Type: application/json'");
    format!(
        r#"An account, and an order through the first gateway:
  TOKEN=$({} -d '{{"email":"grace@example.com","password":"plum-tractor-violin-9","name":"Grace Hopper"}}' |
    sed -E 's/.*"accessToken":"([^"]+)".*/\1/')
  {} -H "Authorization: Bearer $TOKEN" \
    -d '{{"customerName":"Grace Hopper","customerEmail":"grace@example.com","shippingAddress":"1 Compiler Street, New York",
    "items":[{{"productId":2,"quantity":1}}]}}'
"#,
        post("/api/auth/register"),
        post("/api/orders")
    )
}
