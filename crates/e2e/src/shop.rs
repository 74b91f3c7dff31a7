//! A whole shop for one test: database, broker and the services, as many of each as the test asks for.

use crate::brevo::Brevo;
use crate::broker::TestBroker;
use crate::client::Client;
use crate::database::TestDatabase;
use crate::environment::{Environment, folder_of_test};
use crate::mail_server::MailServer;
use crate::process::Service;
use crate::samples;
use payment_sandbox::Sandbox;
use serde_json::Value;
use std::path::Path;
use testbed::pairs::Variables;
use testbed::postgres::Postgres;
use testbed::rabbitmq::RabbitMq;
use testbed::{Durability, ports};

/// Names the point at which a placement stands still.
pub const FAILURE_POINT: &str = "FAILURE_POINT";

/// Where a shop with a mail server has itself told of its stock.
pub const OPERATIONS: &str = "operations@shop.example";

/// The key of a shop with SMS.
pub const BREVO_KEY: &str = "xkeysib-test";

/// What signs the webhooks of a shop that is paid by Stripe.
pub const STRIPE_WEBHOOK: &str = "whsec_sandbox";

/// What signs those of one that is paid by Razorpay.
pub const RAZORPAY_WEBHOOK: &str = "sandbox-webhook-secret";

/// What a shop is to be like.
#[derive(Clone, Debug)]
#[must_use]
pub struct Plan {
    pairs: usize,
    with_orders: bool,
    with_accounts: bool,
    broker: PlannedBroker,
    unmigrated: bool,
    own_postgres: bool,
    with_replica: bool,
    own_rabbitmq: bool,
    failure_point: Option<&'static str>,
    inventory_environment: Variables,
    order_environment: Variables,
    account_environment: Variables,
}

/// What a shop is to find at its broker.
#[derive(Clone, Copy, Debug)]
enum PlannedBroker {
    None,
    /// The empty queues of a test that ended, if there is one.
    Used,
    New,
}

/// A running shop. Its services end with it.
// Fields are dropped in this order: nothing may outlive what it stands on.
#[derive(Debug)]
pub struct Shop {
    /// Order-service processes; each asks the inventory-service process at the same place.
    pub order_services: Vec<Service>,
    pub inventory_services: Vec<Service>,
    /// Account-service processes, where the test asks for accounts.
    pub account_services: Vec<Service>,
    /// The broker, where the shop has one.
    pub broker: Option<TestBroker>,
    /// The database of all of them.
    pub database: TestDatabase,
    /// A replica of the test's own PostgreSQL, which is stopped before it.
    pub replica: Option<Postgres>,
    /// A PostgreSQL of the test's own.
    pub postgres: Option<Postgres>,
    /// A RabbitMQ of the test's own.
    pub rabbitmq: Option<RabbitMq>,
}

impl Plan {
    /// Without order-service, and without the broker it would need.
    pub fn inventory_only(self) -> Self {
        Self { with_orders: false, ..self }.without_broker()
    }

    /// With account-service, which lets people in at once.
    pub fn with_accounts(self) -> Self {
        Self { with_accounts: true, ..self }
    }

    /// The services are told of a broker on a port where there is none.
    pub fn without_broker(self) -> Self {
        Self { broker: PlannedBroker::None, ..self }
    }

    /// The broker has no queues of tests that ended.
    pub fn new_broker(self) -> Self {
        Self { broker: PlannedBroker::New, ..self }
    }

    /// Several processes of each service on one database.
    pub fn pairs(self, pairs: usize) -> Self {
        Self { pairs, ..self }
    }

    /// The services come to an empty database.
    pub fn unmigrated(self) -> Self {
        Self { unmigrated: true, ..self }
    }

    /// With a PostgreSQL that the test may kill.
    pub fn own_postgres(self) -> Self {
        Self { own_postgres: true, ..self }
    }

    /// With a PostgreSQL of its own and a replica of it, which lists are read from.
    pub fn replica(self) -> Self {
        Self { with_replica: true, ..self.own_postgres() }
    }

