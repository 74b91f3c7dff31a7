//! The calls to account-service: a deadline, a circuit breaker, and an assertion of who we are.

use super::config::Config;
use reqwest::{Client, Method, StatusCode, Url};
use serde::de::DeserializeOwned;
use service_kit::access::tokens::ServiceIdentity;
use service_kit::circuit::{CircuitBreaker, Guarded, Verdict};
use service_kit::config::ConfigError;
use service_kit::lifecycle::StartError;
use service_kit::telemetry;
use service_kit::traces::{Kind, Span};
use std::time::Duration;

/// How long account-service may take: an order, or a mail about one, may wait for it.
pub const TIME_LIMIT: Duration = Duration::from_secs(1);

/// The way to account-service; clones share its connections and its circuit.
#[derive(Clone, Debug)]
pub struct AccountService {
    http: Client,
    base: String,
    circuit: CircuitBreaker,
    /// What it is shown, so that it knows who asks.
    identity: ServiceIdentity,
}

/// Account-service is away, or gives nothing to us; says why.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{0}")]
pub struct Away(pub String);

impl AccountService {
    /// Prepares the client; connects to nothing yet. Once it failed again and again, account-service is left alone for `pause`.
    pub fn new(config: &Config, pause: Duration, identity: ServiceIdentity) -> Result<Self, StartError> {
        let connect = TIME_LIMIT / 2;
        let http = http_client::client().connect_timeout(connect).timeout(TIME_LIMIT).build()?;
        let base = config.account_service_url.trim_end_matches('/');
        // Its value is not shown: it may hold a password.
        let is_base = |url: Url| matches!(url.scheme(), "http" | "https") && url.has_host();
        if base.contains(['?', '#']) || !Url::parse(base).is_ok_and(is_base) {
            let reason = "must look like http://accounts.example:8083".to_owned();
            return Err(ConfigError { variable: "ACCOUNT_SERVICE_URL", reason }.into());
        }
        let circuit =
            CircuitBreaker::new(Guarded { name: "account-service", metrics: "account_service", label: None, pause });
        Ok(Self { http, base: base.to_owned(), circuit, identity })
    }

    /// What account-service has at a path; none where there is nothing, or no longer.
    pub async fn ask<T: DeserializeOwned>(&self, method: Method, path: &str) -> Result<Option<T>, Away> {
        let current = telemetry::current_traceparent();
        let mut calling = Span::under(current.as_deref(), Kind::Client, || format!("{method} account-service"));
        let traceparent = calling.as_ref().map(Span::traceparent).or(current);
        let answer = self.circuit.call(self.answer(method, path, traceparent.as_deref()), verdict).await;
        let away = || Err(Away("it failed again and again and is left alone for a moment".to_owned()));
        answer.unwrap_or_else(away).inspect_err(|away| {
            if let Some(calling) = &mut calling {
                calling.fail(away.0.clone());
            }
        })
    }

    async fn answer<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        traceparent: Option<&str>,
    ) -> Result<Option<T>, Away> {
        let url = format!("{}{path}", self.base);
        let send = || async {
            let request = self.http.request(method.clone(), &url);
            let signed = self.identity.sign(match traceparent {
                Some(traceparent) => request.header("traceparent", traceparent),
                None => request,
            });
            signed.map_err(|_| Away("this service cannot say who it is".to_owned()))?.send().await.map_err(away)
        };
        let response = self.identity.ask(send).await?;
        match response.status() {
            StatusCode::OK => response.json().await.map(Some).map_err(away),
            StatusCode::NOT_FOUND | StatusCode::GONE => Ok(None),
            status => Err(Away(format!("it answered {status}"))),
        }
    }
}

/// That something is not there shows that account-service works.
fn verdict<T>(answer: &Result<Option<T>, Away>) -> Verdict {
    if answer.is_ok() { Verdict::Works } else { Verdict::Fails }
}

fn away(error: reqwest::Error) -> Away {
    Away(http_client::reason(&error).to_owned())
}

#[cfg(test)]
mod tests {
    use super::{AccountService, Away};
    use crate::config::Config;
    use axum::Router;
    use axum::http::{HeaderMap, Method, StatusCode, Uri};
    use axum::routing::any;
    use clap::Parser;
    use serde_json::Value;
    use service_kit::access::tokens::ServiceIdentity;
    use service_kit::health::Circuit;
    use std::sync::{Arc, Mutex};
    use std::time::Duration;
    use uuid::Uuid;

    const KEY: &str = "-----BEGIN PRIVATE KEY-----\nMIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgj3wj9xtw0GpH4p2/\nT1ajVKCQ0XfxQqwMX2k3ZRHBUTChRANCAASLlEg3xha0Lov3z7laegzVR2n1DAx5\nOxZYKptwswJLcKDEc1liDqJOIGWmWDE16vdPjGnEaKMZJbGyUAHBnZyV\n-----END PRIVATE KEY-----";

