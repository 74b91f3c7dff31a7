//! A list, page by page along its `Link` headers.

use crate::api::{Api, Page, VerifyError};
use serde::Deserialize;

/// Rows of a page: the most the services give.
const LIMIT: usize = 200;

/// What is left of a list.
#[derive(Debug)]
pub struct Pages<'api> {
    service: &'api Api,
    next: Option<String>,
}

/// A page with the path it was asked for by.
#[derive(Debug)]
pub struct ListPage<'api> {
    service: &'api Api,
    path: String,
    page: Page,
}

impl<'api> Pages<'api> {
    /// The whole list; `path` has no query.
    pub fn of(service: &'api Api, path: &str) -> Self {
        Self { service, next: Some(format!("{path}?limit={LIMIT}")) }
    }

    /// The next page, until there is none.
    pub async fn next(&mut self) -> Result<Option<ListPage<'api>>, VerifyError> {
        let Some(path) = self.next.take() else { return Ok(None) };
        let mut page = self.service.fetch(&path).await?;
        self.next = page.next.take();
        Ok(Some(ListPage { service: self.service, path, page }))
    }
}

impl ListPage<'_> {
    /// Its rows, which may borrow from it.
    pub fn rows<'page, T: Deserialize<'page>>(&'page self) -> Result<Vec<T>, VerifyError> {
        self.service.parse(&self.path, &self.page)
    }

    /// The error that something is wrong with this page.
    pub fn unexpected(&self, what: String) -> VerifyError {
        self.service.unexpected(&self.path, what)
    }
}
