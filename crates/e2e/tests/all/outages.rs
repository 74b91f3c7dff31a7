//! Promise P7: RabbitMQ, inventory-service or PostgreSQL goes away, what can go on goes on, and all recovers by itself.

use crate::metrics::shows;
use e2e::issuer::Issuer;
use e2e::poll;
use e2e::process::Service;
use e2e::samples::{LAPTOP, MOUSE, int, order};
use e2e::shop::Shop;
use serde_json::Value;
use shared_types::topology::ORDER_RESERVATION_EVENTS;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use testbed::process::Signal;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

const ORDERS: &str = "/api/orders";

/// How fast a request must be refused that cannot be served.
const FAST: Duration = Duration::from_secs(3);

async fn place_refused_fast(shop: &Shop) {
    let started = Instant::now();
    shop.orders().post(ORDERS, order(&[(LAPTOP, 1)])).await.unavailable();
    assert!(started.elapsed() < FAST, "refused only after {:?}", started.elapsed());
}

async fn dependency(shop: &Shop, name: &str) -> Value {
    shop.orders().get("/health/ready").await.json()["dependencies"][name]["status"].clone()
}

#[tokio::test]
async fn rabbitmq_goes_and_comes_back() {
    let mut shop = Shop::plan().own_rabbitmq().open().await;
    let before = int(&shop.place(&[(MOUSE, 1)]).await["id"]);
    shop.order_becomes(before, "CONFIRMED").await;

    // It goes while events are on their way.
    let buyers: Vec<_> = (0..40)
        .map(|_| {
            let client = shop.orders().clone();
            tokio::spawn(async move { client.post(ORDERS, order(&[(MOUSE, 1)])).await.is(201) })
        })
        .collect();
    poll::eventually("some to be confirmed", async || {
        let confirmed = "SELECT COUNT(*) FROM orders.orders WHERE status = 'CONFIRMED'";
        if shop.database.number(confirmed).await > 1 { Ok(()) } else { Err("none".to_owned()) }
    })
    .await;
    shop.rabbitmq.as_ref().unwrap().kill().unwrap();
    shop.order_services[0].ready_as(&["DEGRADED"]).await;
    shop.inventory_services[0].ready_as(&["DEGRADED"]).await;
    assert_eq!(dependency(&shop, "rabbitmq").await, "DOWN");
    for buyer in buyers {
        buyer.await.unwrap();
    }
    for _ in 0..10 {
        shop.place(&[(MOUSE, 1)]).await;
    }
    // A service that starts meanwhile takes orders as well.
    shop.order_services[0].kill();
    shop.order_services[0].start().await;
    shop.order_services[0].ready_as(&["DEGRADED"]).await;
    for _ in 0..5 {
        shop.place(&[(MOUSE, 1)]).await;
    }
    assert!(shop.database.number("SELECT COUNT(*) FROM orders.orders WHERE status = 'PENDING'").await >= 15);

    shop.rabbitmq.as_ref().unwrap().restart().unwrap();
    shop.order_services[0].ready_as(&["UP"]).await;
    shop.inventory_services[0].ready_as(&["UP"]).await;
    shop.assert_invariants().await;
    assert_eq!(shop.database.number("SELECT COUNT(*) FROM orders.orders WHERE status = 'CONFIRMED'").await, 56);
    // Dozens of attempts failed meanwhile; each link said so once.
    let said = |link: &str| shop.inventory_services[0].log_lines(&["RabbitMQ is not reachable", link]);
    assert_eq!((said("outbox relay"), said("inventory-service.order-events")), (1, 1));
    // Once for the kill, and once by the process that was started without a broker.
    let said = |link: &str| shop.order_services[0].log_lines(&["RabbitMQ is not reachable", link]);
    assert_eq!((said("outbox relay"), said(ORDER_RESERVATION_EVENTS.name)), (2, 2));
}

#[tokio::test]
async fn rabbitmq_hangs_and_comes_back() {
    let mut shop = Shop::plan().own_rabbitmq().open().await;
    // Every consumer listens by the time that an order is confirmed.
    let before = int(&shop.place(&[(MOUSE, 1)]).await["id"]);
    shop.order_becomes(before, "CONFIRMED").await;
    let server = shop.rabbitmq.as_ref().unwrap().process().unwrap().unwrap();
    // Its connections stay open; nothing is heard on them any more.
    server.signal(Signal::Stop);
    shop.order_services[0].ready_as(&["DEGRADED"]).await;
    shop.inventory_services[0].ready_as(&["DEGRADED"]).await;
    let id = int(&shop.place(&[(MOUSE, 1)]).await["id"]);
    server.signal(Signal::Continue);
    shop.order_services[0].ready_as(&["UP"]).await;
    shop.inventory_services[0].ready_as(&["UP"]).await;
    shop.order_becomes(id, "CONFIRMED").await;
    shop.assert_invariants().await;
}

