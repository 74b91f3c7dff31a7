//! Which statements the code has, and which of them a server ran, as its log says.

use e2e::environment::workspace;
use serde_json::Value;
use std::collections::BTreeSet;
use std::path::Path;

/// The schemas that a statement of the kit stands for.
const SCHEMAS: [&str; 3] = ["orders", "inventory", "accounts"];

/// How a statement begins in the code of the kit.
const BEGINNINGS: [&str; 7] = ["SELECT ", "INSERT ", "UPDATE ", "DELETE ", "WITH ", "LOCK ", "SET "];

/// A statement of the code, with the blanks of one line.
#[derive(Debug)]
pub struct Statement {
    /// Where it stands.
    pub place: String,
    /// Its text, with `{schema}` in those of the kit.
    pub text: String,
    /// Whether this is only a piece, of a statement that is put together while the service runs.
    is_piece: bool,
}

impl Statement {
    fn new(place: &str, text: &str, is_piece: bool) -> Self {
        Self { place: place.to_owned(), text: in_one_line(text), is_piece }
    }

    /// Whether it needs a plan for tables of ours.
    pub fn reads_tables(&self) -> bool {
        let tables = SCHEMAS.iter().any(|schema| self.text.contains(&format!("{schema}.")));
        self.is_piece || (tables || self.text.contains("{schema}.")) && !self.text.starts_with("LOCK ")
    }

    /// Whether it is among those that ran.
    pub fn is_among(&self, ran: &BTreeSet<String>) -> bool {
        if self.is_piece {
            // What `format!` puts in between may be anything.
            let parts: Vec<&str> = self.text.split(['{', '}']).step_by(2).collect();
            return ran.iter().any(|it| parts.iter().all(|part| it.contains(part.trim())));
        }
        SCHEMAS.iter().any(|schema| ran.contains(&self.text.replace("{schema}", schema)))
    }
}

/// Every statement of the services and of the kit.
pub fn all() -> Vec<Statement> {
    let top = workspace().canonicalize().unwrap();
    let mut found = Vec::new();
    for file in files(&top.join(".sqlx")) {
        let query: Value = serde_json::from_str(&read(&file)).unwrap();
        found.push(Statement::new(".sqlx", query["query"].as_str().unwrap(), false));
    }
    for name in ["service-kit", "order-service", "inventory-service", "account-service"] {
        for file in files(&top.join("crates").join(name).join("src")) {
            let text = read(&file);
            let code = text.split("#[cfg(test)]").next().unwrap_or_default();
            let place = file.strip_prefix(&top).unwrap().display().to_string();
            let statements = if name == "service-kit" { literals(code, &BEGINNINGS) } else { Vec::new() };
            found.extend(statements.into_iter().map(|literal| Statement::new(&place, literal, false)));
            // From where it is begun to the end of the function: every second part is a literal.
            let built = code.split("= QueryBuilder::new(").skip(1).filter_map(|rest| rest.split("\n}\n").next());
            let pieces = built.flat_map(|function| function.split('"').skip(1).step_by(2));
            found.extend(pieces.map(|literal| Statement::new(&place, literal, true)));
        }
    }
    assert!(found.len() > 60, "the statements were not found");
    found
}

/// What a server with `log_statement = 'all'` ran since its log had this length.
pub fn run_since(log: &Path, length: usize) -> BTreeSet<String> {
    let text = std::fs::read(log).unwrap();
    let text = String::from_utf8_lossy(&text[length..]);
    // The further lines of an entry begin with a tab.
    let entries = text.replace("\n\t", " ");
    let statements = entries.lines().filter_map(|entry| {
        let (_, said) = entry.split_once("LOG:  ")?;
        let executed = said.strip_prefix("execute ").and_then(|rest| rest.split_once(": "));
        executed.map(|(_, statement)| statement).or_else(|| said.strip_prefix("statement: "))
    });
    statements.map(in_one_line).collect()
}

/// The string literals of a piece of code that begin with one of these.
fn literals<'a>(code: &'a str, beginnings: &[&str]) -> Vec<&'a str> {
    let starts = code.match_indices('"').map(|(index, _)| &code[index + 1..]);
    let wanted = starts.filter(|rest| beginnings.iter().any(|it| rest.starts_with(it)));
    wanted.filter_map(|rest| rest.split('"').next()).collect()
}

fn in_one_line(text: &str) -> String {
    // A line that Rust joins to the next one ends with a backslash.
    text.replace('\\', " ").split_whitespace().collect::<Vec<_>>().join(" ")
}

fn files(folder: &Path) -> Vec<std::path::PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

fn read(file: &Path) -> String {
    let bytes = std::fs::read(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    // Keys lie beside the tests of tokens.
    String::from_utf8_lossy(&bytes).into_owned()
}
