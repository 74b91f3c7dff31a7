//! The alerts, their tests and the dashboards below `deploy/`, as far as tests look into them.

use e2e::environment::workspace;
use serde_json::Value;
use std::path::PathBuf;

/// The files of a folder of the checkout that have this ending, in the order of their names.
pub fn files(folder: &str, ending: &str) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(workspace().join(folder)).unwrap();
    let mut found: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    found.retain(|path| path.to_str().unwrap().ends_with(ending));
    found.sort();
    assert!(!found.is_empty(), "there is nothing in {folder}");
    found
}

/// The texts of all of them.
pub fn texts(folder: &str, ending: &str) -> String {
    files(folder, ending).iter().map(|path| std::fs::read_to_string(path).unwrap()).collect::<Vec<_>>().join("\n")
}

/// A rule of Prometheus.
pub struct Rule {
    /// `alert` or `record`.
    pub kind: &'static str,
    pub name: String,
    pub expression: String,
    /// Everything it says.
    pub text: String,
}

/// Every rule.
pub fn rules() -> Vec<Rule> {
    let text = texts("deploy/prometheus/rules", ".yml");
    let mut found: Vec<Rule> = Vec::new();
    for line in text.lines() {
        let begun = ["alert", "record"].into_iter().find_map(|kind| {
            let name = line.trim().strip_prefix("- ")?.strip_prefix(kind)?.strip_prefix(": ")?;
            Some(Rule { kind, name: name.to_owned(), expression: String::new(), text: String::new() })
        });
        found.extend(begun);
        if let Some(rule) = found.last_mut() {
            rule.text.push_str(line);
            rule.text.push('\n');
        }
    }
    for rule in &mut found {
        rule.expression = expression(&rule.text);
        assert!(!rule.expression.is_empty(), "{} has no expression", rule.name);
    }
    assert!(found.len() > 20, "the rules were not found");
    found
}

/// What stands behind `expr:`, on its line or on the lines below that go further in.
fn expression(rule: &str) -> String {
    let mut lines = rule.lines().skip_while(|line| !line.trim().starts_with("expr:"));
    let Some(first) = lines.next() else { return String::new() };
    let indent = |line: &str| line.len() - line.trim_start().len();
    let value = first.trim().trim_start_matches("expr:").trim();
    if value != ">-" {
        return value.to_owned();
    }
    lines.take_while(|line| indent(line) > indent(first)).map(str::trim).collect::<Vec<_>>().join(" ")
}

/// The dashboards, each with the name of its file.
pub fn dashboards() -> Vec<(String, Value)> {
    let read = |path: PathBuf| {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        (name, serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap())
    };
    files("deploy/grafana/dashboards", ".json").into_iter().map(read).collect()
}

/// The panels of a dashboard that show something.
pub fn panels(dashboard: &Value) -> Vec<&Value> {
    let panels = dashboard["panels"].as_array().unwrap().iter();
    panels.filter(|panel| panel["type"] != "row").collect()
}

/// The queries of a panel, its variables replaced as they could be.
pub fn queries(panel: &Value) -> Vec<String> {
    let queries = panel["targets"].as_array().into_iter().flatten();
    let plain = |query: &str| query.replace("$__rate_interval", "1m").replace("$job", ".+").replace("$instance", ".+");
    queries.map(|target| plain(target["expr"].as_str().unwrap())).collect()
}
