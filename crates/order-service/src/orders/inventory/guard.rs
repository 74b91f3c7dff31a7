//! What stands between placement and an inventory-service that is away: a deadline for each attempt, one more attempt
//! where the connection broke, and a circuit breaker that refuses at once what would fail anyway.

use crate::orders::config::Config;
use crate::orders::error::Error;
use backon::{ExponentialBuilder, Retryable};
use reqwest::{RequestBuilder, Response, StatusCode};
use service_kit::access::tokens::ServiceIdentity;
use service_kit::circuit::{CircuitBreaker, Guarded, Verdict};
use service_kit::health::Circuit;
use std::time::Duration;

/// Pause before another attempt, twice as long for each further one, and up to as long again by chance.
const RETRY_PAUSE: Duration = Duration::from_millis(50);

/// The guarded way to inventory-service; clones share the circuit.
#[derive(Clone, Debug)]
pub struct InventoryGuard {
    circuit: CircuitBreaker,
    attempts: usize,
    /// What it is shown, so that it knows who asks.
    identity: ServiceIdentity,
}

/// Why there is no answer.
enum Unanswered {
    /// The circuit is open.
    NotAsked,
    /// The assertion of who we are cannot be signed.
    Nameless,
    Failed(reqwest::Error),
}

impl InventoryGuard {
    /// Puts a guard in front of inventory-service.
    pub fn new(config: &Config, identity: ServiceIdentity) -> Self {
        let circuit = CircuitBreaker::new(Guarded {
            name: "inventory-service",
            metrics: "inventory",
            label: None,
            pause: config.inventory_circuit_pause(),
        });
        Self { circuit, attempts: config.inventory_attempts.into(), identity }
    }

    /// Sends a request that may arrive twice: every call to inventory-service names what it is about, so that asking
    /// again changes nothing. What took too long is not tried again, its time is used up.
    ///
    /// Where inventory-service does not accept who we say we are, also when we say it anew, it counts as away: whoever has to
    /// set the keys right can do so without losing an order.
    pub async fn send(&self, request: impl Fn() -> RequestBuilder) -> Result<Response, Error> {
        accepted(self.identity.ask(|| self.try_to_send(&request)).await?)
    }

    /// Sends a request once and past the circuit: what a look finds decides nothing for others.
    pub async fn look(&self, request: impl Fn() -> RequestBuilder) -> Result<Response, Error> {
        let once = || async {
            let signed = self.identity.sign(request()).map_err(|_| nameless())?;
            signed.send().await.map_err(|error| Error::InventoryUnavailable(reason(error)))
        };
        accepted(self.identity.ask(once).await?)
    }

    async fn try_to_send(&self, request: &impl Fn() -> RequestBuilder) -> Result<Response, Error> {
        let attempt = || async {
            let signed = self.identity.sign(request()).map_err(|_| Unanswered::Nameless)?;
            let answer = self.circuit.call(signed.send(), verdict).await;
            answer.ok_or(Unanswered::NotAsked)?.map_err(Unanswered::Failed)
        };
        let pauses = ExponentialBuilder::new().with_min_delay(RETRY_PAUSE).with_jitter();
        let retrying = attempt.retry(pauses.with_max_times(self.attempts.saturating_sub(1)));
        let broke_off = |error: &Unanswered| matches!(error, Unanswered::Failed(error) if !error.is_timeout());
        retrying.when(broke_off).await.map_err(|error| match error {
            Unanswered::NotAsked => {
                metrics::counter!("inventory_calls_refused_total").increment(1);
                Error::InventoryUnavailable("it failed again and again and is left alone for a moment".to_owned())
            }
            Unanswered::Nameless => nameless(),
            Unanswered::Failed(error) => Error::InventoryUnavailable(reason(error)),
        })
    }

    /// Where the circuit stands.
    pub fn circuit(&self) -> Circuit {
        self.circuit.shown()
    }
}

fn nameless() -> Error {
    Error::InventoryUnavailable("this service cannot say who it is".to_owned())
}

/// A refusal such as 409 shows that the other side works. One that does not know us is of no use.
fn verdict(answer: &Result<Response, reqwest::Error>) -> Verdict {
    match answer {
        Ok(response) if !response.status().is_server_error() && !refuses_us(response) => Verdict::Works,
        _ => Verdict::Fails,
    }
}

fn refuses_us(response: &Response) -> bool {
    matches!(response.status(), StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN)
}

fn accepted(response: Response) -> Result<Response, Error> {
    if refuses_us(&response) {
        let status = response.status();
        return Err(Error::InventoryUnavailable(format!("it does not accept who this service says it is ({status})")));
    }
    Ok(response)
}

/// In a few words for the client; what the library says is for the log.
pub fn reason(error: reqwest::Error) -> String {
    let reason = http_client::reason(&error);
    tracing::debug!(error = %error.without_url(), reason, "inventory-service did not answer");
    reason.to_owned()
}