#[tokio::test]
async fn inventory_service_goes_and_comes_back() {
    let mut shop = Shop::open().await;
    let id = int(&shop.place(&[(LAPTOP, 1)]).await["id"]);
    shop.inventory_services[0].kill();
    place_refused_fast(&shop).await;
    shop.orders().get(&format!("{ORDERS}/{id}")).await.is(200);
    assert_eq!(shop.orders().get(ORDERS).await.is(200).array().len(), 1);
    shop.order_services[0].ready_as(&["DEGRADED"]).await;
    assert_eq!(dependency(&shop, "inventory-service").await, "DOWN");
    shop.inventory_services[0].start().await;
    shop.place(&[(LAPTOP, 1)]).await;
    shop.order_services[0].ready_as(&["UP"]).await;
    shop.assert_invariants().await;
    assert_eq!(shop.database.stock(LAPTOP).await, 48);
}

#[tokio::test]
async fn inventory_service_hangs_and_comes_back() {
    let shop = Shop::plan().window(3).open().await;
    let id = int(&shop.place(&[(LAPTOP, 1)]).await["id"]);
    shop.inventory_services[0].pause();
    tokio::join!(place_refused_fast(&shop), place_refused_fast(&shop), place_refused_fast(&shop));
    shop.orders().get(&format!("{ORDERS}/{id}")).await.is(200);
    assert_eq!(shop.orders().get(ORDERS).await.is(200).array().len(), 1);
    shop.inventory_services[0].resume();
    shop.place(&[(LAPTOP, 1)]).await;
    // What was asked for while it hung may have been held when it went on; without an order that stock comes back.
    poll::eventually("the stock of the refused orders to come back", async || {
        let held = "SELECT COUNT(*) FROM inventory.reservations WHERE status = 'HELD'";
        poll::equal((shop.database.number(held).await, shop.database.stock(LAPTOP).await), (0, 48))
    })
    .await;
    shop.assert_invariants().await;
}

#[tokio::test]
async fn postgresql_goes_and_comes_back() {
    let mut shop = Shop::plan().own_postgres().open().await;
    // It goes in the middle of a rush.
    let buyers: Vec<_> = (0..60)
        .map(|_| {
            let client = shop.orders().clone();
            tokio::spawn(async move { client.post(ORDERS, order(&[(MOUSE, 1)])).await })
        })
        .collect();
    shop.place(&[(MOUSE, 1)]).await;
    shop.postgres.as_ref().unwrap().kill().unwrap();
    let mut promised = Vec::new();
    for buyer in buyers {
        let answer = buyer.await.unwrap();
        if answer.status == 201 {
            promised.push(int(&answer.json()["id"]));
        } else {
            answer.unavailable();
        }
    }
    for service in [&mut shop.order_services[0], &mut shop.inventory_services[0]] {
        service.ready_as(&["DOWN"]).await;
        let ready = service.client().get("/health/ready").await.is(200).json();
        assert_eq!(ready["dependencies"]["postgresql"]["status"], "DOWN", "{ready}");
        service.live().await.is(200);
        shows(service.client(), "database_up", 0.0).await;
    }
    place_refused_fast(&shop).await;
    let started = Instant::now();
    shop.orders().get(ORDERS).await.unavailable();
    shop.inventory().get("/api/inventory/products").await.unavailable();
    assert!(started.elapsed() < 2 * FAST, "refused only after {:?}", started.elapsed());

    shop.postgres.as_ref().unwrap().restart().unwrap();
    for service in [&mut shop.order_services[0], &mut shop.inventory_services[0]] {
        service.ready_as(&["UP"]).await;
    }
    poll::eventually("orders to be placed again", async || {
        let answer = shop.orders().post(ORDERS, order(&[(LAPTOP, 1)])).await;
        if answer.status == 201 { Ok(()) } else { Err(answer.text) }
    })
    .await;
    for id in promised {
        shop.order_becomes(id, "CONFIRMED").await;
    }
    shows(shop.orders(), "database_up", 1.0).await;
    assert!(shop.database.texts("SELECT sku FROM inventory.stock_breaches").await.is_empty());
}

