//! `deploy/kubernetes/shared/rules.yaml`: the rules of `deploy/prometheus` as the operator of Prometheus takes them.

use std::path::Path;

use crate::generate::compared::{Comparison, Mode, settle};
use crate::workspace::Workspace;
use testbed::error::{Result, TestbedError};
use testbed::step::Steps;

const FILE: &str = "deploy/kubernetes/shared/rules.yaml";

/// Where the rules are written.
const SOURCES: [&str; 2] = ["deploy/prometheus/rules/recording.yml", "deploy/prometheus/rules/alerts.yml"];

/// Groups about what is not in the cluster and not measured from there: a managed broker and a managed database.
const LEFT_OUT: [&str; 2] = ["rabbitmq", "backups"];

const HEAD: &str = "\
# Written by `cargo xtask generate` from deploy/prometheus/rules. The groups `rabbitmq` and `backups` are left out:
# docs/kubernetes.md says what takes their place.
apiVersion: monitoring.coreos.com/v1
kind: PrometheusRule
metadata:
  name: oms
spec:
  groups:
";

/// Renews or compares the manifest.
pub fn settle_manifest(workspace: &Workspace, mode: Mode, steps: &Steps) -> Result<Comparison> {
    let mut text = HEAD.to_owned();
    for source in SOURCES {
        let path = workspace.root.join(source);
        let rules = std::fs::read_to_string(&path).map_err(|cause| TestbedError::io("cannot read", &path, &cause))?;
        text += &groups(&rules).ok_or_else(|| TestbedError::new(format!("{source} has no groups")))?;
    }
    settle(workspace, Path::new(FILE), Some(text.as_bytes()), mode, steps)
}

/// The groups of a file of rules, one level further in.
fn groups(rules: &str) -> Option<String> {
    let (_, groups) = rules.split_once("\ngroups:\n")?;
    let mut taken = true;
    let lines = groups.lines().filter(|line| {
        if let Some(name) = line.strip_prefix("  - name: ") {
            taken = !LEFT_OUT.contains(&name);
        }
        taken
    });
    Some(lines.map(|line| format!("  {line}\n")).collect())
}

#[cfg(test)]
mod tests {
    use super::groups;

    #[test]
    fn groups_of_what_is_elsewhere_are_left_out() {
        let of = |name: &str| format!("  - name: {name}\n    rules:\n      - alert: A\n");
        let rules = format!("# Rules.\ngroups:\n{}{}{}", of("oms-orders"), of("backups"), of("watchdog"));
        let indented = |name: &str| format!("    - name: {name}\n      rules:\n        - alert: A\n");
        assert_eq!(groups(&rules), Some(indented("oms-orders") + &indented("watchdog")));
        assert_eq!(groups("rules: []\n"), None);
    }
}
