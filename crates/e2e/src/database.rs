//! A database of its own for each test, and direct looks into it.

use crate::environment::Environment;
use crate::{afterwards, poll};
use sqlx::postgres::PgPoolOptions;
use sqlx::{AssertSqlSafe, Connection, PgConnection, PgPool, Postgres, Transaction};
use std::process::Command;
use std::time::Duration;
use testbed::pairs::MASTER_KEY;
use testbed::process;
use tokio::sync::OnceCell;
use uuid::Uuid;

/// What tests get copies of: a database with the schema of all services, and nothing else. Nobody stays connected to it.
static MIGRATED: OnceCell<TestDatabase> = OnceCell::const_new();

/// A database. Deleted when dropped.
#[derive(Debug)]
pub struct TestDatabase {
    server_url: String,
    name: String,
    url: String,
    pool: PgPool,
}

impl TestDatabase {
    /// Makes an empty one on the server of `server_url`, which the services migrate when they start.
    pub async fn create(server_url: &str) -> Self {
        Self::create_like(server_url, "template1").await
    }

    /// Makes one with the schema of all services on the server that the tests share. Copying it takes a fraction of the time of
    /// all those migrations.
    pub async fn migrated(environment: &Environment) -> Self {
        let template = MIGRATED.get_or_init(async || {
            let template = Self::create(&environment.database_url).await;
            template.migrate(environment);
            template
        });
        Self::create_like(&environment.database_url, &template.await.name).await
    }

    /// Lets the services bring the schema up to date.
    fn migrate(&self, environment: &Environment) {
        for service in [&environment.order_service, &environment.inventory_service, &environment.account_service] {
            let mut migrate = Command::new(service);
            migrate.arg("--migrate-only").env("ACCESS", "local").env("DATABASE_URL", &self.url);
            process::output_of(migrate.env(MASTER_KEY, testbed::pairs::master_key())).expect("the migrations");
        }
    }

    async fn create_like(server_url: &str, template: &str) -> Self {
        let name = format!("e2e_{}", Uuid::now_v7().simple());
        let mut server = PgConnection::connect(server_url).await.expect("a connection to the test PostgreSQL");
        // Through the log, as is the default, it takes three times as much of the processors.
        let create = AssertSqlSafe(format!("CREATE DATABASE {name} TEMPLATE {template} STRATEGY FILE_COPY"));
        sqlx::query(create).execute(&mut server).await.expect("a database of the test's own");
        let (server, _) = server_url.rsplit_once('/').expect("a URL with a database");
        let server_url = server_url.to_owned();
        let url = format!("{server}/{name}");
        let pool = PgPoolOptions::new()
            .max_connections(4)
            .acquire_timeout(Duration::from_secs(30))
            .connect_lazy(&url)
            .expect("a database URL");
        Self { server_url, name, url, pool }
    }

    /// What the services connect to.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// For statements with parameters and for transactions.
    pub fn pool(&self) -> &PgPool {
        &self.pool
    }

    /// The one number a query gives.
    pub async fn number(&self, sql: impl Into<String>) -> i64 {
        let sql = sql.into();
        sqlx::query_scalar(AssertSqlSafe(sql.clone()))
            .fetch_one(&self.pool)
            .await
            .unwrap_or_else(|error| panic!("{sql}: {error}"))
    }

    /// The one column of texts a query gives.
    pub async fn texts(&self, sql: impl Into<String>) -> Vec<String> {
        let sql = sql.into();
        sqlx::query_scalar(AssertSqlSafe(sql.clone()))
            .fetch_all(&self.pool)
            .await
            .unwrap_or_else(|error| panic!("{sql}: {error}"))
    }

    /// The names of the tables in a schema.
    pub async fn tables_in(&self, schema: &str) -> Vec<String> {
        self.texts(format!("SELECT tablename FROM pg_tables WHERE schemaname = '{schema}' ORDER BY 1")).await
    }

    /// Runs a statement; gives how many rows it changed.
    pub async fn execute(&self, sql: impl Into<String>) -> u64 {
        let sql = sql.into();
        let done = sqlx::query(AssertSqlSafe(sql.clone())).execute(&self.pool).await;
        done.unwrap_or_else(|error| panic!("{sql}: {error}")).rows_affected()
    }