#[tokio::test]
async fn a_start_goes_on_when_postgresql_has_gone_and_come_back() {
    let issuer = Issuer::start().await;
    let plan = Shop::plan().own_postgres().order_variable("AUTH_ISSUER", issuer.url());
    let mut shop = plan.inventory_variable("AUTH_ISSUER", issuer.url()).open().await;
    for (schema, is_order_service) in [("orders", true), ("inventory", false)] {
        let services = if is_order_service { &mut shop.order_services } else { &mut shop.inventory_services };
        services[0].kill();
        // It stands still behind the migrations.
        let lock = shop.database.lock(format!("LOCK TABLE {schema}.revocations")).await;
        services[0].launch();
        shop.database.somebody_waits().await;
        let postgres = shop.postgres.as_ref().unwrap();
        postgres.stop_immediately().unwrap();
        postgres.restart().unwrap();
        services[0].ready_as(&["UP", "DEGRADED"]).await;
        assert_eq!(services[0].log_lines(&["the service ends"]), 0);
        drop(lock);
    }
    shop.place(&[(MOUSE, 1)]).await;
}

#[tokio::test]
async fn services_start_before_their_servers_answer() {
    let shop = Shop::plan().own_postgres().open().await;
    let mut shop = shop;
    for service in shop.order_services.iter_mut().chain(&mut shop.inventory_services) {
        service.kill();
    }
    shop.postgres.as_ref().unwrap().stop().unwrap();
    for service in shop.order_services.iter_mut().chain(&mut shop.inventory_services) {
        service.launch();
    }
    for service in shop.order_services.iter_mut().chain(&mut shop.inventory_services) {
        service.ready_as(&["DOWN"]).await;
        // Nobody is to send requests here before the schema is ready.
        service.client().get("/health/ready").await.is(503);
        service.live().await.is(200);
    }
    place_refused_fast(&shop).await;
    shop.postgres.as_ref().unwrap().restart().unwrap();
    for service in shop.order_services.iter_mut().chain(&mut shop.inventory_services) {
        service.ready_as(&["UP"]).await;
    }
    shop.place(&[(LAPTOP, 1)]).await;
    shop.assert_invariants().await;
}

/// A way to a broker on which whoever subscribes hears nothing more until it is `released`.
async fn silent_to_subscribers(broker: &str, released: watch::Receiver<bool>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (here, broker) = (listener.local_addr().unwrap(), broker.to_owned());
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            let (mut from_client, mut to_client) = client.into_split();
            let (mut from_broker, mut to_broker) = TcpStream::connect(&broker).await.unwrap().into_split();
            let (subscribed, mut released) = (Arc::new(AtomicBool::new(false)), released.clone());
            let subscribes = subscribed.clone();
            tokio::spawn(async move {
                let mut bytes = vec![0; 64 * 1024];
                while let Ok(count @ 1..) = from_client.read(&mut bytes).await {
                    // A frame with a method, its channel and its length; the method is basic.consume.
                    let is_method = |it: &[u8]| it[0] == 1 && it[7..] == [0, 60, 0, 20];
                    subscribes.fetch_or(bytes[..count].windows(11).any(is_method), Ordering::SeqCst);
                    if to_broker.write_all(&bytes[..count]).await.is_err() {
                        return;
                    }
                }
            });
            tokio::spawn(async move {
                let mut bytes = vec![0; 64 * 1024];
                while let Ok(count @ 1..) = from_broker.read(&mut bytes).await {
                    if subscribed.load(Ordering::SeqCst) {
                        released.wait_for(|it| *it).await.unwrap();
                    }
                    if to_client.write_all(&bytes[..count]).await.is_err() {
                        return;
                    }
                }
            });
        }
    });
    here.to_string()
}

#[tokio::test]
async fn a_subscription_that_was_given_up_keeps_no_messages() {
    let mut shop = Shop::open().await;
    let url = shop.broker.as_ref().unwrap().url().to_owned();
    let (user, rest) = url.split_once('@').unwrap();
    let (server, vhost) = rest.split_once('/').unwrap();
    let (release, released) = watch::channel(false);
    let way = silent_to_subscribers(server, released).await;
    let order_service = &mut shop.order_services[0];
    order_service.kill();
    let connected = |service: &Service| service.log_lines(&["connected to RabbitMQ", ORDER_RESERVATION_EVENTS.name]);
    let before = connected(order_service);
    order_service.set("AMQP_URL", &format!("{user}@{way}/{vhost}"));
    order_service.start().await;
    poll::eventually("the subscription to be given up", async || {
        match order_service.log_lines(&["no answer in time", ORDER_RESERVATION_EVENTS.name]) {
            0 => Err(order_service.log()),
            _ => Ok(()),
        }
    })
    .await;
    // Now the broker says yes to it after all, and to the next one.
    release.send(true).unwrap();
    poll::eventually("the next subscription", async || {
        if connected(order_service) > before { Ok(()) } else { Err(order_service.log()) }
    })
    .await;
    for _ in 0..6 {
        let id = int(&shop.place(&[(MOUSE, 1)]).await["id"]);
        shop.order_becomes(id, "CONFIRMED").await;
    }
}
