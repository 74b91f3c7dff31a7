//! The calls to inventory-service, each through the guard.

use crate::orders::config::Config;
use crate::orders::error::Error;
use crate::orders::inventory::guard::{InventoryGuard, reason};
use reqwest::{Client, RequestBuilder, Response, StatusCode, Url, header};
use serde::Deserialize;
use serde_json::value::RawValue;
use service_kit::access::tokens::ServiceIdentity;
use service_kit::config::ConfigError;
use service_kit::fault::Fault;
use service_kit::health::Circuit;
use service_kit::lifecycle::StartError;
use service_kit::telemetry;
use service_kit::traces::{Kind, Shared, Span};
use shared_types::Reference;
use shared_types::reservations::{
    Reservation, ReservationBatch, ReservationRequest, Settled, Settlement, ShortLine, StockTrace,
};
use std::time::Duration;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// Where inventory-service is and how to ask it; clones share their connections.
#[derive(Clone, Debug)]
pub struct InventoryClient {
    http: Client,
    guard: InventoryGuard,
    base: String,
}

/// One outcome of a batch, as the single call would have answered.
#[derive(Debug, Deserialize)]
struct BatchItem {
    status: u16,
    body: Box<RawValue>,
}

#[derive(Debug, Deserialize)]
struct Refusal {
    #[serde(rename = "type")]
    kind: String,
    detail: String,
    #[serde(default)]
    items: Vec<ShortLine>,
}

#[derive(Debug, Deserialize)]
struct BatchAnswer(Vec<BatchItem>);

/// Some of the reservations that are to be settled, and where the next ones are.
#[derive(Debug)]
pub struct HeldPage {
    pub reservations: Vec<Reservation>,
    /// Path and query of the next page; none after the last one.
    pub next: Option<String>,
}

/// Holds stock for many orders.
const RESERVE: &str = "/api/inventory/reservations/batch";

impl InventoryClient {
    /// Prepares the client; connects to nothing yet.
    pub fn new(config: &Config, identity: ServiceIdentity) -> Result<Self, StartError> {
        let http = http_client::client()
            .connect_timeout(Duration::from_millis(500))
            .timeout(config.inventory_timeout())
            .pool_idle_timeout(Duration::from_secs(30))
            .build()?;
        let guard = InventoryGuard::new(config, identity);
        let base = config.inventory_service_url.trim_end_matches('/');
        // Its value is not shown: it may hold a password.
        let is_base = |url: Url| matches!(url.scheme(), "http" | "https") && url.has_host();
        if base.contains(['?', '#']) || !Url::parse(base).is_ok_and(is_base) {
            let reason = "must look like http://inventory.example:8082".to_owned();
            return Err(ConfigError { variable: "INVENTORY_SERVICE_URL", reason }.into());
        }
        Ok(Self { http, guard, base: base.to_owned() })
    }

