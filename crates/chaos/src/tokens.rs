//! Whether the processes take the tokens that account-service gives: those of before and after a rotation, and the first one.

use crate::error::ChaosError;
use crate::schedule::Process;
use crate::stage::{Running, Stage};
use serde::Deserialize;
use serde_json::json;
use std::time::{Duration, Instant};
use testbed::TestbedError;
use tokio::time::sleep;
use verify::VerifyError;

/// How long is waited for what is promised sooner, so that a run can say how late it was.
const LIMIT: Duration = Duration::from_secs(60);

const PAUSE: Duration = Duration::from_millis(50);

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Granted {
    access_token: String,
}

/// Waits until every process takes a token. One that is up may have yet to fetch the keys of account-service, and answers 503 to
/// everybody with a token until then.
pub async fn are_taken(stage: &Stage) -> Result<(), ChaosError> {
    are_taken_by(stage.http(), &stage.accounts[0].base, &calls(stage)).await
}

async fn are_taken_by(http: &reqwest::Client, accounts: &str, calls: &[String]) -> Result<(), ChaosError> {
    let token = register(http, accounts).await?;
    let all_answer = async || answers_to(http, calls, &token).await.iter().all(|status| *status == 200);
    if until(all_answer).await.is_none() {
        let statuses = answers_to(http, calls, &token).await;
        return Err(TestbedError::new(format!("the first token was answered {statuses:?}")).into());
    }
    Ok(())
}

/// What each process answers to the token; 0 where there is no answer.
pub async fn answers(stage: &Stage, token: &str) -> Vec<u16> {
    answers_to(stage.http(), &calls(stage), token).await
}

/// How long it takes until it is so; nothing where it is not by the end.
pub async fn until(is_so: impl AsyncFn() -> bool) -> Option<Duration> {
    let began = Instant::now();
    while !is_so().await {
        if began.elapsed() > LIMIT {
            return None;
        }
        sleep(PAUSE).await;
    }
    Some(began.elapsed())
}

/// A call at each process that needs a token.
fn calls(stage: &Stage) -> Vec<String> {
    let call = |running: &Running| {
        let path = match running.process {
            Process::Order(_) => "/api/orders?limit=1",
            Process::Inventory(_) => "/api/inventory/products?limit=1",
            Process::Account(_) => "/api/accounts/me",
        };
        format!("{}{path}", running.base)
    };
    stage.processes().map(call).collect()
}

async fn answers_to(http: &reqwest::Client, calls: &[String], token: &str) -> Vec<u16> {
    let mut statuses = Vec::new();
    for call in calls {
        let answer = http.get(call).bearer_auth(token).send().await;
        statuses.push(answer.map_or(0, |answer| answer.status().as_u16()));
    }
    statuses
}

/// The token of a customer who only looks.
async fn register(http: &reqwest::Client, accounts: &str) -> Result<String, ChaosError> {
    let url = format!("{accounts}/api/auth/register");
    let unexpected = |what: String| VerifyError::Unexpected { url: url.clone(), what };
    let body = json!({"email": "first@customers.example", "password": "plum-tractor-violin-9", "name": "Ada Lovelace"});
    let request = http.post(&url).header("content-type", "application/json").body(body.to_string());
    let answer = request.send().await.map_err(|error| unexpected(error.to_string()))?;
    let text = answer.text().await.map_err(|error| unexpected(error.to_string()))?;
    let granted: Granted = serde_json::from_str(&text).map_err(|error| unexpected(format!("{error}: {text}")))?;
    Ok(granted.access_token)
}

#[cfg(test)]
mod tests {
    use super::are_taken_by;
    use std::io::{BufRead, BufReader, Read, Write};
    use std::net::TcpListener;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
    use std::thread;

    /// Answers one request after the other: 503 to the first `refused`, then with this body. Gives its URL, and how often it was asked.
    fn service(refused: usize, body: &'static str) -> (String, Arc<AtomicUsize>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let (url, asked) = (format!("http://{}", listener.local_addr().unwrap()), Arc::new(AtomicUsize::new(0)));
        let count = asked.clone();
        thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let mut request = BufReader::new(&stream);
                let head: Vec<String> =
                    request.by_ref().lines().map(Result::unwrap).take_while(|it| !it.is_empty()).collect();
                let length =
                    head.iter().find_map(|line| line.to_lowercase().strip_prefix("content-length: ")?.parse().ok());
                request.read_exact(&mut vec![0; length.unwrap_or(0)]).unwrap();
                let status = if count.fetch_add(1, Relaxed) < refused { "503 No Keys" } else { "200 OK" };
                let length = body.len();
                let answer =
                    format!("HTTP/1.1 {status}\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n{body}");
                stream.write_all(answer.as_bytes()).unwrap();
            }
        });
        (url, asked)
    }

    #[tokio::test]
    async fn a_process_that_has_no_keys_yet_is_waited_for() {
        let (accounts, _) = service(0, r#"{"accessToken": "a"}"#);
        let ((early, asked_early), (late, asked_late)) = (service(0, "[]"), service(3, "[]"));
        let http = http_client::client().build().unwrap();
        are_taken_by(&http, &accounts, &[early, late]).await.unwrap();
        assert_eq!((asked_early.load(Relaxed), asked_late.load(Relaxed)), (4, 4));
    }
}
