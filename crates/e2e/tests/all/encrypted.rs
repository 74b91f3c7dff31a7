//! What services say to RabbitMQ and to each other, encrypted: whose certificates are believed, and what happens with others.
//! And the nodes of a broker: a list of them with a dead one in front.

use e2e::client::Client;
use e2e::environment::{Environment, folder_of_test};
use e2e::gateway::free_port;
use e2e::poll;
use e2e::samples::{MOUSE, int, order};
use e2e::shop::Shop;
use rcgen::CertifiedKey;
use std::path::Path;
use testbed::gateway::Tls;
use testbed::rabbitmq::RabbitMq;
use testbed::{Durability, internal};

/// A certificate for a host of this name, which is its own authority.
fn certificate(folder: &Path, name: &str, host: &str, port: u16) -> Tls {
    let names = vec![host.to_owned()];
    let CertifiedKey { cert, signing_key } = rcgen::generate_simple_self_signed(names).unwrap();
    let file = |kind: &str| folder.join(format!("{name}-{kind}.pem"));
    let tls = Tls { port, certificate: file("certificate"), key: file("key") };
    std::fs::write(&tls.certificate, cert.pem()).unwrap();
    std::fs::write(&tls.key, signing_key.serialize_pem()).unwrap();
    tls
}

/// A RabbitMQ that also listens encrypted.
fn rabbitmq(folder: &Path, tls: &Tls) -> RabbitMq {
    let Tls { port, certificate, key } = tls;
    let config = format!(
        "listeners.ssl.1 = 127.0.0.1:{port}\nssl_options.cacertfile = {0}\nssl_options.certfile = {0}\n\
         ssl_options.keyfile = {1}\nssl_options.verify = verify_none\n",
        certificate.display(),
        key.display()
    );
    RabbitMq::start_with(&folder.join("rabbitmq"), free_port(), Durability::ThrowAway, &config).unwrap().stop_on_drop()
}

#[tokio::test]
async fn rabbitmq_is_reached_encrypted_and_past_a_dead_node() {
    let folder = folder_of_test(Environment::get());
    let tls = certificate(&folder, "server", "127.0.0.1", free_port());
    let other = certificate(&folder, "other", "127.0.0.1", 0);
    let server = rabbitmq(&folder, &tls);
    let encrypted = format!("amqps://guest:guest@127.0.0.1:{}/%2f", tls.port);
    let dead = || format!("amqps://guest:guest@127.0.0.1:{}/%2f", free_port());
    // Two of three are dead, so that some links begin with one of those.
    let nodes = format!("{},{},{encrypted}", dead(), dead());
    let ca = tls.certificate.to_str().unwrap();
    let plan = Shop::plan().without_broker().order_variable("AMQP_URL", &nodes).order_variable("AMQP_CA_FILE", ca);
    let plan = plan.inventory_variable("AMQP_URL", &nodes).inventory_variable("AMQP_CA_FILE", ca);
    let mut shop = plan.open().await;
    shop.order_services[0].ready_as(&["UP"]).await;
    shop.inventory_services[0].ready_as(&["UP"]).await;
    let id = int(&shop.place(&[(MOUSE, 1)]).await["id"]);
    shop.order_becomes(id, "CONFIRMED").await;
    let management = Client::new(server.management_url());
    poll::eventually("every connection to be encrypted", async || {
        let connections = management.get("/api/connections").await.is(200).array();
        let all = !connections.is_empty() && connections.iter().all(|connection| connection["ssl"] == true);
        if all { Ok(()) } else { Err(format!("{connections:?}")) }
    })
    .await;

    // An authority that has not signed it is not believed.
    let service = &mut shop.order_services[0];
    service.kill();
    service.set("AMQP_URL", &encrypted);
    service.set("AMQP_CA_FILE", other.certificate.to_str().unwrap());
    service.start().await;
    service.ready_as(&["DEGRADED"]).await;
    poll::eventually("the log to say why", async || {
        let said = ["RabbitMQ is not reachable", "invalid peer certificate"];
        if service.log_lines(&said) > 0 { Ok(()) } else { Err(service.log()) }
    })
    .await;
}

/// Starts the first order-service again: it calls this URL, and believes this certificate.
fn call_by(shop: &mut Shop, url: &str, certificate: &Path) {
    let service = &mut shop.order_services[0];
    service.kill();
    service.set("INVENTORY_SERVICE_URL", url);
    service.set("HTTPS_CA_FILE", certificate.to_str().unwrap());
    service.launch();
}

#[tokio::test]
async fn inventory_service_is_reached_encrypted() {
    let folder = folder_of_test(Environment::get());
    let mut shop = Shop::plan().pairs(2).open().await;
    let inventory: Vec<u16> = shop.inventory_services.iter().map(|service| service.port()).collect();
    let proxy = |name: &str, host: &str| {
        let tls = certificate(&folder, name, host, free_port());
        let plan = internal::Plan { tls: tls.clone(), inventory: inventory.clone() };
        let server = plan.start(&folder.join(name)).unwrap_or_else(|error| panic!("{error}"));
        (tls, plan.url(), server)
    };
    let (tls, url, _proxy) = proxy("proxy", "localhost");
    call_by(&mut shop, &url, &tls.certificate);
    shop.order_services[0].ready_as(&["UP"]).await;
    shop.place(&[(MOUSE, 1)]).await;
    // An instance that is away costs nothing: the other one is asked.
    shop.inventory_services[0].kill();
    for _ in 0..10 {
        shop.place(&[(MOUSE, 1)]).await;
    }
    // Nothing but the calls of services passes.
    let believing = http_client::tls(Some(&tls.certificate)).unwrap();
    let client = reqwest::Client::builder().tls_backend_preconfigured(believing).build().unwrap();
    for (path, status) in [("/health/live", 200), ("/metrics", 404), ("/api/admin/invariants", 404)] {
        let answer = client.get(format!("{url}{path}")).send().await.unwrap();
        assert_eq!(answer.status(), status, "{path}");
    }

    // Neither is a certificate believed that another authority signed, nor one with another name.
    let (elsewhere, by_another_name, _other_proxy) = proxy("elsewhere", "elsewhere.example");
    for (url, certificate) in [(&url, &elsewhere.certificate), (&by_another_name, &elsewhere.certificate)] {
        call_by(&mut shop, url, certificate);
        shop.order_services[0].ready_as(&["DEGRADED"]).await;
        shop.orders().post("/api/orders", order(&[(MOUSE, 1)])).await.unavailable();
        let ready = shop.orders().get("/health/ready").await.is(200).json();
        let detail = ready["dependencies"]["inventory-service"]["detail"].as_str().unwrap();
        assert_eq!(detail, "no connection: its certificate is not trusted", "{url}");
    }
    call_by(&mut shop, &url, &tls.key);
    assert!(!shop.order_services[0].ended().await.success());
    assert_eq!(shop.order_services[0].log_lines(&["error: HTTPS_CA_FILE: holds no certificate in PEM"]), 1);
}
