//! What each service knows of itself alone, from its endpoint for it.

use crate::api::{Api, VerifyError};
use crate::report::Breach;
use serde::Deserialize;
use std::time::{Duration, Instant};

const PAUSE: Duration = Duration::from_millis(500);

/// A service looks at every row of its tables, which takes a quarter of a minute for a million orders.
const LONGEST_LOOK: Duration = Duration::from_secs(600);

#[derive(Debug, Deserialize)]
struct Invariants {
    holds: bool,
    #[serde(default)]
    breaches: Vec<Breach>,
}

/// The breaches a service finds in its own tables. P1 holds at every moment; anything else may be on its way to hold
/// again, such as an outbox after a long outage, and is asked for until it does or `patience` is over.
pub async fn ask(service: &Api, patience: Duration) -> Result<Vec<Breach>, VerifyError> {
    let started = Instant::now();
    let mut broken: Vec<Breach> = Vec::new();
    loop {
        let found = breaches(service.get_in_time("/api/admin/invariants", LONGEST_LOOK).await?);
        let (at_every_moment, passing): (Vec<Breach>, Vec<Breach>) =
            found.into_iter().partition(|breach| breach.promise == "P1");
        for breach in at_every_moment {
            if !broken.iter().any(|known| known.invariant == breach.invariant && known.ids == breach.ids) {
                broken.push(breach);
            }
        }
        if passing.is_empty() || started.elapsed() >= patience {
            broken.extend(passing);
            return Ok(broken);
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// An answer that denies without saying why is a breach all the same.
fn breaches(answer: Invariants) -> Vec<Breach> {
    if answer.holds || !answer.breaches.is_empty() {
        return answer.breaches;
    }
    vec![Breach {
        invariant: "invariants-hold".to_owned(),
        promise: "P1".to_owned(),
        ids: Vec::new(),
        detail: "the service denies it without naming a breach".to_owned(),
    }]
}

#[cfg(test)]
mod tests {
    use super::breaches;

    #[test]
    fn a_denial_is_a_breach_with_and_without_names() {
        let parse = |text| breaches(serde_json::from_str(text).unwrap());
        assert!(parse(r#"{"holds": true}"#).is_empty());
        assert_eq!(parse(r#"{"holds": false}"#).len(), 1);
        let named = parse(r#"{"holds": false, "breaches": [{"invariant": "x", "promise": "P2", "ids": ["1"]}]}"#);
        assert_eq!((named.len(), named[0].ids.len()), (1, 1));
    }
}
