//! What the services wrote down: a panic behind an answer that looks fine is a finding all the same.

use crate::stage::Stage;

/// The lines of all logs in which a thread panicked.
pub fn panics(stage: &Stage) -> Vec<String> {
    let mut findings = Vec::new();
    for running in stage.processes() {
        let log = std::fs::read_to_string(&running.log).unwrap_or_default();
        findings.extend(panic_lines(&log).map(|line| format!("{}: {line}", running.process)));
    }
    findings
}

fn panic_lines(log: &str) -> impl Iterator<Item = &str> {
    log.lines().filter(|line| line.contains("panicked at"))
}

#[cfg(test)]
mod tests {
    use super::panic_lines;

    #[test]
    fn a_panic_is_found() {
        let log = "INFO listening\nthread 'tokio-rt-worker' panicked at src/x.rs:1:1:\nINFO stopped\n";
        assert_eq!(panic_lines(log).count(), 1);
    }
}
