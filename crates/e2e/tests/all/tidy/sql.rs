//! Where SQL stands, where transactions begin, whose tables a service reads, and what migrations leave older builds.

use super::{SERVICES, Source, assert_none, assert_without, is_edge, is_of_layer, production, services, walk};
use e2e::environment::workspace;

#[test]
fn sql_stands_in_the_store_only() {
    let outside = services().into_iter().filter(|source| !is_of_layer(source, "store"));
    let words = ["sqlx::query", "query!(", "query_as!(", "query_scalar!(", "QueryBuilder", "raw_sql", "query("];
    let breaches = outside.flat_map(|file| file.with_words(&words)).filter(|line| !line.contains(".query(&"));
    assert_none("SQL belongs into the store of a module", breaches.collect());
}

#[test]
fn transactions_begin_at_the_edges_only() {
    let inside: Vec<Source> = services().into_iter().filter(|source| !is_edge(source)).collect();
    let words = ["begin()", "begin_with(", "IDEMPOTENCY.once(", ".commit(tr", ".commit(tx"];
    assert_without("a transaction begins in a file whose first line says `//! EDGE:`", &inside, &words);
}

/// The version is the ETag. One mechanism counts it, the statement; the triggers are there for changes by hand.
#[test]
fn every_update_counts_the_version() {
    let versioned =
        ["orders.orders", "inventory.products", "inventory.reservations", "accounts.addresses", "accounts.users"];
    let mut updates = 0;
    let mut silent = Vec::new();
    for source in services().into_iter().filter(|source| is_of_layer(source, "store")) {
        for table in versioned {
            let update = format!("UPDATE {table}");
            let updated = source.text.split(&update).skip(1);
            for set in updated.filter_map(|rest| rest.split("WHERE").next()) {
                updates += 1;
                if !set.contains("version = ") {
                    silent.push(format!("{}: UPDATE {table}{set}", source.path));
                }
            }
        }
    }
    assert!(updates > 8, "the statements were not found");
    assert_none("an UPDATE sets `version = version + 1`", silent);
}

#[test]
fn one_service_does_not_read_the_tables_of_another() {
    // In the order of the services.
    let schemas = ["orders.", "inventory.", "accounts."];
    for (service, own) in SERVICES.into_iter().zip(schemas) {
        let store = production(&[&format!("crates/{service}/src")]);
        let others = schemas.into_iter().filter(|schema| *schema != own);
        let words = others.flat_map(|schema| ["FROM ", "JOIN ", "INTO ", "UPDATE "].map(|it| format!("{it}{schema}")));
        let words: Vec<String> = words.collect();
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        assert_without("each service has its own tables", &store, &words);
    }
}

/// What an older build uses may be gone then: the floor is raised, or a comment says why it need not be.
#[test]
fn a_migration_that_takes_something_away_names_the_floor() {
    let takes_away = ["DROP TABLE", "DROP COLUMN", "DROP VIEW", "RENAME ", "SET NOT NULL", "SET DATA TYPE"];
    let mut silent = Vec::new();
    for service in SERVICES {
        let mut migrations = Vec::new();
        walk(&workspace().join("migrations").join(service), &mut |path| {
            migrations.push((path.display().to_string(), std::fs::read_to_string(path).unwrap()));
        });
        migrations.sort();
        let floor = migrations.iter().position(|(_, text)| text.contains(".schema_floor (")).expect("a floor");
        let silently = |(_, text): &&(String, String)| {
            takes_away.iter().any(|words| text.contains(words)) && !text.contains("schema_floor")
        };
        silent.extend(migrations[floor..].iter().filter(silently).map(|(path, _)| path.clone()));
    }
    assert_none("a migration that takes something away raises schema_floor (docs/upgrades.md)", silent);
}
