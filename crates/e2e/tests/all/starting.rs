//! Starting: beside others, and in turn without a request lost.

use e2e::client::Client;
use e2e::environment::{Environment, folder_of_test};
use e2e::poll;
use e2e::process::Service;
use e2e::samples::{MOUSE, order, reservation};
use e2e::shop::Shop;
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use uuid::Uuid;

#[tokio::test]
async fn instances_that_start_at_once_migrate_once() {
    // Nine processes come to an empty database together.
    let mut shop = Shop::plan().with_accounts().unmigrated().pairs(3).open().await;
    let folders = [("orders", "order-service"), ("inventory", "inventory-service"), ("accounts", "account-service")];
    for (schema, folder) in folders {
        let applied =
            shop.database.number(format!("SELECT COUNT(*) FROM {schema}._sqlx_migrations WHERE success")).await;
        let folder = e2e::environment::workspace().join("migrations").join(folder);
        assert_eq!(applied as usize, std::fs::read_dir(folder).unwrap().count());
    }
    assert_eq!(
        shop.database.number("SELECT COUNT(*) FROM inventory.products").await,
        5,
        "sample data was loaded twice"
    );
    for service in shop.services() {
        assert_eq!(service.log_lines(&["database schema is up to date"]), 1, "{}", service.log());
        // RabbitMQ may break a link off that consumes from a queue which another one is just creating. lapin calls that an
        // error; the link is made anew.
        let log = service.log();
        let errors: Vec<&str> =
            log.lines().filter(|line| line.contains(" ERROR ") && !line.contains("lapin::")).collect();
        assert!(errors.is_empty(), "{errors:?} in {log}");
    }
}

