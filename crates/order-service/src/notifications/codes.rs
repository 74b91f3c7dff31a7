//! Fetches from account-service the codes that mails show. An event names a code and does not hold it, and no row keeps it.

use crate::notifications::config::Config;
use crate::notifications::domain::code::Code;
use reqwest::{Client, Response, StatusCode, Url};
use serde::Deserialize;
use service_kit::access::tokens::ServiceIdentity;
use service_kit::circuit::{CircuitBreaker, Guarded, Verdict};
use service_kit::config::ConfigError;
use service_kit::lifecycle::StartError;
use std::time::Duration;
use time::OffsetDateTime;
use uuid::Uuid;

/// How long account-service may take: a mail about an order may wait behind it.
pub const TIME_LIMIT: Duration = Duration::from_secs(1);

/// The way to account-service; clones share its connections and its circuit.
#[derive(Clone, Debug)]
pub struct Codes {
    http: Client,
    base: String,
    circuit: CircuitBreaker,
    /// What it is shown, so that it knows who asks.
    identity: Option<ServiceIdentity>,
}

/// Why there is no code.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum NoCode {
    /// It has expired or was used.
    Gone,
    /// Account-service is away, or gives it to nobody; says why.
    Away(String),
}

/// What account-service answers.
#[derive(Deserialize)]
struct TakenCode {
    code: String,
}

impl Codes {
    /// Prepares the client; connects to nothing yet. Account-service is shown `identity`, where there is one.
    pub fn new(config: &Config, identity: Option<ServiceIdentity>) -> Result<Self, StartError> {
        let connect = TIME_LIMIT / 2;
        let http = http_client::client().connect_timeout(connect).timeout(TIME_LIMIT).build()?;
        let base = config.account_service_url.trim_end_matches('/');
        // Its value is not shown: it may hold a password.
        let is_base = |url: Url| matches!(url.scheme(), "http" | "https") && url.has_host();
        if base.contains(['?', '#']) || !Url::parse(base).is_ok_and(is_base) {
            let reason = "must look like http://accounts.example:8083".to_owned();
            return Err(ConfigError { variable: "ACCOUNT_SERVICE_URL", reason }.into());
        }
        let pause = config.circuit_pause();
        let circuit =
            CircuitBreaker::new(Guarded { name: "account-service", metrics: "account_service", label: None, pause });
        Ok(Self { http, base: base.to_owned(), circuit, identity })
    }

    /// The code. It can be taken again until it expires or is used.
    pub async fn take(&self, id: Uuid) -> Result<Code, NoCode> {
        let taken = self.circuit.call(self.ask(id), verdict).await;
        taken
            .unwrap_or_else(|| Err(NoCode::Away("it failed again and again and is left alone for a moment".to_owned())))
    }

    async fn ask(&self, id: Uuid) -> Result<Code, NoCode> {
        let mut response = self.send(id).await?;
        if let Some(identity) = self.identity.as_ref().filter(|_| response.status() == StatusCode::UNAUTHORIZED) {
            identity.renew();
            response = self.send(id).await?;
        }
        match response.status() {
            StatusCode::OK => {
                let taken: TakenCode = response.json().await.map_err(away)?;
                Ok(Code::new(taken.code))
            }
            StatusCode::NOT_FOUND | StatusCode::GONE => Err(NoCode::Gone),
            status => Err(NoCode::Away(format!("it answered {status}"))),
        }
    }

    async fn send(&self, id: Uuid) -> Result<Response, NoCode> {
        let mut request = self.http.post(format!("{}/internal/codes/{id}/take", self.base));
        if let Some(identity) = &self.identity {
            let nameless = |_| NoCode::Away("this service cannot say who it is".to_owned());
            request = request.bearer_auth(identity.assertion(OffsetDateTime::now_utc()).map_err(nameless)?);
        }
        request.send().await.map_err(away)
    }
}

/// A code that is gone shows that account-service works.
fn verdict(taken: &Result<Code, NoCode>) -> Verdict {
    match taken {
        Ok(_) | Err(NoCode::Gone) => Verdict::Works,
        Err(NoCode::Away(_)) => Verdict::Fails,
    }
}

/// In a few words and without the URL, which may be internal.
fn away(error: reqwest::Error) -> NoCode {
    NoCode::Away(if error.is_timeout() {
        "no answer in time".to_owned()
    } else if error.is_connect() {
        "no connection".to_owned()
    } else {
        error.without_url().to_string()
    })
}

#[cfg(test)]
mod tests {
    use super::{Codes, NoCode};
    use crate::config::Config;
    use axum::Router;
    use axum::http::{HeaderMap, StatusCode, Uri};
    use axum::routing::post;
    use clap::Parser;
    use service_kit::access::tokens::ServiceIdentity;
    use service_kit::health::Circuit;
    use std::sync::{Arc, Mutex};
    use uuid::Uuid;