    /// With a RabbitMQ that the test may kill.
    pub fn own_rabbitmq(self) -> Self {
        Self { own_rabbitmq: true, ..self }
    }

    /// Placements stand still at this point, as long as [`FAILURE_POINT`] names it.
    pub fn failure_point(self, point: &'static str) -> Self {
        Self { failure_point: Some(point), ..self }
    }

    /// With a variable for inventory-service.
    pub fn inventory_variable(mut self, name: &str, value: &str) -> Self {
        self.inventory_environment.push((name.to_owned(), value.to_owned()));
        self
    }

    /// With a variable for order-service.
    pub fn order_variable(mut self, name: &str, value: &str) -> Self {
        self.order_environment.push((name.to_owned(), value.to_owned()));
        self
    }

    /// With a variable for account-service, which is then there.
    pub fn account_variable(mut self, name: &str, value: &str) -> Self {
        self.account_environment.push((name.to_owned(), value.to_owned()));
        self.with_accounts()
    }

    /// Traces of both services go to this collector; of those that begin here, this part.
    pub fn traces(self, url: &str, ratio: &str) -> Self {
        let (endpoint, sampler) = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_TRACES_SAMPLER_ARG");
        let plan = self.order_variable(endpoint, url).order_variable(sampler, ratio);
        plan.inventory_variable(endpoint, url).inventory_variable(sampler, ratio)
    }

    /// E-mail goes to this server, and what fails is tried again soon.
    pub fn mail(self, server: &MailServer) -> Self {
        let plan =
            self.order_variable("MAIL_HOST", "127.0.0.1").order_variable("MAIL_PORT", &server.port().to_string());
        let plan = plan.order_variable("MAIL_TLS", "none").order_variable("MAIL_TIMEOUT_SECONDS", "1");
        let plan = plan.order_variable("MAIL_FROM_ADDRESS", "shop@shop.example");
        let plan = plan.order_variable("MAIL_FROM_NAME", "Kafka & Sons").order_variable("OPERATIONS_EMAIL", OPERATIONS);
        plan.order_variable("NOTIFICATION_CIRCUIT_PAUSE_MS", "200")
    }

    /// A mail server may take as long as it likes: what it has taken without saying so in time would be sent again.
    pub fn patient(self) -> Self {
        self.order_variable("MAIL_TIMEOUT_SECONDS", "60")
    }

    /// SMS go to this stand-in, and what fails is tried again soon.
    pub fn sms(self, brevo: &Brevo) -> Self {
        let plan = self.order_variable("BREVO_SMS_URL", &brevo.url()).order_variable("BREVO_API_KEY", BREVO_KEY);
        let plan = plan.order_variable("BREVO_SMS_SENDER", "KafkaSons").order_variable("BREVO_TIMEOUT_SECONDS", "1");
        plan.order_variable("NOTIFICATION_CIRCUIT_PAUSE_MS", "200")
    }

    /// Cards go by Stripe and the rest by Razorpay, both of which this stand-in is. What fails is tried again soon.
    pub fn paid_by(self, sandbox: &Sandbox) -> Self {
        let keys = [
            ("SHOP_CURRENCY", "INR"),
            ("STRIPE_SECRET_KEY", "sk_test_sandbox"),
            ("STRIPE_PUBLISHABLE_KEY", "pk_test_sandbox"),
            ("STRIPE_WEBHOOK_SECRETS", STRIPE_WEBHOOK),
            ("RAZORPAY_KEY_ID", "rzp_test_sandbox"),
            ("RAZORPAY_KEY_SECRET", "sandbox-secret"),
            ("RAZORPAY_WEBHOOK_SECRETS", RAZORPAY_WEBHOOK),
            ("PROVIDER_TIMEOUT_SECONDS", "1"),
            ("PROVIDER_CIRCUIT_PAUSE_MS", "200"),
        ];
        let plan = keys.into_iter().fold(self, |plan, (name, value)| plan.order_variable(name, value));
        plan.order_variable("STRIPE_URL", &sandbox.url()).order_variable("RAZORPAY_URL", &sandbox.url())
    }