    /// Method and path of a call, and how its caller says who it is.
    type Call = (String, Option<String>);

    /// An account-service that answers each call by its number, and what it was asked and shown.
    #[derive(Clone, Default)]
    struct Accounts(Arc<Mutex<Vec<Call>>>);

    impl Accounts {
        async fn answering(&self, status_of: fn(usize) -> StatusCode) -> String {
            let asked = self.0.clone();
            let answer = move |method: Method, uri: Uri, headers: HeaderMap| async move {
                let mut asked = asked.lock().unwrap();
                let shown = headers.get("authorization").map(|value| value.to_str().unwrap().to_owned());
                asked.push((format!("{method} {}", uri.path()), shown));
                (status_of(asked.len()), r#"{"code": "7K2M-Q9XB", "new": 1}"#)
            };
            let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
            let url = format!("http://{}/", listener.local_addr().unwrap());
            #[expect(clippy::disallowed_methods, reason = "a stand-in knows no callers")]
            let routes = Router::new().route("/internal/{*path}", any(answer));
            tokio::spawn(async move { axum::serve(listener, routes).await.unwrap() });
            url
        }

        fn shown(&self) -> Vec<Option<String>> {
            self.0.lock().unwrap().iter().map(|(_, shown)| shown.clone()).collect()
        }
    }

    fn account_service(url: &str, with_key: bool) -> AccountService {
        let file = std::env::temp_dir().join(Uuid::now_v7().to_string());
        std::fs::write(&file, KEY).unwrap();
        let mut flags = vec!["order-service", "--account-service-url", url];
        if with_key {
            flags.extend(["--service-key-file", file.to_str().unwrap()]);
        }
        let config = Config::parse_from(flags);
        let identity = ServiceIdentity::new(&config.server.auth, "order-service", "account-service").unwrap();
        std::fs::remove_file(&file).unwrap();
        AccountService::new(&config.account_service, Duration::from_secs(5), identity).unwrap()
    }

    async fn ask(service: &AccountService) -> Result<Option<Value>, Away> {
        service.ask(Method::POST, "/internal/x").await
    }

    #[tokio::test]
    async fn what_is_there_is_given() {
        let accounts = Accounts::default();
        let service = account_service(&accounts.answering(|_| StatusCode::OK).await, false);
        assert_eq!(ask(&service).await.unwrap().unwrap()["code"], "7K2M-Q9XB");
        assert_eq!(*accounts.0.lock().unwrap(), [("POST /internal/x".to_owned(), None)], "nothing is shown");
    }

    #[tokio::test]
    async fn what_is_not_there_is_no_fault_of_account_service() {
        for gone in [|_| StatusCode::NOT_FOUND, |_| StatusCode::GONE] {
            let accounts = Accounts::default();
            let service = account_service(&accounts.answering(gone).await, false);
            for _ in 0..6 {
                assert_eq!(ask(&service).await, Ok(None));
            }
            assert_eq!((service.circuit.shown(), accounts.shown().len()), (Circuit::Closed, 6));
        }
    }

    #[tokio::test]
    async fn who_is_not_accepted_says_once_more_who_it_is() {
        let accounts = Accounts::default();
        let refuses_the_first = |call| if call == 1 { StatusCode::UNAUTHORIZED } else { StatusCode::OK };
        let service = account_service(&accounts.answering(refuses_the_first).await, true);
        assert!(ask(&service).await.is_ok());
        let shown: Vec<String> = accounts.shown().into_iter().map(Option::unwrap).collect();
        assert!(shown.len() == 2 && shown[0].starts_with("Bearer ey") && shown[0] != shown[1], "{shown:?}");
    }

    #[tokio::test]
    async fn an_account_service_that_is_away_is_left_alone() {
        for status in [|_| StatusCode::INTERNAL_SERVER_ERROR, |_| StatusCode::UNAUTHORIZED, |_| StatusCode::FORBIDDEN] {
            let accounts = Accounts::default();
            let service = account_service(&accounts.answering(status).await, false);
            for _ in 0..9 {
                ask(&service).await.unwrap_err();
            }
            assert_eq!((service.circuit.shown(), accounts.shown().len()), (Circuit::Open, 5));
        }
        let nobody = ask(&account_service("http://127.0.0.1:1", false)).await;
        assert_eq!(nobody, Err(Away("no connection".to_owned())));
    }

    #[test]
    fn an_address_that_is_none_is_refused_without_being_shown() {
        for url in ["accounts:8083", "http://accounts?x=hush", "hush"] {
            let config = Config::parse_from(["order-service", "--account-service-url", url]);
            let identity = ServiceIdentity::new(&config.server.auth, "a", "b").unwrap();
            let made = AccountService::new(&config.account_service, Duration::ZERO, identity);
            let error = made.unwrap_err().to_string();
            assert!(error.contains("ACCOUNT_SERVICE_URL") && !error.contains("hush"), "{error}");
        }
    }
}
