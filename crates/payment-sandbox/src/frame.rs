//! What stands around every call of both protocols: who calls, planned faults, idempotency keys, and breaches.

use crate::faults::Fault;
use crate::hooks::Provider;
use crate::keys::Claim;
use crate::razorpay::protocol::Razorpay;
use crate::stripe::protocol::Stripe;
use crate::{Options, Shared, State, now};
use axum::body::Bytes;
use axum::http::{HeaderMap, Method};
use serde_json::{Value, json};
use std::sync::Arc;

/// A call as it came.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    pub method: Method,
    pub path: String,
    pub query: String,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Call {
    /// `POST /v1/refunds`
    pub(crate) fn what(&self) -> String {
        format!("{} {}", self.method, self.path)
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// The parts of the path behind `/v1/`.
    pub(crate) fn parts(&self) -> Vec<&str> {
        self.path.trim_matches('/').split('/').skip(1).collect()
    }

    /// User and password of HTTP's own way to log in.
    pub(crate) fn basic(&self) -> Option<(String, String)> {
        let encoded = self.header("authorization")?.strip_prefix("Basic ")?;
        let text = String::from_utf8(data_encoding::BASE64.decode(encoded.as_bytes()).ok()?).ok()?;
        text.split_once(':').map(|(user, password)| (user.to_owned(), password.to_owned()))
    }
}

/// What a call is answered with.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub status: u16,
    pub body: Value,
    /// Whether an idempotency key keeps it.
    pub kept: bool,
}

impl Answer {
    pub(crate) fn ok(body: Value) -> Self {
        Self { status: 200, body, kept: true }
    }
}

/// A caller that was let in.
#[derive(Clone, Debug, Default)]
pub(crate) struct Admitted {
    /// What is wrong with how the call is made.
    pub breaches: Vec<String>,
    /// The idempotency key, with the request it stands for.
    pub key: Option<(String, String)>,
    /// Whether it is a customer's browser, with the key that is no secret.
    pub browser: bool,
}

/// What goes wrong around a call.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Trouble {
    /// Too many calls.
    Busy,
    /// An error inside the provider.
    Broken,
    /// The first call with this key is under way.
    KeyInUse,
    /// The key was that of another request.
    KeyReused,
}

/// One provider's way to be called.
pub(crate) trait Protocol: Send + Sync {
    fn provider(&self) -> Provider;
    /// Whether a key keeps an answer with this status.
    fn keeps(&self, status: u16) -> bool;
    fn admit(&self, options: &Options, call: &Call) -> Result<Admitted, Answer>;
    fn trouble(&self, trouble: Trouble) -> Answer;
    /// Does what is asked.
    fn perform(&self, state: &mut State, call: &Call, caller: &Admitted) -> Answer;
}

/// Razorpay has its own paths; the one that both have is told by the caller's key.
fn protocol_of(call: &Call) -> &'static dyn Protocol {
    let of_razorpay = matches!(call.parts().first(), Some(&"orders" | &"payments"));
    let by_razorpay = call.basic().is_some_and(|(user, _)| user.starts_with("rzp_"));
    if of_razorpay || by_razorpay { &Razorpay } else { &Stripe }
}

