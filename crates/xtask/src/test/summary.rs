//! Adding up what the test binaries of one `cargo test` say.

use std::collections::BTreeSet;

/// What all the test binaries said so far.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Summary {
    pub passed: u64,
    /// Tests that failed, and test binaries that ended without saying how their tests went.
    pub failed: u64,
    /// Tests that were not run.
    pub ignored: u64,
    /// The names of what failed, each with its binary.
    pub failures: BTreeSet<String>,
    running: Option<String>,
    listed: Vec<String>,
}

impl Summary {
    /// Takes in one line of cargo's output.
    pub fn read_line(&mut self, line: &str) {
        let line = without_colour(line);
        let trimmed = line.trim();
        if let Some(binary) = started_binary(trimmed) {
            self.finish();
            self.running = Some(binary);
        } else if let Some(counts) = trimmed.strip_prefix("test result: ") {
            self.add(counts);
        } else if trimmed == "failures:" {
            // Said twice: once before what the tests printed, then once before their names only.
            self.listed.clear();
        } else if let Some(name) = line.strip_prefix("    ") {
            self.listed.push(name.trim().to_owned());
        }
    }

    /// To be called at the end: a binary that is still without a result has crashed.
    pub fn finish(&mut self) {
        if let Some(binary) = self.running.take() {
            self.failed += 1;
            self.failures.insert(format!("{binary} ended without a result"));
        }
        self.listed.clear();
    }

    fn add(&mut self, counts: &str) {
        let failed = count(counts, "failed");
        self.passed += count(counts, "passed");
        self.ignored += count(counts, "ignored");
        self.failed += failed;
        let binary = self.running.take().unwrap_or_else(|| "tests".to_owned());
        let names = std::mem::take(&mut self.listed);
        if failed > 0 {
            self.failures.extend(names.iter().map(|name| format!("{binary}: {name}")));
        }
    }
}

/// The binary out of `Running tests/api.rs (target/debug/deps/api-0123456789abcdef)` or `Doc-tests shared_types`.
fn started_binary(line: &str) -> Option<String> {
    if let Some(name) = line.strip_prefix("Doc-tests ") {
        return Some(format!("doc-tests of {name}"));
    }
    let (source, path) = line.strip_prefix("Running ")?.strip_suffix(')')?.split_once(" (")?;
    let file = path.rsplit('/').next()?;
    let name = file.rsplit_once('-').map_or(file, |(name, _hash)| name);
    Some(format!("{name} ({})", source.trim_start_matches("unittests ")))
}

/// The number before a word in `ok. 3 passed; 1 failed; 0 ignored`.
fn count(counts: &str, word: &str) -> u64 {
    let part = counts.split(['.', ';']).map(str::trim).find_map(|part| part.strip_suffix(word));
    part.and_then(|number| number.trim().parse().ok()).unwrap_or(0)
}

/// The line without the escape sequences that set colours (ECMA-48, `ESC [ … m`).
fn without_colour(line: &str) -> String {
    let mut plain = String::with_capacity(line.len());
    let mut rest = line;
    while let Some((before, after)) = rest.split_once("\u{1b}[") {
        plain.push_str(before);
        rest = after.split_once('m').map_or("", |(_codes, text)| text);
    }
    plain.push_str(rest);
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    fn summary_of(text: &str) -> Summary {
        let mut summary = Summary::default();
        text.lines().for_each(|line| summary.read_line(line));
        summary.finish();
        summary
    }

    #[test]
    fn adds_up_all_binaries() {
        let summary = summary_of(
            "     Running unittests src/lib.rs (target/debug/deps/order_service-0123)\n\
             test result: ok. 3 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.00s\n\
             \x20  Doc-tests shared_types\n\
             test result: ok. 2 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.00s\n",
        );
        assert_eq!((summary.passed, summary.failed, summary.ignored), (5, 0, 1));
        assert!(summary.failures.is_empty());
    }

    #[test]
    fn names_what_failed_and_not_what_it_printed() {
        let summary = summary_of(
            "\u{1b}[1m\u{1b}[32m     Running\u{1b}[0m tests/api.rs (target/debug/deps/api-0123)\n\
             test places ... FAILED\n\nfailures:\n\n---- places stdout ----\n    left: 1\n\n\nfailures:\n    places\n\n\
             test result: FAILED. 7 passed; 1 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.00s\n",
        );
        assert_eq!((summary.passed, summary.failed), (7, 1));
        assert_eq!(Vec::from_iter(summary.failures), ["api (tests/api.rs): places"]);
    }

    #[test]
    fn a_crashed_binary_counts_as_a_failure() {
        let summary = summary_of(
            "     Running tests/api.rs (target/debug/deps/api-0123)\nrunning 3 tests\n\
             error: test failed, to rerun pass `-p x --test api`\n\
             \x20    Running tests/other.rs (target/debug/deps/other-0123)\n\
             test result: ok. 1 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.00s\n",
        );
        assert_eq!((summary.passed, summary.failed), (1, 1));
        assert_eq!(Vec::from_iter(summary.failures), ["api (tests/api.rs) ended without a result"]);
    }
}
