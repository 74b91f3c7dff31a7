//! How the modules of a service know each other: through what each shows, and in no circle.

use super::{SERVICES, Source, assert_none, production};
use std::collections::{BTreeMap, BTreeSet};

/// What puts a service together and is named by no module; it may name all of them.
const WIRING: [&str; 8] = ["lib", "main", "main_with_failure_points", "app", "routes", "config", "health", "terminal"];

/// The sources of a service by the file or folder below `src` that they belong to.
fn modules(service: &str) -> BTreeMap<String, Vec<Source>> {
    let top = format!("crates/{service}/src/");
    let mut modules: BTreeMap<String, Vec<Source>> = BTreeMap::new();
    for source in production(&[&top]) {
        let inside = source.path.strip_prefix(&top).unwrap();
        let name = inside.split('/').next().unwrap().trim_end_matches(".rs").to_owned();
        modules.entry(name).or_default().push(source);
    }
    modules
}

/// The file that says what a module is for, of each module that has a folder.
fn module_files() -> Vec<Source> {
    let folders = SERVICES.iter().flat_map(|service| modules(service)).filter(|(_, sources)| sources.len() > 1);
    let files = folders.filter_map(|(name, sources)| {
        let file = format!("/src/{name}.rs");
        sources.into_iter().find(|source| source.path.ends_with(&file))
    });
    let files: Vec<Source> = files.collect();
    assert!(files.len() > 4, "the modules were not found");
    files
}

/// The code of a file in one line without blanks, so that a path is found however it is broken.
fn code(source: &Source) -> String {
    source.code().flat_map(|(_, line)| line.split_whitespace()).collect()
}

/// What comes after `crate::` in a file: `orders::find_all`, with each item of a list on its own.
fn paths(code: &str) -> impl Iterator<Item = &str> {
    let is_in_path = |c: char| c.is_alphanumeric() || matches!(c, '_' | ':');
    code.split("crate::").skip(1).flat_map(move |rest| match rest.strip_prefix('{') {
        // `use crate::{health, orders};`
        Some(list) => list.split('}').next().unwrap_or_default().split(',').collect(),
        None => vec![rest.split(|c| !is_in_path(c)).next().unwrap_or_default()],
    })
}

/// Which modules each module of a service names.
fn graph(service: &str) -> BTreeMap<String, BTreeSet<String>> {
    let modules = modules(service);
    let is_module = |name: &str| modules.contains_key(name) && !WIRING.contains(&name);
    let names = |sources: &[Source], own: &str| -> BTreeSet<String> {
        let codes: Vec<String> = sources.iter().map(code).collect();
        let named = codes.iter().flat_map(|code| paths(code)).map(|path| path.split("::").next().unwrap_or_default());
        named.filter(|name| *name != own && is_module(name)).map(str::to_owned).collect()
    };
    let own = modules.iter().filter(|(name, _)| is_module(name));
    own.map(|(name, sources)| (name.clone(), names(sources, name))).collect()
}

/// What is left of a graph when those who name nobody are taken away again and again: the circles, and who names them.
fn circles(mut graph: BTreeMap<String, BTreeSet<String>>) -> BTreeMap<String, BTreeSet<String>> {
    while let Some(leaf) = graph.iter().find(|(_, named)| named.is_empty()).map(|(name, _)| name.clone()) {
        graph.remove(&leaf);
        graph.values_mut().for_each(|named| named.retain(|name| *name != leaf));
    }
    graph
}

#[test]
fn modules_form_no_circle() {
    for service in SERVICES {
        let graph = graph(service);
        assert!(graph.values().any(|named| !named.is_empty()), "the paths of {service} were not found");
        let circles = circles(graph);
        let breaches = circles.iter().map(|(name, named)| format!("{service}: {name} names {named:?}"));
        assert_none("modules name each other in a circle", breaches.collect());
    }
}

#[test]
fn modules_do_not_know_who_puts_them_together() {
    let mut breaches = Vec::new();
    for service in SERVICES {
        for (name, sources) in modules(service) {
            if WIRING.contains(&name.as_str()) {
                continue;
            }
            for source in sources {
                let code = code(&source);
                let wiring = paths(&code).filter(|path| WIRING.contains(&path.split("::").next().unwrap_or_default()));
                breaches.extend(wiring.map(|path| format!("{}: crate::{path}", source.path)));
            }
        }
    }
    assert_none("app, routes and config know the modules, not the other way round", breaches);
}

#[test]
fn a_module_is_named_through_what_it_shows() {
    let mut breaches = Vec::new();
    for service in SERVICES {
        let modules = modules(service);
        let layers = |module: &str| -> Vec<String> {
            let file = format!("/src/{module}.rs");
            let file = modules[module].iter().find(|source| source.path.ends_with(&file));
            let lines = file.into_iter().flat_map(|file| file.code());
            let layers = lines.filter_map(|(_, line)| line.split_once("mod ")?.1.strip_suffix(';').map(str::to_owned));
            layers.collect()
        };
        for (own, sources) in &modules {
            for source in sources {
                let code = code(source);
                let inside = paths(&code).filter(|path| {
                    let mut parts = path.split("::");
                    let (Some(module), Some(layer)) = (parts.next(), parts.next()) else { return false };
                    module != own
                        && modules.contains_key(module)
                        && layers(module).contains(&layer.to_owned())
                        && parts.next().is_some()
                });
                breaches.extend(inside.map(|path| format!("{}: crate::{path}", source.path)));
            }
        }
    }
    assert_none("another module is named as `crate::orders::Order`, never by its layers", breaches);
}

#[test]
fn a_module_keeps_its_layers_to_itself() {
    let files = module_files();
    let public = files.iter().flat_map(|file| file.with_words(&["pub mod", "pub(crate) mod"]));
    assert_none("a module shows items by `pub use`, not its layers", public.collect());
}

#[test]
fn a_module_says_in_few_lines_what_it_is_for() {
    let long = module_files().into_iter().filter_map(|file| {
        let lines = file.text.lines().take_while(|line| line.starts_with("//!")).count();
        (lines > 10).then(|| format!("{}: {lines} lines", file.path))
    });
    assert_none("a module needs at most ten lines to say what it is for", long.collect());
}
