//! Lists as Stripe gives them: newest first, a page at a time.

use crate::stripe::error::Refusal;
use crate::stripe::form::Form;
use serde_json::{Value, json};

/// What every list can be asked with.
pub(crate) const LISTING: [&str; 3] = ["created", "limit", "starting_after"];

/// The asked page of all objects, which come newest first, each with its id and when it was made.
pub(crate) fn page(query: &Form, url: &str, all: impl Iterator<Item = (String, u64, Value)>) -> Result<Value, Refusal> {
    let limit = query.number("limit")?.unwrap_or(10);
    if !(1..=100).contains(&limit) {
        return Err(Refusal::parameter("parameter_invalid_integer", "limit", "limit must be from 1 to 100"));
    }
    let bound = |name| query.number(name);
    let (from, after) = (bound("created[gte]")?.unwrap_or(0), bound("created[gt]")?);
    let (to, before) = (bound("created[lte]")?.unwrap_or(u64::MAX), bound("created[lt]")?);
    let is_in = |created: u64| {
        (from..=to).contains(&created)
            && after.is_none_or(|after| created > after)
            && before.is_none_or(|before| created < before)
    };
    let mut behind = query.get("starting_after").is_none();
    let mut data = Vec::new();
    let mut has_more = false;
    for (id, created, shown) in all {
        if !behind {
            behind = query.get("starting_after") == Some(id.as_str());
            continue;
        }
        if !is_in(created) {
            continue;
        }
        if data.len() as u64 == limit {
            has_more = true;
            break;
        }
        data.push(shown);
    }
    match query.get("starting_after") {
        Some(id) if !behind => Err(Refusal::missing("object", id)),
        _ => Ok(json!({"object": "list", "url": url, "has_more": has_more, "data": data})),
    }
}
