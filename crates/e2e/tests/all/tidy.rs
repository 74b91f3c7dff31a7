//! The rules of the house as tests over the files of the checkout. They need no servers.

mod documents;
mod layout;
mod links;
mod modules;
mod scopes;
mod sql;

use e2e::environment::workspace;
use std::path::Path;

/// A file of the checkout.
struct Source {
    /// Its path from the top of the checkout.
    path: String,
    text: String,
}

impl Source {
    /// The lines of code before its tests, numbered, without comments.
    fn code(&self) -> impl Iterator<Item = (usize, &str)> {
        let before_tests = self.text.lines().take_while(|line| line.trim() != "#[cfg(test)]");
        let code = before_tests.map(|line| line.split("//").next().unwrap_or_default());
        code.enumerate().map(|(index, line)| (index + 1, line))
    }

    fn is_test(&self) -> bool {
        self.path.starts_with("crates/e2e/") || self.path.contains("/tests/") || self.path.ends_with("/tests.rs")
    }

    /// Where any of the words stands in its code.
    fn with_words(&self, words: &[&str]) -> Vec<String> {
        let hits = self.code().filter(|(_, line)| words.iter().any(|word| line.contains(word)));
        hits.map(|(number, line)| format!("{}:{number}: {}", self.path, line.trim())).collect()
    }
}

/// Every Rust file below `crates/`.
fn sources() -> Vec<Source> {
    let top = workspace().canonicalize().unwrap();
    let mut found = Vec::new();
    walk(&top.join("crates"), &mut |path| {
        if path.extension().is_some_and(|it| it == "rs") {
            let text = std::fs::read_to_string(path).unwrap();
            found.push(Source { path: path.strip_prefix(&top).unwrap().display().to_string(), text });
        }
    });
    assert!(found.len() > 50, "the sources were not found");
    found
}

/// The files of production code whose path has one of these in it.
fn production(parts: &[&str]) -> Vec<Source> {
    let wanted = |source: &Source| !source.is_test() && parts.iter().any(|part| source.path.contains(part));
    let found: Vec<Source> = sources().into_iter().filter(wanted).collect();
    assert!(!found.is_empty(), "there is nothing in {parts:?}");
    found
}

/// The services, by the names of their crates.
const SERVICES: [&str; 3] = ["order-service", "inventory-service", "account-service"];

/// The production code of the services.
fn services() -> Vec<Source> {
    SERVICES.iter().flat_map(|service| production(&[&format!("crates/{service}/src/")])).collect()
}

/// Whether a file is the layer of a module, or in its folder: `orders/store.rs`, `orders/store/placing.rs`.
fn is_of_layer(source: &Source, layer: &str) -> bool {
    let mut parts = source.path.split('/').skip_while(|part| *part != "src").skip(2);
    parts.next().is_some_and(|part| part.trim_end_matches(".rs") == layer)
}

/// Whether a file may begin transactions.
fn is_edge(source: &Source) -> bool {
    source.text.starts_with("//! EDGE: ")
}

fn walk(folder: &Path, visit: &mut dyn FnMut(&Path)) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            if !["target", ".run", ".git", "node_modules"].iter().any(|name| path.ends_with(name)) {
                walk(&path, visit);
            }
        } else {
            visit(&path);
        }
    }
}

fn read(path: &str) -> String {
    std::fs::read_to_string(workspace().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

#[track_caller]
fn assert_none(rule: &str, breaches: Vec<String>) {
    assert!(breaches.is_empty(), "{rule}:\n  {}", breaches.join("\n  "));
}

#[track_caller]
fn assert_without(rule: &str, files: &[Source], words: &[&str]) {
    assert_none(rule, files.iter().flat_map(|file| file.with_words(words)).collect());
}

#[test]
fn no_file_has_a_name_that_says_nothing() {
    let forbidden = ["utils", "helpers", "common", "manager", "service", "factory", "mod"];
    let named = |source: &Source| {
        let stem = Path::new(&source.path).file_stem().unwrap().to_string_lossy().into_owned();
        forbidden.contains(&stem.as_str())
    };
    assert_none("such a name hides what is in it", sources().into_iter().filter(named).map(|it| it.path).collect());
}

#[test]
fn no_file_is_long() {
    let long = sources().into_iter().map(|source| (source.text.lines().count(), source.path));
    let long = long.filter(|(lines, _)| *lines > 400).map(|(lines, path)| format!("{path}: {lines} lines"));
    assert_none("a file has at most 400 lines", long.collect());
}

#[test]
fn every_file_says_why_it_exists() {
    let silent = sources().into_iter().filter(|source| !source.text.starts_with("//! "));
    assert_none("the first line is a `//!`", silent.map(|source| source.path).collect());
}

#[test]
fn production_code_does_not_panic() {
    let code: Vec<Source> = sources().into_iter().filter(|source| !source.is_test()).collect();
    let words = [".unwrap()", ".expect(", "panic!(", "todo!(", "unimplemented!(", "unreachable!(", "dbg!("];
    assert_without("errors are answered, not panicked over", &code, &words);
}

#[test]
fn no_test_is_ignored() {
    let word = concat!("#[", "ignore");
    let ignored = sources().into_iter().filter(|source| source.text.contains(word)).map(|source| source.path);
    assert_none("a test that does not run proves nothing", ignored.collect());
}

#[test]
fn tests_await_conditions() {
    let word = concat!("sleep", "(");
    let polls = ["crates/e2e/src/poll.rs", "crates/e2e/src/browser.rs"];
    let tests = sources().into_iter().filter(|source| source.is_test() && !polls.contains(&source.path.as_str()));
    assert_none("await a condition instead", tests.flat_map(|source| source.with_words(&[word])).collect());
}

#[test]
fn money_is_never_a_float() {
    let parts = ["crates/shared-types/src/", "/domain", "/store", "/commands"];
    let floats = production(&parts).into_iter().flat_map(|source| source.with_words(&["f32", "f64"]));
    // In the document an amount is a number; in the code it is not.
    let floats = floats.filter(|line| !line.contains("value_type = f64") && !line.contains("value_type = Option<f64>"));
    assert_none("money is a decimal", floats.collect());
}

#[test]
fn every_metric_is_described() {
    let described: Vec<Source> = production(&["src/measures.rs"]);
    let is_described = |name: &str| described.iter().any(|file| file.text.contains(&format!("\"{name}\"")));
    let mut undescribed = Vec::new();
    for source in services().into_iter().chain(production(&["crates/service-kit/src/"])) {
        for kind in ["counter!(\"", "gauge!(\"", "histogram!(\""] {
            let names = source.text.split(kind).skip(1).filter_map(|rest| rest.split('"').next());
            undescribed.extend(names.filter(|name| !is_described(name)).map(|name| format!("{}: {name}", source.path)));
        }
    }
    assert_none("a metric has its line in measures.rs", undescribed);
}

#[test]
fn nothing_but_the_kit_can_publish() {
    assert_without("events leave through the outbox", &services(), &["lapin", "basic_publish"]);
    for service in SERVICES {
        let manifest = format!("crates/{service}/Cargo.toml");
        assert!(!read(&manifest).contains("lapin"), "{manifest} names lapin");
    }
}