    const KEY: &str = "-----BEGIN PRIVATE KEY-----\nMIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgj3wj9xtw0GpH4p2/\nT1ajVKCQ0XfxQqwMX2k3ZRHBUTChRANCAASLlEg3xha0Lov3z7laegzVR2n1DAx5\nOxZYKptwswJLcKDEc1liDqJOIGWmWDE16vdPjGnEaKMZJbGyUAHBnZyV\n-----END PRIVATE KEY-----";

    /// The path of a call, and how its caller says who it is.
    type Call = (String, Option<String>);

    /// An account-service that answers each call by its number, and what it was asked and shown.
    #[derive(Clone, Default)]
    struct Accounts(Arc<Mutex<Vec<Call>>>);

    impl Accounts {
        async fn answering(&self, status_of: fn(usize) -> StatusCode) -> String {
            let asked = self.0.clone();
            let answer = move |uri: Uri, headers: HeaderMap| async move {
                let mut asked = asked.lock().unwrap();
                let shown = headers.get("authorization").map(|value| value.to_str().unwrap().to_owned());
                asked.push((uri.path().to_owned(), shown));
                (status_of(asked.len()), r#"{"code": "7K2M-Q9XB", "purpose": "RESET", "new": 1}"#)
            };
            let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
            let url = format!("http://{}/", listener.local_addr().unwrap());
            #[expect(clippy::disallowed_methods, reason = "a stand-in knows no callers")]
            let routes = Router::new().route("/internal/codes/{id}/take", post(answer));
            tokio::spawn(async move { axum::serve(listener, routes).await.unwrap() });
            url
        }

        fn shown(&self) -> Vec<Option<String>> {
            self.0.lock().unwrap().iter().map(|(_, shown)| shown.clone()).collect()
        }
    }

    fn codes(url: &str, with_key: bool) -> Codes {
        let file = std::env::temp_dir().join(Uuid::now_v7().to_string());
        std::fs::write(&file, KEY).unwrap();
        let mut flags = vec!["order-service", "--account-service-url", url];
        if with_key {
            flags.extend(["--service-key-file", file.to_str().unwrap()]);
        }
        let config = Config::parse_from(flags);
        let identity = ServiceIdentity::new(&config.server.auth, "order-service", "account-service").unwrap();
        std::fs::remove_file(&file).unwrap();
        Codes::new(&config.notifications, identity).unwrap()
    }

    #[tokio::test]
    async fn a_code_is_taken_by_its_id() {
        let (accounts, id) = (Accounts::default(), Uuid::now_v7());
        let codes = codes(&accounts.answering(|_| StatusCode::OK).await, false);
        let code = codes.take(id).await.unwrap();
        assert_eq!(code.as_text(), "7K2M-Q9XB");
        assert_eq!(*accounts.0.lock().unwrap(), [(format!("/internal/codes/{id}/take"), None)], "nothing is shown");
    }

    #[tokio::test]
    async fn a_code_that_is_gone_is_no_fault_of_account_service() {
        for gone in [|_| StatusCode::NOT_FOUND, |_| StatusCode::GONE] {
            let accounts = Accounts::default();
            let codes = codes(&accounts.answering(gone).await, false);
            for _ in 0..6 {
                assert_eq!(codes.take(Uuid::now_v7()).await, Err(NoCode::Gone));
            }
            assert_eq!((codes.circuit.shown(), accounts.shown().len()), (Circuit::Closed, 6));
        }
    }

    #[tokio::test]
    async fn who_is_not_accepted_says_once_more_who_it_is() {
        let accounts = Accounts::default();
        let refuses_the_first = |call| if call == 1 { StatusCode::UNAUTHORIZED } else { StatusCode::OK };
        let codes = codes(&accounts.answering(refuses_the_first).await, true);
        assert!(codes.take(Uuid::now_v7()).await.is_ok());
        let shown: Vec<String> = accounts.shown().into_iter().map(Option::unwrap).collect();
        assert!(shown.len() == 2 && shown[0].starts_with("Bearer ey") && shown[0] != shown[1], "{shown:?}");
    }

    #[tokio::test]
    async fn an_account_service_that_is_away_is_left_alone() {
        for status in [|_| StatusCode::INTERNAL_SERVER_ERROR, |_| StatusCode::UNAUTHORIZED, |_| StatusCode::FORBIDDEN] {
            let accounts = Accounts::default();
            let codes = codes(&accounts.answering(status).await, false);
            for _ in 0..9 {
                assert!(matches!(codes.take(Uuid::now_v7()).await, Err(NoCode::Away(_))));
            }
            assert_eq!((codes.circuit.shown(), accounts.shown().len()), (Circuit::Open, 5));
        }
        let nobody = codes("http://127.0.0.1:1", false).take(Uuid::now_v7()).await;
        assert_eq!(nobody, Err(NoCode::Away("no connection".to_owned())));
    }

    #[test]
    fn an_address_that_is_none_is_refused_without_being_shown() {
        for url in ["accounts:8083", "http://accounts?x=hush", "hush"] {
            let config = Config::parse_from(["order-service", "--account-service-url", url]);
            let error = Codes::new(&config.notifications, None).unwrap_err().to_string();
            assert!(error.contains("ACCOUNT_SERVICE_URL") && !error.contains("hush"), "{error}");
        }
    }
}
