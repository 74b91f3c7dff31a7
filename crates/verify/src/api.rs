//! Reading a service over HTTP: single things, and whole lists where all of their rows are wanted.

use crate::key::ApiKey;
use crate::pages::Pages;
use reqwest::header::{AUTHORIZATION, HeaderMap};
use reqwest::{Client, StatusCode};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use std::time::Duration;

/// How long one answer may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// Why nothing can be said about the services.
#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    #[error("{url} cannot be reached: {reason}")]
    Unreachable {
        /// What was asked for.
        url: String,
        reason: String,
    },
    /// An answer that is not in the contract.
    #[error("{url} answered {what}")]
    Unexpected {
        /// What was asked for.
        url: String,
        /// Status, or what is wrong with the body.
        what: String,
    },
    /// The HTTP client cannot be made.
    #[error("HTTP client: {0}")]
    Client(reqwest::Error),
}

/// One service; clones share their connections.
#[derive(Clone, Debug)]
pub struct Api {
    http: Client,
    base: String,
}

/// An answer.
#[derive(Debug)]
pub(crate) struct Answer {
    status: StatusCode,
    /// Path of the next page of a list.
    pub(crate) next: Option<String>,
    text: String,
}

impl Api {
    /// The service at `base` (`http://127.0.0.1:8081`). Connects to nothing yet.
    pub fn new(base: &str) -> Result<Self, VerifyError> {
        Self::with_key(base, None)
    }

    /// The same, called with this key.
    pub fn with_key(base: &str, key: Option<&ApiKey>) -> Result<Self, VerifyError> {
        let headers = HeaderMap::from_iter(key.map(|key| (AUTHORIZATION, key.header())));
        let http = http_client::client().connect_timeout(PATIENCE).default_headers(headers);
        let http = http.build().map_err(VerifyError::Client)?;
        Ok(Self { http, base: base.trim_end_matches('/').to_owned() })
    }

    /// What is there; an answer other than 200 is an error.
    pub async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, VerifyError> {
        let answer = self.fetch(path).await?;
        self.parse(path, &answer)
    }

    /// What is there, or nothing on 404.
    pub async fn find<T: DeserializeOwned>(&self, path: &str) -> Result<Option<T>, VerifyError> {
        let answer = self.fetch(path).await?;
        if answer.status == StatusCode::NOT_FOUND { Ok(None) } else { self.parse(path, &answer).map(Some) }
    }

    /// What is there, however long the service has to look for it; an answer other than 200 is an error.
    pub async fn get_in_time<T: DeserializeOwned>(&self, path: &str, patience: Duration) -> Result<T, VerifyError> {
        let answer = self.fetch_within(path, patience).await?;
        self.parse(path, &answer)
    }

    /// Every row of a list. `path` has no query.
    pub async fn list<T: DeserializeOwned>(&self, path: &str) -> Result<Vec<T>, VerifyError> {
        let (mut rows, mut pages) = (Vec::new(), Pages::of(self, path));
        while let Some(page) = pages.next().await? {
            rows.extend(page.rows::<T>()?);
        }
        Ok(rows)
    }

    pub(crate) async fn fetch(&self, path: &str) -> Result<Answer, VerifyError> {
        self.fetch_within(path, PATIENCE).await
    }

    async fn fetch_within(&self, path: &str, patience: Duration) -> Result<Answer, VerifyError> {
        let url = format!("{}{path}", self.base);
        let unreachable = |error: reqwest::Error| VerifyError::Unreachable { url: url.clone(), reason: cause(&error) };
        let response = self.http.get(&url).timeout(patience).send().await.map_err(unreachable)?;
        let link = response.headers().get("link").and_then(|value| value.to_str().ok()).and_then(next_of);
        let (status, body) = (response.status(), response.bytes().await.map_err(unreachable)?);
        let text = String::from_utf8(body.into()).map_err(|error| self.unexpected(path, error.to_string()))?;
        Ok(Answer { status, next: link, text })
    }

    pub(crate) fn parse<'page, T: Deserialize<'page>>(
        &self,
        path: &str,
        answer: &'page Answer,
    ) -> Result<T, VerifyError> {
        if answer.status != StatusCode::OK {
            return Err(self.unexpected(path, format!("{}: {}", answer.status, answer.text)));
        }
        serde_json::from_str(&answer.text)
            .map_err(|error| self.unexpected(path, format!("what cannot be read: {error}")))
    }

    pub(crate) fn unexpected(&self, path: &str, what: String) -> VerifyError {
        VerifyError::Unexpected { url: format!("{}{path}", self.base), what }
    }
}

/// What is at the bottom of an error: `Connection refused`.
fn cause(error: &dyn std::error::Error) -> String {
    error.source().map_or_else(|| error.to_string(), cause)
}

/// The target of `<…>; rel="next"`.
fn next_of(link: &str) -> Option<String> {
    let (target, relation) = link.strip_prefix('<')?.split_once('>')?;
    relation.contains("rel=\"next\"").then(|| target.to_owned())
}

#[cfg(test)]
mod tests {
    use super::next_of;

    #[test]
    fn finds_the_next_page() {
        assert_eq!(next_of("</api/orders?cursor=7>; rel=\"next\"").as_deref(), Some("/api/orders?cursor=7"));
        assert_eq!(next_of("</api/orders>; rel=\"prev\""), None);
    }
}
