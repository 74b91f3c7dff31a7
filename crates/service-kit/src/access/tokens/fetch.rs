//! Asks issuers for their keys: in the background, at start, again and again, and when a key is unknown.

use super::config::KeySource;
use super::issuer::Issuer;
use super::keys::KeySet;
use super::keys_table::{KeysTable, Remembered};
use reqwest::{Client, StatusCode};
use serde::Deserialize;
use sqlx::PgPool;
use std::path::Path;
use std::time::Duration;
use time::OffsetDateTime;
use tokio_util::sync::CancellationToken;

/// How long an issuer may take for an answer. Who waits for another's answer waits no longer.
pub(super) const PATIENCE: Duration = Duration::from_secs(3);

/// The longest answer, in bytes.
const LONGEST: usize = 256 * 1024;

/// Pause after a failure.
const AGAIN: Duration = Duration::from_secs(5);

/// Pause after a failure while no keys are there at all.
const AGAIN_SOON: Duration = Duration::from_secs(1);

/// Why there are no keys.
#[derive(Debug, thiserror::Error)]
pub(super) enum FetchError {
    #[error("{0}")]
    Http(reqwest::Error),
    #[error("answered {0}")]
    Status(StatusCode),
    #[error("the answer is longer than {LONGEST} bytes")]
    TooLong,
    #[error("the answer cannot be read: {0}")]
    Json(#[from] serde_json::Error),
    #[error("its discovery document is that of {0}")]
    OtherIssuer(String),
    #[error("there is no key of use")]
    NoKeys,
    #[error("{0}")]
    File(#[from] std::io::Error),
    #[error("the file holds no public key on P-256: {0}")]
    Pem(#[from] jsonwebtoken::errors::Error),
}

impl From<reqwest::Error> for FetchError {
    fn from(error: reqwest::Error) -> Self {
        Self::Http(error.without_url())
    }
}

/// What of OpenID Connect Discovery 1.0 matters here.
#[derive(Deserialize)]
struct Discovery {
    issuer: String,
    jwks_uri: String,
    token_endpoint: Option<String>,
}

/// What an issuer has answered.
struct Fetched {
    keys: KeySet,
    /// To be remembered; none of a file, which is there anyway.
    jwks: Option<String>,
    token_endpoint: Option<String>,
}

/// The client for it. It follows no redirect: keys come from where the settings say.
pub(super) fn client() -> Result<Client, reqwest::Error> {
    http_client::client()
        .connect_timeout(Duration::from_secs(1))
        .timeout(PATIENCE)
        .redirect(reqwest::redirect::Policy::none())
        .build()
}

/// The keys in a file.
pub(super) fn read_file(path: &Path) -> Result<KeySet, FetchError> {
    let keys = KeySet::from_pem(&std::fs::read_to_string(path)?)?;
    if keys.is_empty() { Err(FetchError::NoKeys) } else { Ok(keys) }
}

/// Keeps the keys of one issuer fresh until `shutdown`.
pub(super) async fn keep_fresh(
    issuer: &Issuer,
    http: Client,
    remembered: Option<(PgPool, KeysTable)>,
    refresh: Duration,
    shutdown: CancellationToken,
) {
    let mut failing = false;
    while !shutdown.is_cancelled() {
        let fetching = shutdown.run_until_cancelled(fetch(issuer, &http));
        let Some(outcome) = fetching.await else { return };
        let pause = match outcome {
            Ok(fetched) => {
                take(issuer, fetched, remembered.as_ref()).await;
                if failing {
                    tracing::info!(issuer = issuer.name, "the keys can be fetched again");
                }
                failing = false;
                refresh
            }
            Err(error) => {
                if !failing {
                    tracing::warn!(issuer = issuer.name, %error, "the keys cannot be fetched, those that are known stay");
                }
                failing = true;
                refresh.min(if issuer.has_keys() { AGAIN } else { AGAIN_SOON })
            }
        };
        issuer.fetched(!failing);
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = issuer.wanted.notified() => {}
            () = shutdown.cancelled() => {}
        }
    }
}

async fn take(issuer: &Issuer, fetched: Fetched, remembered: Option<&(PgPool, KeysTable)>) {
    let now = OffsetDateTime::now_utc();
    let Fetched { keys, jwks, token_endpoint } = fetched;
    issuer.set(keys, token_endpoint.clone(), now.unix_timestamp());
    let (Some(jwks), Some((pool, table))) = (jwks, remembered) else { return };
    let last = Remembered { jwks, token_endpoint, fetched_at: now };
    if let Err(error) = table.remember(pool, &issuer.name, &last).await {
        tracing::debug!(%error, "the keys are not remembered for a restart");
    }
}

async fn fetch(issuer: &Issuer, http: &Client) -> Result<Fetched, FetchError> {
    let (jwks_uri, token_endpoint) = match &issuer.source {
        KeySource::File(path) => return Ok(Fetched { keys: read_file(path)?, jwks: None, token_endpoint: None }),
        KeySource::Jwks(url) => (url.to_string(), None),
        KeySource::Issuer(_) => {
            let url = format!("{}/.well-known/openid-configuration", issuer.name.trim_end_matches('/'));
            let discovery: Discovery = serde_json::from_str(&get(http, &url).await?)?;
            // To the letter (OpenID Connect Discovery 1.0, 4.3): who speaks for another issuer is not believed.
            if discovery.issuer != issuer.name {
                return Err(FetchError::OtherIssuer(discovery.issuer));
            }
            (discovery.jwks_uri, discovery.token_endpoint)
        }
    };
    let jwks = get(http, &jwks_uri).await?;
    let keys = KeySet::from_jwks(&jwks)?;
    if keys.is_empty() {
        return Err(FetchError::NoKeys);
    }
    Ok(Fetched { keys, jwks: Some(jwks), token_endpoint })
}

async fn get(http: &Client, url: &str) -> Result<String, FetchError> {
    let mut response = http.get(url).header("accept", "application/json").send().await?;
    if response.status() != StatusCode::OK {
        return Err(FetchError::Status(response.status()));
    }
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await? {
        if body.len() + chunk.len() > LONGEST {
            return Err(FetchError::TooLong);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(String::from_utf8_lossy(&body).into_owned())
}