#[cfg(test)]
mod tests {
    use super::{Config, Error, InventoryGuard, ServiceIdentity};
    use axum::Router;
    use axum::http::{HeaderMap, StatusCode};
    use axum::routing::get;
    use clap::Parser;
    use service_kit::config::ServerConfig;
    use service_kit::health::Circuit;
    use std::sync::{Arc, Mutex};

    #[derive(Parser, Debug)]
    struct Flags {
        #[command(flatten)]
        orders: Config,
        #[command(flatten)]
        server: ServerConfig,
    }

    const KEY: &str = "-----BEGIN PRIVATE KEY-----\nMIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgj3wj9xtw0GpH4p2/\nT1ajVKCQ0XfxQqwMX2k3ZRHBUTChRANCAASLlEg3xha0Lov3z7laegzVR2n1DAx5\nOxZYKptwswJLcKDEc1liDqJOIGWmWDE16vdPjGnEaKMZJbGyUAHBnZyV\n-----END PRIVATE KEY-----";

    /// An inventory-service that knows the caller from the given assertion on, and what it was shown.
    struct Inventory {
        url: String,
        shown: Arc<Mutex<Vec<Option<String>>>>,
    }

    impl Inventory {
        async fn accepting(status_of: fn(usize) -> StatusCode) -> Self {
            let shown: Arc<Mutex<Vec<Option<String>>>> = Arc::default();
            let seen = shown.clone();
            let answer = move |headers: HeaderMap| async move {
                let mut shown = seen.lock().unwrap();
                shown.push(headers.get("authorization").map(|value| value.to_str().unwrap().to_owned()));
                status_of(shown.len())
            };
            let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
            let url = format!("http://{}/", listener.local_addr().unwrap());
            #[expect(clippy::disallowed_methods, reason = "a stand-in knows no callers")]
            let routes = Router::new().route("/", get(answer));
            tokio::spawn(async move { axum::serve(listener, routes).await.unwrap() });
            Self { url, shown }
        }

        async fn asked_by(&self, guard: &InventoryGuard) -> Result<StatusCode, Error> {
            let http = http_client::client().build().unwrap();
            guard.send(|| http.get(&self.url)).await.map(|response| response.status())
        }

        fn shown(&self) -> Vec<Option<String>> {
            self.shown.lock().unwrap().clone()
        }
    }

    fn guard(with_key: bool) -> InventoryGuard {
        let file = std::env::temp_dir().join(uuid::Uuid::now_v7().to_string());
        std::fs::write(&file, KEY).unwrap();
        let mut flags = vec!["x"];
        if with_key {
            flags.extend(["--service-key-file", file.to_str().unwrap()]);
        }
        let flags = Flags::parse_from(flags);
        let identity = ServiceIdentity::new(&flags.server.auth, "order-service", "inventory-service").unwrap();
        std::fs::remove_file(&file).unwrap();
        InventoryGuard::new(&flags.orders, identity)
    }

    #[tokio::test]
    async fn who_is_not_accepted_says_once_more_who_it_is() {
        let refuses_the_first = |call: usize| if call == 1 { StatusCode::UNAUTHORIZED } else { StatusCode::OK };
        let inventory = Inventory::accepting(refuses_the_first).await;
        let guard = guard(true);
        assert_eq!(inventory.asked_by(&guard).await.unwrap(), StatusCode::OK);
        let shown: Vec<String> = inventory.shown().into_iter().map(Option::unwrap).collect();
        assert_eq!(shown.len(), 2);
        assert!(shown[0].starts_with("Bearer ey") && shown[0] != shown[1], "the second assertion is a new one");
        assert_eq!(inventory.asked_by(&guard).await.unwrap(), StatusCode::OK);
        assert_eq!(inventory.shown()[2].as_ref(), Some(&shown[1]), "and stays until it ends");
    }

    #[tokio::test]
    async fn an_inventory_service_that_does_not_know_us_is_away() {
        let inventory = Inventory::accepting(|_| StatusCode::UNAUTHORIZED).await;
        let guard = guard(true);
        for _ in 0..3 {
            let refused = inventory.asked_by(&guard).await.unwrap_err();
            assert!(matches!(refused, Error::InventoryUnavailable(_)), "{refused}");
        }
        assert_eq!(guard.circuit(), Circuit::Open);
        assert_eq!(inventory.shown().len(), 5, "each call twice, until the circuit opens");
    }

    #[tokio::test]
    async fn without_a_key_nothing_is_sent() {
        let inventory = Inventory::accepting(|_| StatusCode::OK).await;
        assert_eq!(inventory.asked_by(&guard(false)).await.unwrap(), StatusCode::OK);
        assert_eq!(inventory.shown(), [None]);
    }
}