/// What leaves the sandbox.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Reply {
    Silence,
    Answer { status: u16, body: String, headers: Vec<(&'static str, String)> },
}

impl Reply {
    fn new(status: u16, body: String) -> Self {
        Self::Answer { status, body, headers: Vec::new() }
    }

    fn with(self, name: &'static str, value: &str) -> Self {
        match self {
            Self::Answer { status, body, mut headers } => {
                headers.push((name, value.to_owned()));
                Self::Answer { status, body, headers }
            }
            Self::Silence => Self::Silence,
        }
    }
}

impl From<Answer> for Reply {
    fn from(Answer { status, body, .. }: Answer) -> Self {
        Self::new(status, body.to_string())
    }
}

/// Answers a call of either protocol.
pub(crate) async fn answer(shared: Arc<Shared>, call: Call) -> Reply {
    let protocol = protocol_of(&call);
    let caller = match protocol.admit(&shared.options, &call) {
        Ok(caller) => caller,
        Err(refused) => return refused.into(),
    };
    let arrived = shared.arrived(&call, caller.key.as_ref().map(|(name, _)| name.clone()), &caller.breaches);
    let reply = after_admission(&shared, protocol, &call, &caller).await;
    if let Reply::Answer { status, .. } = &reply {
        shared.answered(arrived, *status);
    }
    reply
}

async fn after_admission(shared: &Arc<Shared>, protocol: &dyn Protocol, call: &Call, caller: &Admitted) -> Reply {
    let fault = shared.lock().faults.next(&call.what());
    match fault {
        Some(Fault::SilenceBefore) => return Reply::Silence,
        Some(Fault::TooMany) => return Reply::from(protocol.trouble(Trouble::Busy)).with("retry-after", "1"),
        _ => {}
    }
    if let Some(reply) = claim(shared, protocol, call, caller) {
        return reply;
    }
    match fault {
        Some(Fault::HeldBefore) => shared.hold().await,
        Some(Fault::Slow(time)) => tokio::time::sleep(time).await,
        _ => {}
    }
    let answer = shared.change(|state| {
        let broken = || protocol.trouble(Trouble::Broken);
        let answer = match fault {
            Some(Fault::Error) => broken(),
            _ => protocol.perform(state, call, caller),
        };
        let heard = if fault == Some(Fault::ErrorAfter) { broken() } else { answer.clone() };
        // Who keeps no errors keeps what was done.
        let kept = if protocol.keeps(heard.status) { &heard } else { &answer };
        if let Some((name, _)) = &caller.key {
            if kept.kept && protocol.keeps(kept.status) {
                state.keep(protocol.provider(), name, kept.status, &kept.body.to_string());
            } else {
                state.keys.free(protocol.provider(), name);
            }
        }
        heard
    });
    match fault {
        Some(Fault::SilenceAfter) => Reply::Silence,
        Some(Fault::Cut) => {
            let text = answer.body.to_string();
            let half = text.chars().take(text.chars().count() / 2).collect();
            Reply::new(answer.status, half)
        }
        Some(Fault::WrongAmount) => Reply::new(answer.status, other_amounts(answer.body).to_string()),
        Some(Fault::HeldAfter) => {
            shared.hold().await;
            answer.into()
        }
        _ => answer.into(),
    }
}

/// Takes the key of a call; gives the reply where the call is not the first with it.
fn claim(shared: &Shared, protocol: &dyn Protocol, call: &Call, caller: &Admitted) -> Option<Reply> {
    let (name, request) = caller.key.as_ref()?;
    let mut state = shared.lock();
    let (claim, old) = state.keys.claim(protocol.provider(), name, request, now());
    if old {
        state.breach(&format!("{}: a call after 23 hours under an old key", call.what()));
    }
    match claim {
        Claim::First => None,
        Claim::Repeat(status, body) => Some(Reply::new(status, body).with("idempotent-replayed", "true")),
        Claim::InFlight => Some(protocol.trouble(Trouble::KeyInUse).into()),
        Claim::Reused => {
            state.breach(&format!("{}: a key was used again for another request", call.what()));
            Some(protocol.trouble(Trouble::KeyReused).into())
        }
    }
}

/// The same answer with every amount one higher where there is one.
fn other_amounts(value: Value) -> Value {
    match value {
        Value::Object(fields) => {
            let other = |(name, value): (String, Value)| match value.as_u64() {
                Some(amount) if amount > 0 && name.starts_with("amount") => (name, json!(amount + 1)),
                _ => (name, other_amounts(value)),
            };
            Value::Object(fields.into_iter().map(other).collect())
        }
        Value::Array(items) => Value::Array(items.into_iter().map(other_amounts).collect()),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::other_amounts;
    use serde_json::json;

    #[test]
    fn amounts_change_wherever_they_stand() {
        let value = json!({"items": [{"amount": 1, "amount_paid": 2, "amount_due": 0, "count": 3}]});
        let other = json!({"items": [{"amount": 2, "amount_paid": 3, "amount_due": 0, "count": 3}]});
        assert_eq!(other_amounts(value), other);
    }
}