    /// Stock held without an order goes back after this many seconds, looked for every second.
    pub fn window(self, seconds: u32) -> Self {
        let (name, window) = ("RESERVATION_WINDOW_SECONDS", seconds.to_string());
        let plan = self.inventory_variable(name, &window).order_variable(name, &window);
        plan.order_variable("SETTLE_INTERVAL_SECONDS", "1")
    }

    /// Opens the shop: returns when every service is ready.
    pub async fn open(mut self) -> Shop {
        let environment = Environment::get();
        let folder = folder_of_test(environment);
        let postgres = self.own_postgres.then(|| own_postgres(&folder));
        let rabbitmq = self.own_rabbitmq.then(|| own_rabbitmq(&folder));
        let (amqp, management) = match &rabbitmq {
            Some(own) => (own.url(), own.management_url()),
            None => (environment.amqp_url.clone(), environment.management_url.clone()),
        };
        let broker = async {
            match self.broker {
                PlannedBroker::None => None,
                PlannedBroker::Used => Some(TestBroker::take(&amqp, &management).await),
                PlannedBroker::New => Some(TestBroker::create(&amqp, &management)),
            }
        };
        let database = async {
            match &postgres {
                Some(own) => TestDatabase::create(&own.url()).await,
                None if self.unmigrated => TestDatabase::create(&environment.database_url).await,
                None => TestDatabase::migrated(environment).await,
            }
        };
        let (database, broker) = tokio::join!(database, broker);
        let replica = postgres.as_ref().filter(|_| self.with_replica).map(|primary| replica_of(primary, &folder));
        if let Some(replica) = &replica {
            let url = replica.url_of(database.name());
            for all in [&mut self.inventory_environment, &mut self.order_environment, &mut self.account_environment] {
                all.push(("DATABASE_REPLICA_URL".to_owned(), url.clone()));
            }
        }
        let states: &[&str] = if broker.is_some() { &["UP"] } else { &["UP", "DEGRADED"] };
        let amqp_url = broker.as_ref().map_or_else(closed_port, |broker| broker.url().to_owned());
        let services = self.services(environment, database.url(), &amqp_url);
        let services = services.prepare(&folder).expect("ports for the services");
        let [order_services, inventory_services, account_services] =
            [services.orders, services.inventory, services.accounts]
                .map(|all| all.into_iter().map(Service::new).collect());
        let mut shop = Shop {
            order_services,
            inventory_services,
            account_services,
            broker,
            database,
            replica,
            postgres,
            rabbitmq,
        };
        let mut services: Vec<&mut Service> = shop.services().collect();
        services.iter_mut().for_each(|service| service.launch());
        for service in services {
            service.ready_as(states).await;
        }
        shop
    }

    fn services(self, environment: &Environment, database_url: &str, amqp_url: &str) -> testbed::Plan {
        let Environment { order_service, inventory_service, account_service, .. } = environment;
        let mut plan = testbed::Plan::new(order_service, inventory_service, database_url, amqp_url).with_sample_data();
        plan.pairs = self.pairs;
        for environment in [&mut plan.inventory, &mut plan.order, &mut plan.account] {
            // All jobs begin at once, and each new connection costs PostgreSQL ten milliseconds.
            environment.push(("DATABASE_MAX_CONNECTIONS".to_owned(), "8".to_owned()));
        }
        plan.inventory.extend(self.inventory_environment);
        plan.order.extend(self.order_environment);
        plan.order.extend(self.failure_point.map(|point| (FAILURE_POINT.to_owned(), point.to_owned())));
        if !self.with_orders {
            plan.order_service = None;
        }
        if self.with_accounts {
            plan = plan.with_accounts(account_service);
            plan.account.extend(self.account_environment);
        }
        plan
    }
}