    /// Runs a statement that takes a lock, which is held until the transaction is rolled back.
    pub async fn lock(&self, statement: impl Into<String>) -> Transaction<'static, Postgres> {
        let mut lock = self.pool.begin().await.expect("a transaction");
        sqlx::query(AssertSqlSafe(statement.into())).execute(&mut *lock).await.expect("a lock");
        lock
    }

    /// How many wait for a lock.
    pub async fn waiting(&self) -> i64 {
        self.waiting_in("").await
    }

    /// How many wait for a lock in a statement with this text: jobs may wait beside what the test is about.
    pub async fn waiting_in(&self, statement: &str) -> i64 {
        let waiting = "SELECT COUNT(*) FROM pg_stat_activity
                       WHERE wait_event_type = 'Lock' AND datname = current_database() AND strpos(query, $1) > 0";
        sqlx::query_scalar(waiting).bind(statement).fetch_one(&self.pool).await.expect("the waiting ones")
    }

    /// Waits until somebody waits for a lock.
    pub async fn somebody_waits(&self) {
        self.somebody_waits_in("").await;
    }

    /// Waits until somebody waits for a lock in a statement with this text.
    pub async fn somebody_waits_in(&self, statement: &str) {
        poll::eventually("somebody to wait for a lock", async || {
            if self.waiting_in(statement).await > 0 { Ok(()) } else { Err("nobody does".to_owned()) }
        })
        .await;
    }

    /// Makes the database refuse an order of `mallory@example.com` when it is written: `event` is INSERT or UPDATE.
    pub async fn refuse_mallory(&self, event: &str) {
        let function = "CREATE FUNCTION orders.refuse() RETURNS trigger LANGUAGE plpgsql AS $$
                        BEGIN RAISE EXCEPTION 'refused by the test' USING ERRCODE = '23514'; END $$";
        self.execute(function).await;
        let trigger = format!(
            "CREATE TRIGGER refuse BEFORE {event} ON orders.orders FOR EACH ROW
             WHEN (NEW.customer_email = 'mallory@example.com') EXECUTE FUNCTION orders.refuse()"
        );
        self.execute(trigger).await;
    }

    /// Makes the database refuse, with this SQLSTATE, every change of a reservation that holds the product.
    pub async fn refuse_changes(&self, product: i64, sqlstate: &str) {
        let function = format!(
            "CREATE FUNCTION inventory.refuse() RETURNS trigger LANGUAGE plpgsql AS $$
             BEGIN
                 IF EXISTS (SELECT FROM inventory.reservation_items
                            WHERE reservation_id = OLD.id AND product_id = {product})
                 THEN RAISE EXCEPTION 'refused by the test' USING ERRCODE = '{sqlstate}';
                 END IF;
                 RETURN NEW;
             END $$"
        );
        self.execute(function).await;
        let trigger = "CREATE TRIGGER refuse BEFORE UPDATE ON inventory.reservations
                       FOR EACH ROW EXECUTE FUNCTION inventory.refuse()";
        self.execute(trigger).await;
    }

    /// Ends what [`Self::refuse_changes`] began.
    pub async fn accept_changes(&self) {
        self.execute("DROP TRIGGER refuse ON inventory.reservations").await;
    }

    /// The stock of a product.
    pub async fn stock(&self, product: i64) -> i64 {
        self.number(format!("SELECT stock_quantity::bigint FROM inventory.products WHERE id = {product}")).await
    }
}

impl Drop for TestDatabase {
    /// A fresh database is deleted in no time; a hundred of them at the end of the run take a minute.
    fn drop(&mut self) {
        let drop = AssertSqlSafe(format!("DROP DATABASE {} WITH (FORCE)", self.name));
        let server_url = self.server_url.clone();
        afterwards::run(async move {
            if let Ok(mut server) = PgConnection::connect(&server_url).await {
                let _ = sqlx::query(drop).execute(&mut server).await;
            }
        });
    }
}
