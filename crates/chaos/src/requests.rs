//! One attempt of a client at one process, and how its answer is to be taken.

use reqwest::{Client, Method};
use serde_json::Value;
use std::time::Duration;

/// How long a client waits: longer than the services promise to need for a refusal, shorter than the longest pause.
const PATIENCE: Duration = Duration::from_secs(5);

/// A request, before it is sent to one process or the other.
#[derive(Clone, Debug)]
pub struct Request {
    pub method: Method,
    pub path: String,
    pub key: Option<String>,
    pub later: bool,
    /// The access token of who asks.
    pub bearer: Option<String>,
    /// The body, as it is sent.
    pub body: Option<String>,
    /// How long the client waits, where that is not the usual time.
    pub patience: Option<Duration>,
}

/// An answer as far as clients look at it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Answer {
    pub status: u16,
    pub location: Option<String>,
    /// Whether it says when to try again.
    pub retry_after: bool,
    pub text: String,
}

/// What came of one attempt.
#[derive(Clone, Debug)]
pub enum Attempt {
    Answered(Answer),
    /// No connection: nothing was sent.
    NotSent,
    /// It was sent, and no answer came: it may have been done.
    Lost(&'static str),
}

impl Request {
    /// `GET path`.
    pub fn get(path: String) -> Self {
        Self { method: Method::GET, path, key: None, later: false, bearer: None, body: None, patience: None }
    }

    /// With a JSON body.
    pub fn with_body(method: Method, path: impl Into<String>, body: &Value) -> Self {
        Self { method, body: Some(body.to_string()), ..Self::get(path.into()) }
    }

    /// With an `Idempotency-Key`.
    #[must_use]
    pub fn keyed(self, key: &str) -> Self {
        Self { key: Some(key.to_owned()), ..self }
    }

    /// Sends it to the process at `base`, once.
    pub async fn send(&self, http: &Client, base: &str) -> Attempt {
        let mut request = http.request(self.method.clone(), format!("{base}{}", self.path));
        if let Some(key) = &self.key {
            request = request.header("idempotency-key", key);
        }
        if self.later {
            request = request.header("prefer", "respond-async");
        }
        if let Some(token) = &self.bearer {
            request = request.bearer_auth(token);
        }
        if let Some(body) = &self.body {
            request = request.header("content-type", "application/json").body(body.clone());
        }
        if let Some(patience) = self.patience {
            request = request.timeout(patience);
        }
        match receive(request).await {
            Ok(answer) => Attempt::Answered(answer),
            Err(error) if error.is_connect() => Attempt::NotSent,
            Err(error) if error.is_timeout() && self.patience.is_some() => Attempt::Lost("hung up"),
            Err(error) if error.is_timeout() => Attempt::Lost("timeout"),
            Err(_) => Attempt::Lost("broken off"),
        }
    }
}

async fn receive(request: reqwest::RequestBuilder) -> Result<Answer, reqwest::Error> {
    let response = request.send().await?;
    let header = |name: &str| response.headers().get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
    let (location, retry_after) = (header("location"), header("retry-after"));
    let retry_after = retry_after.is_some_and(|seconds| seconds.parse::<u32>().is_ok());
    Ok(Answer { status: response.status().as_u16(), location, retry_after, text: response.text().await? })
}

/// The HTTP client of one client of the shop. As a rule it keeps its connections, as real ones do.
pub fn client(keeps_connections: bool) -> Result<Client, reqwest::Error> {
    http_client::client()
        .pool_max_idle_per_host(if keeps_connections { usize::MAX } else { 0 })
        .connect_timeout(Duration::from_secs(1))
        .timeout(PATIENCE)
        .redirect(reqwest::redirect::Policy::none())
        .build()
}

/// How an attempt is to be taken.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// It settles the matter.
    Definite(Answer),
    /// Nothing was done; another process may be asked.
    NotSent,
    /// The token is not good any more: nothing was done, and its owner has to get another one.
    Renew,
    /// It may have been done or not; this is how systems may answer while parts of them are away.
    Unknown,
    /// This must not be answered, whatever is broken.
    Wrong(String),
}

/// Takes an attempt; `expected` are the statuses that settle the matter.
pub fn verdict(attempt: &Attempt, expected: &[u16]) -> Verdict {
    match attempt {
        Attempt::NotSent => Verdict::NotSent,
        Attempt::Lost(_) => Verdict::Unknown,
        Attempt::Answered(answer) if expected.contains(&answer.status) => Verdict::Definite(answer.clone()),
        Attempt::Answered(answer) if answer.status == 503 && answer.retry_after => Verdict::Unknown,
        Attempt::Answered(answer) if answer.status == 503 => Verdict::Wrong("503 without Retry-After".to_owned()),
        Attempt::Answered(answer) => Verdict::Wrong(format!("{}: {}", answer.status, answer.text)),
    }
}

/// The attempt in one word, for the table.
pub fn label(attempt: &Attempt) -> String {
    match attempt {
        Attempt::Answered(answer) => answer.status.to_string(),
        Attempt::NotSent => "refused".to_owned(),
        Attempt::Lost(why) => (*why).to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::{Answer, Attempt, Verdict, verdict};

    fn answered(status: u16, retry_after: bool) -> Attempt {
        Attempt::Answered(Answer { status, location: None, retry_after, text: "text".to_owned() })
    }

    #[test]
    fn only_a_503_that_says_when_to_come_back_is_an_excuse() {
        assert!(matches!(verdict(&answered(201, false), &[201, 409]), Verdict::Definite(_)));
        assert_eq!(verdict(&answered(503, true), &[201]), Verdict::Unknown);
        assert!(matches!(verdict(&answered(503, false), &[201]), Verdict::Wrong(_)));
        assert_eq!(verdict(&answered(500, true), &[201]), Verdict::Wrong("500: text".to_owned()));
        assert!(matches!(verdict(&answered(404, false), &[201]), Verdict::Wrong(_)));
        assert_eq!(verdict(&Attempt::NotSent, &[201]), Verdict::NotSent);
        assert_eq!(verdict(&Attempt::Lost("timeout"), &[201]), Verdict::Unknown);
    }
}
