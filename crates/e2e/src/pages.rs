//! Walking a list from its first page to its last by the `Link` headers.

use crate::client::Client;
use serde_json::Value;

/// The rows of every page of the list at `path`. Fails the test where a page holds more than `limit` rows, is empty
/// though there were more, or where the pages never end.
pub async fn all(client: &Client, path: &str, limit: usize) -> Vec<Value> {
    let joint = if path.contains('?') { '&' } else { '?' };
    let mut next = Some(format!("{path}{joint}limit={limit}"));
    let mut rows = Vec::new();
    let mut pages = 0;
    while let Some(page) = next {
        let answer = client.get(&page).await.is(200);
        let on_page = answer.array();
        assert!(on_page.len() <= limit, "{} rows on {page}", on_page.len());
        assert!(pages == 0 || !on_page.is_empty(), "{page} is empty though the page before linked to it");
        next = answer.next_page();
        assert!(next.is_none() || on_page.len() == limit, "{page} is not full and yet not the last");
        rows.extend(on_page);
        pages += 1;
        assert!(pages < 100, "{path} never ends");
    }
    rows
}

/// The ids of all rows.
#[track_caller]
pub fn ids(rows: &[Value]) -> Vec<i64> {
    rows.iter().map(|row| crate::samples::int(&row["id"])).collect()
}
