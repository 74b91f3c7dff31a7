//! Builds of several releases on one schema: which start, which do not, and what those say.

use e2e::database::TestDatabase;
use e2e::environment::Environment;
use e2e::process::Service;
use e2e::samples::{MOUSE, int};
use e2e::shop::Shop;
use std::path::Path;
use std::process::{Command, Output};

/// In the order in which a shop lists its services.
const SCHEMAS: [&str; 3] = ["inventory", "orders", "accounts"];

/// The number of a migration that no build of these tests knows.
const NEWER: i64 = 9999;

/// What a newer release leaves behind.
async fn migrate_further(database: &TestDatabase) {
    for schema in SCHEMAS {
        let newer = format!(
            "INSERT INTO {schema}._sqlx_migrations (version, description, success, checksum, execution_time)
             VALUES ({NEWER}, 'from the future', TRUE, '', 1)"
        );
        database.execute(newer).await;
    }
}

async fn raise_floors(database: &TestDatabase) {
    for schema in SCHEMAS {
        assert_eq!(database.execute(format!("UPDATE {schema}.schema_floor SET floor = {NEWER}")).await, 1);
    }
}

/// The first words of the error of a build that is too old.
fn too_new(schema: &str) -> String {
    format!("the database schema {schema} is too new for this build: it takes builds that know migration {NEWER}, and")
}

#[tokio::test]
async fn a_build_works_on_a_newer_schema() {
    let mut shop = Shop::plan().with_accounts().open().await;
    migrate_further(&shop.database).await;
    for service in shop.services() {
        service.kill();
        service.start().await;
        assert_eq!(service.log_lines(&["database schema is newer than this build"]), 1, "{}", service.log());
    }
    let order = shop.place(&[(MOUSE, 1)]).await;
    shop.order_becomes(int(&order["id"]), "CONFIRMED").await;
    shop.register("ada@example.com").await;
}

#[tokio::test]
async fn a_build_below_the_floor_says_what_to_do() {
    let mut shop = Shop::plan().with_accounts().open().await;
    migrate_further(&shop.database).await;
    raise_floors(&shop.database).await;
    for (service, schema) in shop.services().zip(SCHEMAS) {
        service.kill();
        service.launch();
        assert!(!service.ended().await.success());
        let said = service.log_lines(&[&format!("error: {}", too_new(schema)), "start a newer build"]);
        assert_eq!(said, 1, "{}", service.log());
        let logged = service.log_lines(&[" ERROR ", "the service ends", &too_new(schema)]);
        assert_eq!(logged, 1, "{}", service.log());
    }
}

#[tokio::test]
async fn a_migration_that_was_changed_is_refused() {
    let mut shop = Shop::plan().with_accounts().open().await;
    shop.services().for_each(Service::kill);
    for schema in SCHEMAS {
        shop.database.execute(format!("UPDATE {schema}._sqlx_migrations SET checksum = '' WHERE version = 1")).await;
    }
    for (service, schema) in shop.services().zip(SCHEMAS) {
        service.launch();
        assert!(!service.ended().await.success());
        let says = format!("error: database schema {schema}: migration 1 was previously applied but has been modified");
        assert_eq!(service.log_lines(&[&says]), 1, "{}", service.log());
    }
}

/// Runs a service that brings its schema up to date and ends.
async fn migrate_only(binary: &Path, database: &TestDatabase) -> Output {
    let mut command = Command::new(binary);
    command.arg("--migrate-only").env_clear().env("DATABASE_URL", database.url()).env("NO_COLOR", "1");
    tokio::task::spawn_blocking(move || command.output()).await.unwrap().unwrap()
}

#[tokio::test]
async fn a_schema_is_brought_up_to_date_without_a_service() {
    let environment = Environment::get();
    let database = TestDatabase::create(&environment.database_url).await;
    let services = [
        (&environment.order_service, "orders"),
        (&environment.inventory_service, "inventory"),
        (&environment.account_service, "accounts"),
    ];
    for (binary, schema) in services {
        // The second time there is nothing to do.
        for _ in 0..2 {
            let Output { status, stdout, stderr } = migrate_only(binary, &database).await;
            let said = String::from_utf8([stdout, stderr].concat()).unwrap();
            assert!(status.success() && said.contains("database schema is up to date"), "{said}");
        }
        assert_eq!(database.number(format!("SELECT count(*) FROM {schema}.outbox")).await, 0);
    }
    migrate_further(&database).await;
    raise_floors(&database).await;
    for (binary, schema) in services {
        let Output { status, stderr, .. } = migrate_only(binary, &database).await;
        let said = String::from_utf8_lossy(&stderr);
        assert!(!status.success() && said.contains(&too_new(schema)), "{said}");
    }
}
