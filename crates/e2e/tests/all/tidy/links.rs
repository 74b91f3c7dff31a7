//! Every link of the Markdown files leads somewhere, and every file that they name exists.

use super::{assert_none, walk};
use e2e::environment::workspace;
use reqwest::Url;
use std::collections::{BTreeMap, BTreeSet};

/// Names of files that are not in the checkout: the document, what the name holds, and why.
const NOT_THERE: [(&str, &str, &str); 3] = [
    ("CONTRIBUTING.md", "mod.rs", "the name that no file may have"),
    ("docs/access.md", "/.well-known/jwks.json", "a path that account-service serves"),
    ("docs/performance.md", "bench.json", "the benchmark writes it"),
];

/// What a name of a file begins or ends with.
const BEGINNINGS: [&str; 6] = ["crates/", "docs/", "migrations/", "deploy/", ".ci/", ".github/"];
const ENDINGS: [&str; 6] = [".rs", ".md", ".sql", ".yml", ".json", ".toml"];

/// The files of the checkout by their paths, and the texts of the Markdown files.
struct Checkout {
    files: BTreeSet<String>,
    documents: BTreeMap<String, String>,
}

impl Checkout {
    fn read() -> Self {
        let top = workspace().canonicalize().unwrap();
        let (mut files, mut documents) = (BTreeSet::new(), BTreeMap::new());
        walk(&top, &mut |path| {
            let name = path.strip_prefix(&top).unwrap().display().to_string();
            if name.ends_with(".md") {
                documents.insert(name.clone(), std::fs::read_to_string(path).unwrap());
            }
            files.insert(name);
        });
        assert!(documents.len() > 4, "the documents were not found");
        Self { files, documents }
    }

    /// Whether a path is that of a file or of a folder.
    fn has(&self, path: &str) -> bool {
        let folder = format!("{}/", path.trim_end_matches('/'));
        self.files.contains(path) || self.files.iter().any(|file| file.starts_with(&folder))
    }

    /// Whether a name is the end of a path: `orders.rs`, `store/orders.rs`, `<module>/store.rs`.
    fn has_named(&self, name: &str) -> bool {
        let end = name.rsplit_once('>').map_or(format!("/{name}"), |(_, after)| after.to_owned());
        self.files.iter().any(|file| file.ends_with(&end))
    }
}

/// The text of a document without its blocks of code.
fn prose(text: &str) -> String {
    let mut inside = false;
    let lines = text.lines().filter(|line| {
        let fence = line.trim_start().starts_with("```");
        inside ^= fence;
        !inside && !fence
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// What stands in a document between backticks, or outside of them.
fn parts(prose: &str, in_backticks: bool) -> impl Iterator<Item = &str> {
    prose.split('`').enumerate().filter(move |(index, _)| (index % 2 == 1) == in_backticks).map(|(_, part)| part)
}

/// The targets of the links of a document.
fn targets(prose: &str) -> Vec<String> {
    let outside = parts(prose, false).collect::<Vec<_>>().join("");
    let inline = outside.split("](").skip(1).filter_map(|rest| rest.split(')').next());
    let listed = outside.lines().filter(|line| line.starts_with('[')).filter_map(|line| line.split_once("]: "));
    inline.chain(listed.map(|(_, target)| target)).map(|target| target.trim().to_owned()).collect()
}

/// The anchors of the headings of a document, as GitHub makes them.
fn anchors(text: &str) -> BTreeSet<String> {
    let prose = prose(text);
    let headings = prose.lines().filter(|line| line.starts_with('#'));
    let kept = |c: char| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_');
    let anchor = |heading: &str| heading.trim_start_matches('#').trim().to_lowercase().replace(|c| !kept(c), "");
    headings.map(|heading| anchor(heading).replace(' ', "-")).collect()
}

/// A path from the top of the checkout, of a link in a document.
fn resolve(document: &str, link: &str) -> String {
    let mut parts: Vec<&str> = document.split('/').collect();
    parts.pop();
    for part in link.split('/') {
        match part {
            "." | "" => {}
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    parts.join("/")
}

/// What is wrong with a link.
fn breach(checkout: &Checkout, document: &str, target: &str) -> Option<&'static str> {
    if target.contains("://") {
        let sound = Url::parse(target).is_ok_and(|url| url.scheme() == "https" && url.has_host());
        return (!sound).then_some("is no https address");
    }
    let (path, anchor) = target.split_once('#').unwrap_or((target, ""));
    let path = if path.is_empty() { document.to_owned() } else { resolve(document, path) };
    if !checkout.has(&path) {
        return Some("leads nowhere");
    }
    let has_anchor = |text: &String| anchor.is_empty() || anchors(text).contains(anchor);
    (!checkout.documents.get(&path).is_none_or(has_anchor)).then_some("names no heading of it")
}

#[test]
fn every_link_leads_somewhere() {
    let checkout = Checkout::read();
    let mut count = 0;
    let mut breaches = Vec::new();
    for (document, text) in &checkout.documents {
        for target in targets(&prose(text)) {
            count += 1;
            breaches.extend(breach(&checkout, document, &target).map(|why| format!("{document}: {target} {why}")));
        }
    }
    assert!(count > 20, "the links were not found");
    assert_none("a link leads to a file or heading that exists", breaches);
}

#[test]
fn every_file_that_is_named_exists() {
    let checkout = Checkout::read();
    let is_name = |name: &&str| {
        let known = BEGINNINGS.iter().any(|it| name.starts_with(it)) || ENDINGS.iter().any(|it| name.ends_with(it));
        known && !name.contains(char::is_whitespace) && !name.contains("://")
    };
    let (mut count, mut missing) = (0, Vec::new());
    for (document, text) in &checkout.documents {
        let prose = prose(text);
        let names = parts(&prose, true).filter(is_name).flat_map(alternatives).inspect(|_| count += 1);
        let gone = names.filter(|name| !checkout.has(name) && !checkout.has_named(name));
        missing.extend(gone.map(|name| (document.as_str(), name)));
    }
    assert!(count > 30, "the names were not found");
    let is_excused =
        |(document, name): &(&str, String), (of, part, _): &(&str, &str, &str)| document == of && name.contains(part);
    let idle = NOT_THERE.iter().filter(|excuse| !missing.iter().any(|it| is_excused(it, excuse)));
    let idle: Vec<String> = idle.map(|excuse| format!("{excuse:?}")).collect();
    missing.retain(|it| !NOT_THERE.iter().any(|excuse| is_excused(it, excuse)));
    let missing = missing.iter().map(|(document, name)| format!("{document}: {name}"));
    assert_none("a file that is named exists", missing.collect());
    assert_none("an exception that nothing needs", idle);
}

/// The names that `store/{orders,products}.rs` stands for.
fn alternatives(name: &str) -> Vec<String> {
    let braces = name.split_once('{').and_then(|(before, rest)| Some((before, rest.split_once('}')?)));
    match braces {
        Some((before, (inner, after))) => inner.split(',').map(|it| format!("{before}{it}{after}")).collect(),
        None => vec![name.to_owned()],
    }
}
