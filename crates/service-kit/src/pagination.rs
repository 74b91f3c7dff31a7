//! Keyset pagination: `limit` and `cursor` in, the next page in a `Link` header (RFC 8288) out.

use crate::extract::parameters;
use crate::problem::Problem;
use crate::validation::FieldErrors;
use axum::extract::FromRequestParts;
use axum::http::{HeaderValue, Uri, header, request::Parts};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::convert::Infallible;
use std::fmt::Display;
use std::str::FromStr;
use url::form_urlencoded;

/// Rows of a page where the client names no limit.
pub const DEFAULT_LIMIT: i64 = 50;

/// Rows of the largest page.
pub const MAX_LIMIT: i64 = 200;

/// What a limit must be.
const LIMIT: &str = "must be a whole number from 1 to 200";

/// The page that was asked for; `Key` is what the rows are sorted by and must be unique.
#[derive(Clone, Debug)]
pub struct Page<Key = i64> {
    limit: i64,
    /// The key of the last row of the page before.
    pub after: Option<Key>,
    uri: Uri,
}

impl<Key: FromStr + Display + Send, S: Send + Sync> FromRequestParts<S> for Page<Key> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        Self::parse(parts.uri.clone()).map_err(Problem::validation)
    }
}

/// A page of what filters leave: what is at fault in either is named together.
#[derive(Debug)]
pub struct Filtered<Filters, Key = i64> {
    page: Result<Page<Key>, FieldErrors>,
    filters: Result<Filters, FieldErrors>,
}

impl<Filters, Key, S> FromRequestParts<S> for Filtered<Filters, Key>
where
    Filters: DeserializeOwned + Send,
    Key: FromStr + Display + Send,
    S: Send + Sync,
{
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        let filters = parameters::read(parts.uri.query().unwrap_or_default());
        Ok(Self { page: Page::parse(parts.uri.clone()), filters })
    }
}

impl<Filters, Key> Filtered<Filters, Key> {
    /// The page and what `check` makes of the filters, or every parameter at fault.
    pub fn checked<Checked>(
        self,
        check: impl FnOnce(Filters) -> Result<Checked, FieldErrors>,
    ) -> Result<(Page<Key>, Checked), FieldErrors> {
        match (self.page, self.filters.and_then(check)) {
            (Ok(page), Ok(checked)) => Ok((page, checked)),
            (page, checked) => {
                let mut errors = page.err().unwrap_or_default();
                errors.0.extend(checked.err().unwrap_or_default().0);
                Err(errors)
            }
        }
    }
}

impl<Key: FromStr + Display> Page<Key> {
    fn parse(uri: Uri) -> Result<Self, FieldErrors> {
        let mut errors = FieldErrors::default();
        let (mut limit, mut after) = (DEFAULT_LIMIT, None);
        for (name, value) in form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes()) {
            match name.as_ref() {
                "limit" => match value.parse() {
                    _ if value.starts_with('+') => errors.add("limit", LIMIT),
                    Ok(number) if (1..=MAX_LIMIT).contains(&number) => limit = number,
                    _ => errors.add("limit", LIMIT),
                },
                "cursor" => match value.parse::<Key>() {
                    Ok(key) if key.to_string() == value => after = Some(key),
                    _ => errors.add("cursor", "must be taken from a Link header"),
                },
                _ => {}
            }
        }
        errors.into_result(Self { limit, after, uri })
    }
}

impl<Key> Page<Key> {
    /// How many rows to fetch: one more than asked for, to know whether there is a next page.
    pub fn fetch(&self) -> i64 {
        self.limit + 1
    }

    /// The page as a JSON array; where rows are left, with a `Link` to the next page.
    pub fn answer<Row: Serialize, Cursor: Display>(&self, mut rows: Vec<Row>, key: fn(&Row) -> Cursor) -> Response {
        let limit = usize::try_from(self.limit).unwrap_or(usize::MAX);
        let more = rows.len() > limit;
        rows.truncate(limit);
        let next = rows.last().filter(|_| more).map(|last| self.link_to(&key(last).to_string()));
        let mut response = axum::Json(rows).into_response();
        if let Some(link) = next.and_then(|link| HeaderValue::from_str(&link).ok()) {
            response.headers_mut().insert(header::LINK, link);
        }
        response
    }

    fn link_to(&self, cursor: &str) -> String {
        let query = form_urlencoded::Serializer::new(String::new())
            .extend_pairs(
                form_urlencoded::parse(self.uri.query().unwrap_or_default().as_bytes())
                    .filter(|(name, _)| name != "cursor"),
            )
            .append_pair("cursor", cursor)
            .finish();
        format!("<{}?{query}>; rel=\"next\"", self.uri.path())
    }
}

#[cfg(test)]
mod tests {
    use super::Page;
    use axum::http::Uri;

    fn page(uri: &'static str) -> Result<Page, super::FieldErrors> {
        Page::parse(Uri::from_static(uri))
    }

    #[test]
    fn the_next_link_keeps_the_filters() {
        let page = page("/api/orders?status=PENDING&customerEmail=a%2Bb%40c.de&limit=1&cursor=9").unwrap();
        let answer = page.answer(vec![8, 7], |row| *row);
        assert_eq!(
            answer.headers()["link"],
            "</api/orders?status=PENDING&customerEmail=a%2Bb%40c.de&limit=1&cursor=8>; rel=\"next\""
        );
        assert!(!page.answer(vec![8], |row| *row).headers().contains_key("link"));
    }

    #[test]
    fn bad_parameters_are_named_together() {
        let errors = page("/x?limit=0&cursor=abc").unwrap_err();
        assert_eq!(errors.0.keys().collect::<Vec<_>>(), ["cursor", "limit"]);
        for refused in
            ["limit=201", "limit=%2B5", "limit=", "cursor=", "cursor=01", "cursor=%2B1", "cursor=1e0", "cursor=%00"]
        {
            let uri = format!("/x?{refused}").parse().unwrap();
            assert!(Page::<i64>::parse(uri).is_err(), "{refused}");
        }
    }
}
