//! Reading a service over HTTP: single things, whole lists along their `Link` headers.

use reqwest::{Client, StatusCode};
use serde::de::DeserializeOwned;
use std::time::Duration;

/// How long one answer may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// Why nothing can be said about the services.
#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    /// No answer.
    #[error("{url} cannot be reached: {reason}")]
    Unreachable {
        /// What was asked for.
        url: String,
        /// Why.
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

struct Page {
    status: StatusCode,
    next: Option<String>,
    text: String,
}

impl Api {
    /// The service at `base` (`http://127.0.0.1:8081`). Connects to nothing yet.
    pub fn new(base: &str) -> Result<Self, VerifyError> {
        let http = Client::builder().timeout(PATIENCE).build().map_err(VerifyError::Client)?;
        Ok(Self { http, base: base.trim_end_matches('/').to_owned() })
    }

    /// What is there; an answer other than 200 is an error.
    pub async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, VerifyError> {
        let page = self.fetch(path).await?;
        self.parse(path, &page)
    }

    /// What is there, or nothing on 404.
    pub async fn find<T: DeserializeOwned>(&self, path: &str) -> Result<Option<T>, VerifyError> {
        let page = self.fetch(path).await?;
        if page.status == StatusCode::NOT_FOUND { Ok(None) } else { self.parse(path, &page).map(Some) }
    }

    /// Every row of a list, along the `Link` headers. `path` has no query.
    pub async fn list<T: DeserializeOwned>(&self, path: &str) -> Result<Vec<T>, VerifyError> {
        let (mut rows, mut next) = (Vec::new(), Some(format!("{path}?limit=200")));
        while let Some(path) = next {
            let page = self.fetch(&path).await?;
            rows.extend(self.parse::<Vec<T>>(&path, &page)?);
            next = page.next;
        }
        Ok(rows)
    }

    async fn fetch(&self, path: &str) -> Result<Page, VerifyError> {
        let url = format!("{}{path}", self.base);
        let unreachable = |error: reqwest::Error| VerifyError::Unreachable { url: url.clone(), reason: cause(&error) };
        let response = self.http.get(&url).send().await.map_err(unreachable)?;
        let link = response.headers().get("link").and_then(|value| value.to_str().ok()).and_then(next_of);
        Ok(Page { status: response.status(), next: link, text: response.text().await.map_err(unreachable)? })
    }

    fn parse<T: DeserializeOwned>(&self, path: &str, page: &Page) -> Result<T, VerifyError> {
        let unexpected = |what: String| VerifyError::Unexpected { url: format!("{}{path}", self.base), what };
        if page.status != StatusCode::OK {
            return Err(unexpected(format!("{}: {}", page.status, page.text)));
        }
        serde_json::from_str(&page.text).map_err(|error| unexpected(format!("what cannot be read: {error}")))
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
