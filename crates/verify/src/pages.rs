//! A list, page by page along its `Link` headers. While one page is worked on, the next is on its way.

use crate::api::{Answer, Api, VerifyError};
use serde::Deserialize;
use tokio::task::JoinSet;

/// Rows of a page: the most the services give.
const LIMIT: usize = 200;

/// What is left of a list.
#[derive(Debug)]
pub struct Pages {
    service: Api,
    /// The page that was asked for last, if there is one; nobody waits for it once this is dropped.
    coming: JoinSet<Result<Page, VerifyError>>,
}

/// A page with the path it was asked for by.
#[derive(Debug)]
pub struct Page {
    service: Api,
    path: String,
    answer: Answer,
}

impl Pages {
    /// The whole list; `path` has no query.
    pub fn of(service: &Api, path: &str) -> Self {
        let mut pages = Self { service: service.clone(), coming: JoinSet::new() };
        pages.ask_for(format!("{path}?limit={LIMIT}"));
        pages
    }

    /// The next page, until there is none.
    pub async fn next(&mut self) -> Result<Option<Page>, VerifyError> {
        let Some(asked) = self.coming.join_next().await else { return Ok(None) };
        let page = asked.map_err(|error| self.service.unexpected("", error.to_string()))??;
        if let Some(path) = &page.answer.next {
            self.ask_for(path.clone());
        }
        Ok(Some(page))
    }

    fn ask_for(&mut self, path: String) {
        let service = self.service.clone();
        self.coming.spawn(async move {
            let answer = service.fetch(&path).await?;
            Ok(Page { service, path, answer })
        });
    }
}

impl Page {
    /// Its rows, which may borrow from it.
    pub fn rows<'page, T: Deserialize<'page>>(&'page self) -> Result<Vec<T>, VerifyError> {
        self.service.parse(&self.path, &self.answer)
    }

    /// The error that something is wrong with this page.
    pub fn unexpected(&self, what: String) -> VerifyError {
        self.service.unexpected(&self.path, what)
    }
}
