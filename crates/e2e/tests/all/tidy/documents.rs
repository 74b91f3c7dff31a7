//! What the documents and the generated files say is what is there.

use super::{SERVICES, assert_none, production, read, sources, walk};
use e2e::environment::workspace;

#[test]
fn the_readme_names_every_variable() {
    let readme = read("README.md");
    let rows: Vec<&str> = readme.lines().filter(|line| line.starts_with('|')).collect();
    let configs = production(&["/config"]);
    let variables = configs.iter().flat_map(|file| {
        file.text.split("env = \"").skip(1).filter_map(|rest| rest.split('"').next()).map(|name| (name, &file.path))
    });
    let mut count = 0;
    let missing = variables.inspect(|_| count += 1).filter(|(name, _)| !rows.iter().any(|row| row.contains(name)));
    let missing: Vec<String> = missing.map(|(name, path)| format!("{name} of {path}")).collect();
    assert!(count > 15, "the variables were not found");
    assert_none("the table of settings in README.md lacks", missing);
}

#[test]
fn what_people_look_for_is_there() {
    let wanted = ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "CHANGELOG.md", "LICENSE", "docker-compose.yml"];
    let wanted = wanted.into_iter().chain(["database-schema.sql"]).map(str::to_owned);
    let documents = SERVICES.map(|service| format!("docs/openapi/{service}.json"));
    let missing = wanted.chain(documents).filter(|path| !workspace().join(path).is_file());
    assert_none("missing in the checkout", missing.collect());
}

#[test]
fn the_architecture_is_a_short_read_and_leads_to_every_page() {
    let architecture = read("ARCHITECTURE.md");
    assert!(
        architecture.len() <= 14_000,
        "ARCHITECTURE.md has {} bytes, 14,000 can be read in ten minutes",
        architecture.len()
    );
    let mut missing = Vec::new();
    walk(&workspace().join("docs"), &mut |path| {
        let page = path.strip_prefix(workspace()).unwrap().display().to_string();
        if page.ends_with(".md") && !architecture.contains(&page) {
            missing.push(page);
        }
    });
    assert_none("ARCHITECTURE.md does not list", missing);
}

#[test]
fn the_schema_holds_every_migration() {
    let schema = read("database-schema.sql");
    let top = workspace().canonicalize().unwrap();
    let mut missing = Vec::new();
    walk(&top.join("migrations"), &mut |path| {
        let name = path.strip_prefix(&top).unwrap().display().to_string();
        let text = std::fs::read_to_string(path).unwrap();
        if !schema.contains(&name) || !schema.contains(text.trim()) {
            missing.push(name);
        }
    });
    assert_none("database-schema.sql is old, run `cargo xtask generate`; it lacks", missing);
}

#[test]
fn the_promises_name_tests_that_exist() {
    let promises = read("docs/promises.md");
    // `PlaceOrder::parse` is no test, `module::test` is one.
    let is_test = |text: &&str| text.contains("::") && !text.contains(|c: char| c.is_uppercase() || c == ' ');
    let named: Vec<&str> = promises.split('`').filter(is_test).collect();
    assert!(named.len() > 50, "the tests were not found");
    let tests = sources();
    let missing = named.into_iter().filter(|name| {
        let (module, test) = name.split_once("::").unwrap();
        let of_module = [format!("crates/e2e/tests/all/{module}.rs"), format!("crates/e2e/tests/all/{module}/")];
        let mut files = tests.iter().filter(|file| of_module.iter().any(|part| file.path.starts_with(part)));
        !files.any(|file| file.text.contains(&format!("fn {test}()")))
    });
    assert_none("docs/promises.md names tests that do not exist", missing.map(str::to_owned).collect());
    for promise in 1..=11 {
        assert!(promises.contains(&format!("* **P{promise}** `")), "docs/promises.md names no test of P{promise}");
    }
}

#[test]
fn every_release_says_what_it_may_follow() {
    let changelog = read("CHANGELOG.md");
    let releases: Vec<&str> = changelog.split("\n## [").skip(2).collect();
    let silent = releases.iter().filter(|text| !["**May follow**", "**Way back**"].iter().all(|it| text.contains(it)));
    assert_none("CHANGELOG.md lacks it for", silent.map(|text| text[..10].to_owned()).collect());
    let version = env!("CARGO_PKG_VERSION");
    assert!(
        releases.first().is_some_and(|newest| newest.starts_with(version)),
        "CHANGELOG.md begins with another release"
    );
}
