//! What a service says of itself on `/health/ready`.

use crate::http::{self, Answer};

const PATH: &str = "/health/ready";

/// `Ok` when the service on this port of the loopback address shows one of these states, else what it shows.
pub fn check(port: u16, states: &[&str]) -> Result<(), String> {
    let Some(answer) = http::get(port, PATH) else {
        return Err("nothing".to_owned());
    };
    match state_in(&answer) {
        Some(state) if states.contains(&state.as_str()) => Ok(()),
        _ => Err(format!("{} {}", answer.status, answer.body)),
    }
}

/// The service's own state, which comes first; those of its dependencies stand behind it. Only a service that takes no
/// requests answers with anything but 200.
fn state_in(answer: &Answer) -> Option<String> {
    let body: String = answer.body.split_whitespace().collect();
    let (state, _) = body.strip_prefix(r#"{"status":""#)?.split_once('"')?;
    (answer.status == 200 || state == "DOWN").then(|| state.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_state_is_in_the_status_and_the_body() {
        let state = |status, body: &str| state_in(&Answer { status, body: body.to_owned() });
        assert_eq!(state(200, "{\n  \"status\": \"UP\"\n}").as_deref(), Some("UP"));
        assert_eq!(state(200, r#"{"status":"DOWN"}"#).as_deref(), Some("DOWN"), "its database is away");
        assert_eq!(state(503, r#"{"status":"DOWN"}"#).as_deref(), Some("DOWN"));
        assert_eq!(state(503, r#"{"status":"UP"}"#), None);
        let degraded = r#"{"status":"DEGRADED","dependencies":{"postgresql":{"status":"UP"}}}"#;
        assert_eq!(state(200, degraded).as_deref(), Some("DEGRADED"));
    }
}
