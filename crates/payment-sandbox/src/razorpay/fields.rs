//! Bodies and queries as Razorpay takes them: JSON, with whole numbers for amounts.

use crate::frame::Call;
use crate::razorpay::error::Refusal;
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// The most notes, and the most characters of one.
const NOTES: (usize, usize) = (15, 256);

/// The body of a call, in which only these fields may stand; an empty body has none.
pub(crate) fn body(call: &Call, known: &[&str]) -> Result<Map<String, Value>, Refusal> {
    if call.body.is_empty() {
        return Ok(Map::new());
    }
    let Ok(Value::Object(fields)) = serde_json::from_slice(&call.body) else {
        return Err(Refusal::bad("The request body is no JSON object"));
    };
    match fields.keys().find(|name| !known.contains(&name.as_str())) {
        Some(name) => Err(Refusal::field(name, format!("{name} is/are not required and should not be sent"))),
        None => Ok(fields),
    }
}

/// An amount in hundredths, if it is there.
pub(crate) fn amount(fields: &Map<String, Value>) -> Result<Option<u64>, Refusal> {
    match fields.get("amount") {
        None | Some(Value::Null) => Ok(None),
        Some(value @ Value::Number(_)) if value.is_u64() => Ok(value.as_u64()),
        Some(_) => Err(Refusal::field("amount", "The amount must be an integer.")),
    }
}

/// A text, if it is there.
pub(crate) fn text(fields: &Map<String, Value>, name: &str) -> Result<Option<String>, Refusal> {
    match fields.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.clone())),
        Some(_) => Err(Refusal::field(name, format!("The {name} must be a string."))),
    }
}

/// What the shop writes on something.
pub(crate) fn notes(fields: &Map<String, Value>) -> Result<BTreeMap<String, String>, Refusal> {
    let wrong = || Refusal::field("notes", "notes are at most 15 texts of at most 256 characters");
    let notes = match fields.get("notes") {
        None | Some(Value::Null) => return Ok(BTreeMap::new()),
        Some(Value::Array(none)) if none.is_empty() => return Ok(BTreeMap::new()),
        Some(Value::Object(notes)) => notes,
        Some(_) => return Err(wrong()),
    };
    let note = |(name, value): (&String, &Value)| {
        let text = value.as_str().filter(|text| text.chars().count() <= NOTES.1).ok_or_else(wrong)?;
        Ok((name.clone(), text.to_owned()))
    };
    if notes.len() > NOTES.0 {
        return Err(wrong());
    }
    notes.iter().map(note).collect()
}

/// The query of a call, in which only these names may stand.
pub(crate) fn query(call: &Call, known: &[&str]) -> Result<BTreeMap<String, String>, Refusal> {
    let fields: BTreeMap<String, String> = url::form_urlencoded::parse(call.query.as_bytes()).into_owned().collect();
    match fields.keys().find(|name| !known.contains(&name.as_str())) {
        Some(name) => Err(Refusal::field(name, format!("{name} is/are not required and should not be sent"))),
        None => Ok(fields),
    }
}

/// A whole number of a query, or what it is by itself.
pub(crate) fn number(query: &BTreeMap<String, String>, name: &str, default: u64) -> Result<u64, Refusal> {
    let wrong = |_| Refusal::field(name, format!("The {name} must be an integer."));
    query.get(name).map_or(Ok(default), |text| text.parse().map_err(wrong))
}