impl Shop {
    /// One process of each service, with a broker.
    pub fn plan() -> Plan {
        Plan {
            pairs: 1,
            with_orders: true,
            with_accounts: false,
            broker: PlannedBroker::Used,
            unmigrated: false,
            own_postgres: false,
            with_replica: false,
            own_rabbitmq: false,
            failure_point: None,
            inventory_environment: Vec::new(),
            order_environment: Vec::new(),
            account_environment: Vec::new(),
        }
    }

    /// One process of each service, with a broker.
    pub async fn open() -> Self {
        Self::plan().open().await
    }

    /// Calls the first order-service.
    pub fn orders(&self) -> &Client {
        self.order_services[0].client()
    }

    /// Calls the first inventory-service.
    pub fn inventory(&self) -> &Client {
        self.inventory_services[0].client()
    }

    /// Calls the first account-service.
    pub fn accounts(&self) -> &Client {
        self.account_services[0].client()
    }

    /// Every process of the shop.
    pub fn services(&mut self) -> impl Iterator<Item = &mut Service> {
        self.inventory_services.iter_mut().chain(&mut self.order_services).chain(&mut self.account_services)
    }

    /// The broker of a shop that has one.
    pub fn broker(&self) -> &TestBroker {
        self.broker.as_ref().expect("a shop with a broker")
    }

    /// Places an order; gives it as it was answered.
    pub async fn place(&self, lines: &[(i64, i64)]) -> Value {
        self.orders().post("/api/orders", samples::order(lines)).await.is(201).json()
    }

    /// Lets the next order have a number two buckets of the index of orders by customer further on.
    pub async fn skip_a_bucket(&self) {
        let skip =
            "SELECT setval(pg_get_serial_sequence('orders.orders', 'id'), max(id) + 2 * 262144) FROM orders.orders";
        self.database.number(skip).await;
    }

    /// Waits until an order has this status; gives the order.
    pub async fn order_becomes(&self, id: i64, status: &str) -> Value {
        crate::poll::eventually(&format!("order {id} to become {status}"), async || {
            let order = self.orders().get(&format!("/api/orders/{id}")).await.is(200).json();
            if order["status"] == status { Ok(order) } else { Err(order.to_string()) }
        })
        .await
    }

    /// Waits until a reservation has this status; gives the reservation.
    pub async fn reservation_becomes(&self, reference: &str, status: &str) -> Value {
        crate::poll::eventually(&format!("reservation {reference} to become {status}"), async || {
            let answer = self.inventory().get(&format!("/api/inventory/reservations/{reference}")).await.is(200);
            let reservation = answer.json();
            if reservation["status"] == status { Ok(reservation) } else { Err(answer.text) }
        })
        .await
    }

    /// The statuses an order went through, from its timeline.
    pub async fn timeline(&self, id: i64) -> Vec<String> {
        let rows = self.orders().get(&format!("/api/orders/{id}/timeline")).await.is(200).array();
        rows.iter().map(|row| samples::text(&row["status"]).to_owned()).collect()
    }
}

fn closed_port() -> String {
    format!("amqp://guest:guest@127.0.0.1:{}/%2f", ports::free_port().expect("a free port"))
}

fn own_postgres(folder: &Path) -> Postgres {
    let port = ports::free_port().expect("a free port");
    // Durable: what was committed must be there after a kill.
    Postgres::start(&folder.join("postgres"), port, Durability::Durable).expect("a PostgreSQL").stop_on_drop()
}

fn replica_of(primary: &Postgres, folder: &Path) -> Postgres {
    let port = ports::free_port().expect("a free port");
    primary.start_replica(&folder.join("replica"), port).expect("a replica").stop_on_drop()
}

fn own_rabbitmq(folder: &Path) -> RabbitMq {
    let port = ports::free_port().expect("a free port");
    RabbitMq::start(&folder.join("rabbitmq"), port, Durability::ThrowAway).expect("a RabbitMQ").stop_on_drop()
}
