//! Terraform's files name only what there is. Types and what AWS takes are judged by `terraform validate`, in the workflow.

use super::{assert_none, files, read};
use std::collections::{BTreeMap, BTreeSet};

/// The files of one folder, without comments.
struct Module {
    text: String,
}

/// The blocks of a kind: their labels and what is in them.
fn blocks<'a>(text: &'a str, kind: &str) -> Vec<(Vec<&'a str>, &'a str)> {
    let start = format!("\n{kind} ");
    let after = text.split(&start).skip(1);
    let parts = after.filter_map(|rest| rest.split_once('{'));
    parts
        .map(|(head, body)| {
            let labels = head.split('"').skip(1).step_by(2).collect();
            (labels, body.split("\n}\n").next().unwrap_or_default())
        })
        .collect()
}

/// The names before `=` at the first level of a block.
fn arguments(body: &str) -> BTreeSet<&str> {
    let lines = body.lines().filter(|line| line.starts_with("  ") && !line.starts_with("   "));
    lines.filter_map(|line| line.split_once(" =")).map(|(name, _)| name.trim()).collect()
}

/// The names in the expressions: `var.name`, `data.aws_region.this.region`.
fn references(text: &str) -> impl Iterator<Item = Vec<&str>> {
    let is_part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.');
    text.split(move |c| !is_part(c)).map(|name| name.split('.').collect::<Vec<_>>()).filter(|parts| parts.len() > 1)
}

impl Module {
    fn read(folder: &str) -> Self {
        let of_folder = |path: &String| path.rsplit_once('/').is_some_and(|(parent, _)| parent == folder);
        let paths = files(folder, &[".tf"]).into_iter().filter(of_folder);
        let text: String = paths.map(|path| format!("\n{}\n", read(&path))).collect();
        let code = text.lines().filter(|line| !line.trim_start().starts_with('#'));
        Self { text: code.collect::<Vec<_>>().join("\n") + "\n" }
    }

    fn labels(&self, kind: &str, label: usize) -> BTreeSet<&str> {
        blocks(&self.text, kind).into_iter().map(|(labels, _)| labels[label]).collect()
    }

    /// What is used and is not there, and variables that nothing uses.
    fn breaches(&self, modules: &BTreeMap<String, Module>) -> Vec<String> {
        let (variables, locals) = (self.labels("variable", 0), self.locals());
        let of = |kind| -> BTreeSet<(&str, &str)> {
            blocks(&self.text, kind).into_iter().map(|(labels, _)| (labels[0], labels[1])).collect()
        };
        let (resources, data) = (of("resource"), of("data"));
        let (mut breaches, mut used) = (Vec::new(), BTreeSet::new());
        for parts in references(&self.text) {
            let is_there = match parts[..] {
                ["var", name, ..] => {
                    used.insert(name);
                    variables.contains(name)
                }
                ["local", name, ..] => locals.contains(name),
                ["data", kind, name, ..] => data.contains(&(kind, name)),
                ["module", module, output, ..] => {
                    modules.get(module).is_some_and(|it| it.labels("output", 0).contains(output))
                }
                [kind, name, ..] if kind.starts_with("aws_") => resources.contains(&(kind, name)),
                _ => true,
            };
            if !is_there {
                breaches.push(format!("{} is not there", parts.join(".")));
            }
        }
        breaches.extend(variables.difference(&used).map(|name| format!("nothing uses the variable {name}")));
        breaches
    }

    fn locals(&self) -> BTreeSet<&str> {
        let bodies = self.text.split("\nlocals {\n").skip(1).filter_map(|rest| rest.split("\n}\n").next());
        bodies.flat_map(arguments).collect()
    }
}

fn modules() -> BTreeMap<String, Module> {
    let paths = files("deploy/terraform/modules", &["main.tf"]);
    let folders = paths.iter().map(|path| path.trim_end_matches("/main.tf"));
    folders.map(|folder| (folder.rsplit('/').next().unwrap().to_owned(), Module::read(folder))).collect()
}

#[test]
fn what_is_named_is_there() {
    let (modules, root) = (modules(), Module::read("deploy/terraform"));
    assert_eq!(modules.len(), 6);
    let mut breaches = root.breaches(&modules);
    for (labels, body) in blocks(&root.text, "module") {
        let mut given = arguments(body);
        given.remove("source");
        let taken = modules[labels[0]].labels("variable", 0);
        assert_eq!(given, taken, "the arguments of module {}", labels[0]);
    }
    for (name, module) in &modules {
        breaches.extend(module.breaches(&BTreeMap::new()).into_iter().map(|breach| format!("{name}: {breach}")));
    }
    assert_none("Terraform would refuse it", &breaches);
}

#[test]
fn variables_are_described_and_secrets_have_no_default() {
    let mut breaches = Vec::new();
    for module in modules().values().chain([&Module::read("deploy/terraform")]) {
        for (labels, body) in blocks(&module.text, "variable").into_iter().chain(blocks(&module.text, "output")) {
            let (name, has) = (labels[0], arguments(body));
            if !has.contains("description") {
                breaches.push(format!("{name} is not described"));
            }
            let is_secret = name.contains("password") && !name.ends_with("version");
            if is_secret && (!body.contains("sensitive   = true") || has.contains("default")) {
                breaches.push(format!("{name} is a secret"));
            }
        }
    }
    assert_none("variables and outputs of Terraform", &breaches);
}

#[test]
fn logs_hold_no_secrets_and_end() {
    let edge = Module::read("deploy/terraform/modules/edge").text;
    assert!(!edge.contains("access_logs"), "a balancer's log has the secret links of guests");
    let redacted: Vec<&str> = edge.split("redacted_fields {").skip(1).map(str::trim_start).collect();
    for field in ["name = \"authorization\"", "name = \"x-webhook-secret\"", "uri_path {}", "query_string {}"] {
        let is_it = |rest: &&str| rest.split("\n  }\n").next().is_some_and(|body| body.contains(field));
        assert!(redacted.iter().any(is_it), "{field} is in the log of the firewall");
    }
    // What RDS sends to CloudWatch would be kept for ever, in groups that it makes itself.
    let database = Module::read("deploy/terraform/modules/database").text;
    for exported in
        ["${var.name}", "${var.name}-replica"].map(|of| ["postgresql", "upgrade"].map(|log| format!("\"{of}/{log}\"")))
    {
        for group in exported {
            assert!(database.contains(&group), "no group {group}");
        }
    }
    assert!(database.contains("retention_in_days = 90") && database.contains("\"/aws/rds/instance/${each.value}\""));
    assert!(!read("docs/aws.md").contains("PASSWORD '"), "the log of the database has each statement about roles");
}

#[test]
fn secrets_say_the_keys_that_the_pods_read() {
    let secrets = Module::read("deploy/terraform/modules/secrets").text;
    let line = secrets.lines().find_map(|line| line.trim().strip_prefix("database ")).unwrap();
    let said = read("docs/kubernetes.md");
    let row = said.lines().find(|line| line.starts_with("| `oms-database` ")).unwrap();
    for key in ["url", "replica-url", "ca.pem"] {
        assert!(line.contains(key) && row.contains(&format!("`{key}`")), "{key}");
    }
    assert!(row.contains("sslmode=verify-full&sslrootcert=/etc/oms/database/ca.pem"), "{row}");
}