#[tokio::test]
async fn secrets_are_read_from_the_files_that_are_named() {
    let folder = folder_of_test(Environment::get());
    let file = |name: &str, content: &str| {
        let path = folder.join(name);
        std::fs::write(&path, content).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let secret = file("webhook", "harbour-violet-19\n");
    let plan = Shop::plan().without_broker().with_accounts().order_variable("BREVO_WEBHOOK_SECRET_FILE", &secret);
    let mut shop = plan.open().await;
    let report = async |secret: &str| {
        let call = shop.orders().post("/api/notifications/webhooks/brevo", json!({}));
        call.header("x-webhook-secret", secret).await.status
    };
    assert_eq!(report("harbour-violet-1").await, 401);
    assert_ne!(report("harbour-violet-19").await, 401);
    assert_eq!(shop.order_services[0].log_lines(&["harbour-violet-19"]), 0);
    for (service, variable, named, said) in [
        (&mut shop.account_services[0], "ACCOUNT_MASTER_KEY_FILE", secret, "ACCOUNT_MASTER_KEY is set as well"),
        (&mut shop.inventory_services[0], "PGPASSWORD_FILE", "/nowhere/x".to_owned(), "/nowhere/x cannot be read"),
        (&mut shop.order_services[0], "MAIL_PASSWORD_FILE", file("none", ""), "is empty"),
    ] {
        service.kill();
        service.set(variable, &named);
        service.launch();
        assert!(!service.ended().await.success(), "{variable}");
        assert_eq!(service.log_lines(&[&format!("error: {variable}: "), said]), 1, "{}", service.log());
        assert_eq!(service.log_lines(&["harbour-violet-19"]), 0);
    }
}

#[tokio::test]
async fn keys_are_forgotten_after_a_day() {
    let mut shop = Shop::open().await;
    for key in ["yesterday", "today"] {
        shop.orders().post("/api/orders", order(&[(MOUSE, 1)])).key(key).await.is(201);
        let add = format!("/api/inventory/products/{MOUSE}/add-stock");
        shop.inventory().post(&add, json!({"quantity": 1})).key(key).await.is(200);
    }
    for schema in ["orders", "inventory"] {
        let age = format!(
            "UPDATE {schema}.idempotency_keys SET created_at = now() - INTERVAL '25 hours' WHERE key = 'yesterday'"
        );
        assert_eq!(shop.database.execute(age).await, 1);
    }
    shop.order_services[0].kill();
    shop.inventory_services[0].kill();
    shop.inventory_services[0].start().await;
    shop.order_services[0].start().await;
    for schema in ["orders", "inventory"] {
        poll::eventually("the old key to be forgotten", async || {
            poll::equal(
                shop.database.texts(format!("SELECT key FROM {schema}.idempotency_keys")).await,
                vec!["today".to_owned()],
            )
        })
        .await;
    }
    // What comes with it now is a new request.
    let add = shop.inventory().post(&format!("/api/inventory/products/{MOUSE}/add-stock"), json!({"quantity": 7}));
    assert_eq!(add.key("yesterday").await.is(200).find_header("idempotency-replayed"), None);
    assert_eq!(shop.database.stock(MOUSE).await, 207);
}

/// Goes round the instances with one request after the other; where a connection is refused, the next gets it.
struct RoundRobin {
    instances: Vec<Client>,
    path: &'static str,
    body: fn() -> Value,
    stop: Arc<AtomicBool>,
    answered: Arc<AtomicUsize>,
}

impl RoundRobin {
    async fn run(self) {
        for turn in 0.. {
            if self.stop.load(Ordering::Relaxed) {
                return;
            }
            let body = (self.body)();
            let mut refused = 0;
            let answer = loop {
                let instance = &self.instances[(turn + refused) % self.instances.len()];
                match instance.post(self.path, body.clone()).attempt().await {
                    Err(error) if error.is_connect() && refused < 10 => refused += 1,
                    outcome => break outcome.unwrap_or_else(|error| panic!("a request was lost: {error:?}")),
                }
            };
            assert_eq!(answer.status, 201, "{}", answer.text);
            self.answered.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// Restarts the services in turn, twice, while eight clients go round them; gives how many answers these got.
async fn restart_in_turn(services: &mut [Service], path: &'static str, body: fn() -> Value) -> i64 {
    let (stop, answered) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let client = || RoundRobin {
        instances: services.iter().map(|instance| instance.client().clone()).collect(),
        path,
        body,
        stop: stop.clone(),
        answered: answered.clone(),
    };
    let clients: Vec<_> = (0..8).map(|_| tokio::spawn(client().run())).collect();
    for _ in 0..2 {
        for service in &mut *services {
            answers(&answered, 40).await;
            service.ask_to_end();
            let status = service.ended().await;
            assert!(status.success(), "{status}");
            service.start().await;
        }
    }
    answers(&answered, 40).await;
    stop.store(true, Ordering::Relaxed);
    for client in clients {
        client.await.unwrap();
    }
    answered.load(Ordering::Relaxed) as i64
}

async fn answers(answered: &AtomicUsize, more: usize) {
    let wanted = answered.load(Ordering::Relaxed) + more;
    poll::eventually("the clients to be served", async || {
        let now = answered.load(Ordering::Relaxed);
        if now >= wanted { Ok(()) } else { Err(format!("{now} of {wanted}")) }
    })
    .await;
}

async fn stock_up(shop: &Shop) {
    let add = format!("/api/inventory/products/{MOUSE}/add-stock");
    shop.inventory().post(&add, json!({"quantity": 1_000_000})).await.is(200);
}

#[tokio::test]
async fn a_rolling_restart_of_order_service_loses_no_request() {
    let mut shop = Shop::plan().pairs(2).open().await;
    stock_up(&shop).await;
    let answered = restart_in_turn(&mut shop.order_services, "/api/orders", || order(&[(MOUSE, 1)])).await;
    assert_eq!(shop.database.number("SELECT COUNT(*) FROM orders.orders").await, answered);
    shop.assert_invariants().await;
}

#[tokio::test]
async fn a_rolling_restart_of_inventory_service_loses_no_request() {
    let mut shop = Shop::plan().inventory_only().pairs(2).open().await;
    stock_up(&shop).await;
    let body = || reservation(Uuid::now_v7(), &[(MOUSE, 1)]);
    let answered = restart_in_turn(&mut shop.inventory_services, "/api/inventory/reservations", body).await;
    assert_eq!(shop.database.number("SELECT COUNT(*) FROM inventory.reservations").await, answered);
}
