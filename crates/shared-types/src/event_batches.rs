//! Many events in one message, in the JSON batch format of CloudEvents 1.0: an array of events. A single event travels
//! without the array around it.

use serde::Serialize;
use serde_json::value::RawValue;

/// Media type of a message that is one event.
pub const SINGLE: &str = "application/cloudevents+json";

/// Media type of a message that is an array of events.
pub const BATCH: &str = "application/cloudevents-batch+json";

/// Events, each in JSON, put together into one message.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct EventBatch {
    joined: Vec<u8>,
    events: u16,
}

impl EventBatch {
    /// A batch of this event.
    pub fn of(event: &impl Serialize) -> Result<Self, serde_json::Error> {
        let mut batch = Self { joined: Vec::with_capacity(1024), events: 0 };
        batch.write(event)?;
        Ok(batch)
    }

    /// Writes an event behind the others. After an error the batch is of no use.
    pub fn write(&mut self, event: &impl Serialize) -> Result<(), serde_json::Error> {
        self.separate();
        serde_json::to_writer(&mut self.joined, event)
    }

    /// Adds an event, in JSON, behind the others.
    pub fn push(&mut self, event: &[u8]) {
        self.separate();
        self.joined.extend_from_slice(event);
    }

    fn separate(&mut self) {
        if self.events > 0 {
            self.joined.push(b',');
        }
        self.events += 1;
    }

    /// Adds the events of a message behind the others: what [`Self::into_body`] made of `events` events.
    pub fn append(&mut self, body: &[u8], events: u16) {
        let array = body.strip_prefix(b"[").and_then(|rest| rest.strip_suffix(b"]"));
        self.push(array.filter(|_| events > 1).unwrap_or(body));
        self.events += events.saturating_sub(1);
    }

    /// Bytes of the events.
    pub fn bytes(&self) -> usize {
        self.joined.len()
    }

    /// How many events there are.
    pub fn events(&self) -> u16 {
        self.events
    }

    /// The body of the message.
    pub fn into_body(self) -> Vec<u8> {
        if self.events <= 1 {
            return self.joined;
        }
        let mut body = Vec::with_capacity(self.joined.len() + 2);
        body.push(b'[');
        body.extend_from_slice(&self.joined);
        body.push(b']');
        body
    }
}

/// Takes a message apart into its events. What is no readable array is left as one piece, whatever it is.
pub fn split(body: &[u8]) -> Vec<&[u8]> {
    if !body.trim_ascii_start().starts_with(b"[") {
        return vec![body];
    }
    match serde_json::from_slice::<Vec<&RawValue>>(body) {
        Ok(events) => events.into_iter().map(|event| event.get().as_bytes()).collect(),
        Err(_) => vec![body],
    }
}

/// The media type of a message with this many events.
pub fn media_type(events: u32) -> &'static str {
    if events > 1 { BATCH } else { SINGLE }
}

#[cfg(test)]
mod tests {
    use super::{EventBatch, split};

    fn body(events: &[&str]) -> Vec<u8> {
        let mut batch = EventBatch::default();
        events.iter().for_each(|event| batch.push(event.as_bytes()));
        batch.into_body()
    }

    #[test]
    fn what_was_put_together_comes_apart_again() {
        let events = [r#"{"id":"1","text":"[],{}"}"#, r#"{"id":"2"}"#, "{}"];
        for count in 1..=3 {
            let body = body(&events[..count]);
            assert_eq!(body.starts_with(b"["), count > 1, "a single event stands alone");
            let apart: Vec<&str> = split(&body).into_iter().map(|it| std::str::from_utf8(it).unwrap()).collect();
            assert_eq!(apart, events[..count]);
        }
    }

    #[test]
    fn messages_put_together_are_one_message_with_all_of_their_events() {
        let all = [r#"{"id":"1","text":"]"}"#, r#"{"id":"2"}"#, r#"{"id":"3"}"#, r#"{"id":"4"}"#];
        for first in 1..=3 {
            let (one, other) = all.split_at(first);
            let mut batch = EventBatch::default();
            for part in [one, other] {
                batch.append(&body(part), part.len().try_into().unwrap());
            }
            assert_eq!(batch.events(), 4);
            assert_eq!(batch.into_body(), body(&all));
        }
    }

    #[test]
    fn what_is_no_array_stays_in_one_piece() {
        for whole in ["", "not JSON", "{}", "[{}", "[{}] and more", "[\u{0}]"] {
            assert_eq!(split(whole.as_bytes()), [whole.as_bytes()], "{whole}");
        }
        assert!(split(b" [ ] ").is_empty(), "an array of nothing has nothing to deal with");
    }
}