    /// Holds stock for many orders in one call; one outcome each, in order. `causes` are the trace contexts of what the
    /// orders are placed for: the call belongs to the first that is recorded, or to the first.
    pub async fn reserve<'a>(
        &self,
        reservations: Vec<ReservationRequest>,
        causes: impl Iterator<Item = Option<&'a str>> + Clone,
    ) -> Result<Vec<Result<Reservation, Error>>, Error> {
        let mut calling = Shared::under(causes.clone(), Kind::Client, || format!("POST {RESERVE}"));
        calling.text("http.request.method", "POST");
        calling.text("server.address", &self.base);
        let own = calling.traceparent();
        let traceparent = own.as_deref().or_else(|| causes.flatten().next());
        let outcomes = self.try_to_reserve(reservations, traceparent).await;
        outcomes.inspect_err(|error| calling.fail(|| error.problem().detail.into()))
    }

    async fn try_to_reserve(
        &self,
        reservations: Vec<ReservationRequest>,
        traceparent: Option<&str>,
    ) -> Result<Vec<Result<Reservation, Error>>, Error> {
        let asked = reservations.len();
        let (url, body) = (self.url(RESERVE), ReservationBatch { reservations });
        let request = || traced(self.http.post(&url).json(&body), traceparent);
        let BatchAnswer(outcomes) = expect_ok(self.guard.send(request).await?).await?;
        if outcomes.len() != asked {
            return Err(Error::InventoryAnswer(format!("{} outcomes for {asked} reservations", outcomes.len())));
        }
        outcomes.into_iter().map(outcome).collect()
    }

    /// The first page of the reservations that have been held since before `before`, the oldest first.
    pub async fn held_before(&self, before: OffsetDateTime) -> Result<HeldPage, Error> {
        self.first_page("heldBefore", before).await
    }

    /// The same of those that were committed by hand, and that no order has claimed since. There are none where
    /// inventory-service is of a build that does not know them.
    pub async fn unclaimed_before(&self, before: OffsetDateTime) -> Result<HeldPage, Error> {
        match self.first_page("unclaimedBefore", before).await {
            Err(Error::InventoryAnswer(_)) => Ok(HeldPage { reservations: Vec::new(), next: None }),
            page => page,
        }
    }

    async fn first_page(&self, filter: &str, before: OffsetDateTime) -> Result<HeldPage, Error> {
        let before = before.format(&Rfc3339).map_err(|error| Error::InventoryAnswer(error.to_string()))?;
        let query = [(filter, before.as_str()), ("limit", "200")];
        let url = self.url("/api/inventory/reservations");
        held_page(self.guard.send(|| self.http.get(&url).query(&query)).await?).await
    }

    /// The page of which an earlier one says that it is the next.
    pub async fn next_held(&self, next: &str) -> Result<HeldPage, Error> {
        let url = self.url(next);
        held_page(self.guard.send(|| self.http.get(&url)).await?).await
    }

    /// Commits and releases many reservations in one transaction; gives those that are as asked. `None` where
    /// inventory-service is of a build that has no such call.
    pub async fn settle_all(&self, settlement: &Settlement) -> Result<Option<Settled>, Error> {
        let url = self.url("/api/inventory/reservations/settle");
        let response = self.guard.send(|| self.http.post(&url).json(settlement)).await?;
        if matches!(response.status(), StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED) {
            return Ok(None);
        }
        expect_ok(response).await.map(Some)
    }

    /// Makes the stock the order's; gives `false` where it had gone back already, or never was.
    ///
    /// The call that settles many knows that there is an order; the one for a single reservation is for people.
    pub async fn commit(&self, reference: Reference) -> Result<bool, Error> {
        let settlement = Settlement { commit: vec![reference], release: Vec::new() };
        match self.settle_all(&settlement).await? {
            Some(settled) => Ok(settled.settled.contains(&reference)),
            None => self.settle(reference, "commit").await,
        }
    }

    /// Gives the stock back; gives `false` where it was committed already.
    pub async fn release(&self, reference: Reference) -> Result<bool, Error> {
        self.settle(reference, "release").await
    }

    /// What is known of the stock of an order; asked once, within half a second, past the circuit.
    pub async fn explain(&self, reference: Reference) -> Result<StockTrace, Error> {
        let url = self.url(&format!("/api/inventory/reservations/{reference}/explain"));
        let current = telemetry::current_traceparent();
        let calling = Span::under(current.as_deref(), Kind::Client, || "GET inventory-service".to_owned());
        let traceparent = calling.as_ref().map(Span::traceparent).or(current);
        let request = || traced(self.http.get(&url), traceparent.as_deref()).timeout(Duration::from_millis(500));
        expect_ok(self.guard.look(request).await?).await
    }

    /// Where the circuit breaker stands.
    pub fn circuit(&self) -> Circuit {
        self.guard.circuit()
    }

    /// Asks for a sign of life, within half a second, past the guard.
    pub async fn ping(&self) -> Result<(), String> {
        let request = self.http.get(self.url("/health/live")).timeout(Duration::from_millis(500));
        match request.send().await {
            Ok(response) if response.status().is_success() => Ok(()),
            Ok(response) => Err(format!("answered {}", response.status())),
            Err(error) => Err(http_client::reason(&error).to_owned()),
        }
    }

    async fn settle(&self, reference: Reference, verb: &str) -> Result<bool, Error> {
        let url = self.url(&format!("/api/inventory/reservations/{reference}/{verb}"));
        let response = self.guard.send(|| self.http.post(&url)).await?;
        match response.status() {
            StatusCode::OK => Ok(true),
            StatusCode::CONFLICT | StatusCode::NOT_FOUND => Ok(false),
            status if status.is_server_error() => Err(Error::InventoryUnavailable(format!("answered {status}"))),
            status => Err(Error::InventoryAnswer(format!("{status} to {verb} {reference}"))),
        }
    }

    fn url(&self, path: &str) -> String {
        format!("{}{path}", self.base)
    }
}

fn traced(request: RequestBuilder, traceparent: Option<&str>) -> RequestBuilder {
    match traceparent {
        Some(traceparent) => request.header("traceparent", traceparent),
        None => request,
    }
}

async fn held_page(response: Response) -> Result<HeldPage, Error> {
    let link = response.headers().get(header::LINK).and_then(|link| link.to_str().ok());
    // The list has one link: `</api/inventory/reservations?…>; rel="next"`.
    let next = link.and_then(|link| link.strip_prefix('<')?.split_once('>')).map(|(path, _)| path.to_owned());
    Ok(HeldPage { next, reservations: expect_ok(response).await? })
}

async fn expect_ok<T: serde::de::DeserializeOwned>(response: Response) -> Result<T, Error> {
    match response.status() {
        StatusCode::OK => {
            let body = response.bytes().await.map_err(unavailable)?;
            serde_json::from_slice(&body).map_err(|error| Error::InventoryAnswer(error.to_string()))
        }
        status if status.is_server_error() => Err(Error::InventoryUnavailable(format!("answered {status}"))),
        status => Err(Error::InventoryAnswer(format!("status {status}"))),
    }
}

/// Reads one outcome. The outer error is a breach of the contract, the inner one a refusal.
fn outcome(outcome: BatchItem) -> Result<Result<Reservation, Error>, Error> {
    let breach = |error: serde_json::Error| Error::InventoryAnswer(error.to_string());
    if matches!(outcome.status, 200 | 201) {
        return serde_json::from_str(outcome.body.get()).map(Ok).map_err(breach);
    }
    let refusal: Refusal = serde_json::from_str(outcome.body.get()).map_err(breach)?;
    Ok(Err(match (outcome.status, refusal.kind.as_str()) {
        (409, "/problems/insufficient-stock") => {
            Error::InsufficientStock { detail: refusal.detail, items: refusal.items }
        }
        (422, "/problems/unknown-product") => Error::UnknownProduct(refusal.detail),
        // The reference comes from the Idempotency-Key: other items under it are another request.
        (422, "/problems/reservation-mismatch") => Fault::KeyReused.into(),
        (503, _) => Error::InventoryUnavailable(refusal.detail),
        (status, kind) => Error::InventoryAnswer(format!("{status} {kind}: {}", refusal.detail)),
    }))
}

/// The connection broke while the answer was read.
fn unavailable(error: reqwest::Error) -> Error {
    Error::InventoryUnavailable(reason(error))
}
