//! Reads a JSON body and names every field that is wrong, whatever is wrong with it.
//!
//! serde alone stops at the first fault, takes arrays for objects and names our types. Here each value is looked at as the
//! client wrote it. A fault is noted, and a stand-in is read instead, so that the reading goes on. A body without a fault,
//! which most are, is read in one pass before that.

mod plain;
mod value;

use crate::validation::FieldErrors;
use plain::Plain;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;
use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use value::{Place, Value};

/// Most faults that an answer names: a body of a megabyte can have more than anybody reads.
const MOST_FAULTS: usize = 100;

/// Most bytes that are read in order to name every fault of one body.
const MOST_READ: usize = 4 << 20;

/// What becomes of fields that are not known here.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Unknown {
    /// Each is a fault: what a client asks for and nobody does is worse than a refusal.
    Refused,
    /// The sender may be a newer build, or a provider that says more than is needed.
    PassedOver,
}

/// A body of a request.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no body of a request yet",
    note = "implement `service_kit::body::Body` for it: `faults` gives what its checks of the fields find"
)]
pub trait Body: DeserializeOwned {
    /// What becomes of fields that are not known here.
    const UNKNOWN: Unknown = Unknown::Refused;

    /// What is wrong with the fields that could be read. It is asked for only where others could not, so that the answer
    /// names all of them.
    fn faults(&self) -> FieldErrors {
        FieldErrors::default()
    }
}

/// Why a body cannot be read.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Unreadable {
    /// It is no JSON.
    Malformed(String),
    /// It is JSON, with fields at fault.
    Invalid(FieldErrors),
}

/// Reads a body. A byte order mark in front of it is passed over (RFC 8259, 8.1).
pub fn read<T: Body>(body: &[u8]) -> Result<T, Unreadable> {
    let body = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body);
    if let Some(read) = faultless(serde_json::Deserializer::from_slice(body)) {
        return Ok(read);
    }
    let json: &RawValue = serde_json::from_slice(body).map_err(|error| Unreadable::Malformed(error.to_string()))?;
    read_faults(json, T::UNKNOWN)
}

/// Reads a value that is known to be JSON.
pub fn read_value<T: Body>(json: &RawValue, unknown: Unknown) -> Result<T, Unreadable> {
    match faultless(serde_json::Deserializer::from_str(json.get())) {
        Some(read) => Ok(read),
        None => read_faults(json, unknown),
    }
}

/// Reads a body in one pass, if nothing in it is at fault or out of the ordinary.
fn faultless<'de, T: Body, R: serde_json::de::Read<'de>>(mut json: serde_json::Deserializer<R>) -> Option<T> {
    let read = T::deserialize(Plain(&mut json)).ok()?;
    json.end().ok().map(|()| read)
}

/// Reads a body value by value, and notes each fault.
fn read_faults<T: Body>(json: &RawValue, unknown: Unknown) -> Result<T, Unreadable> {
    let report = Report::new(unknown);
    // What a type refuses by itself (a UUID, a price) is left out and read again: most bodies need one round. A large body
    // gets few: it must not keep a processor busy for what nobody reads.
    let rounds = (MOST_READ / json.get().len().max(1)).clamp(1, MOST_FAULTS);
    for _ in 0..rounds {
        let value = Value { json: json.get(), place: Place::Body, report: &report };
        let read = value.placed(T::deserialize(value));
        if let Some(malformed) = report.malformed.take() {
            return Err(Unreadable::Malformed(malformed.in_body(json.get())));
        }
        match read {
            Ok(body) if report.faults.borrow().0.is_empty() => return Ok(body),
            Ok(body) => {
                report.merge(body.faults());
                break;
            }
            Err(_) if report.again.take() => {}
            Err(_) => break,
        }
    }
    Err(Unreadable::Invalid(report.faults.take()))
}

/// What was found so far.
#[derive(Debug)]
struct Report {
    unknown: Unknown,
    faults: RefCell<FieldErrors>,
    /// Values that the next round reads as null.
    left_out: RefCell<BTreeSet<String>>,
    again: Cell<bool>,
    malformed: RefCell<Option<Malformed>>,
}

/// A value in the body that is no JSON after all.
#[derive(Debug)]
struct Malformed {
    /// Where it is in memory.
    value: usize,
    /// What serde_json says of it alone.
    error: serde_json::Error,
}

impl Malformed {
    /// What is wrong, with the place in the whole body.
    fn in_body(&self, body: &str) -> String {
        let said = self.error.to_string();
        let Some((what, _)) = said.rsplit_once(" at line ") else { return said };
        let value = &body.as_bytes()[self.value.saturating_sub(body.as_ptr().addr()).min(body.len())..];
        let lines = value.split_inclusive(|byte| *byte == b'\n').take(self.error.line().saturating_sub(1));
        let in_value = lines.map(<[u8]>::len).sum::<usize>() + self.error.column();
        let before = &body.as_bytes()[..(body.len() - value.len() + in_value).min(body.len())];
        let line = before.iter().filter(|byte| **byte == b'\n').count() + 1;
        let column = before.len() - before.iter().rposition(|byte| *byte == b'\n').map_or(0, |newline| newline + 1);
        format!("{what} at line {line} column {column}")
    }
}

impl Report {
    fn new(unknown: Unknown) -> Self {
        let (faults, left_out, malformed) = Default::default();
        Self { unknown, faults, left_out, again: Cell::new(false), malformed }
    }

    fn note(&self, place: Place<'_>, message: &str) {
        let mut faults = self.faults.borrow_mut();
        if faults.0.len() < MOST_FAULTS {
            faults.add(place.to_string(), message);
        }
    }

    fn leave_out(&self, place: Place<'_>) {
        if self.left_out.borrow_mut().insert(place.to_string()) {
            self.again.set(true);
        }
    }

    fn is_left_out(&self, place: Place<'_>) -> bool {
        let left_out = self.left_out.borrow();
        !left_out.is_empty() && left_out.contains(&place.to_string())
    }

    /// Adds what the checks of the fields found, but for stand-ins and what is in them.
    fn merge(&self, found: FieldErrors) {
        let mut faults = self.faults.borrow_mut();
        let known = faults.clone();
        let stands_in = |field: &str| {
            let ends = field.char_indices().filter(|(_, c)| matches!(c, '.' | '[')).map(|(at, _)| at);
            ends.chain([field.len()]).any(|end| known.0.contains_key(&field[..end]))
        };
        for (field, message) in found.0 {
            if faults.0.len() < MOST_FAULTS && !known.0.contains_key("body") && !stands_in(&field) {
                faults.add(field, message);
            }
        }
    }
}

#[cfg(test)]
mod tests;
