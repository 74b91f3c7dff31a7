//! One piece of work in a trace, from when it is made until it is dropped.

use super::context::Context;
use super::{are_on, record};
use std::borrow::Cow;
use std::time::SystemTime;

/// What a span is to those before and after it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// Answers a request.
    Server = 2,
    /// Makes a request.
    Client = 3,
    /// Makes a message.
    Producer = 4,
    /// Works on messages.
    Consumer = 5,
}

/// Work that is recorded. It ends when this is dropped.
#[derive(Debug)]
pub struct Span(Option<Box<Recorded>>);

/// What is sent of a span.
#[derive(Debug)]
pub(super) struct Recorded {
    pub context: Context,
    /// The span that caused it; none where the trace begins with it.
    pub parent: Option<u64>,
    pub kind: Kind,
    pub name: String,
    pub begin: SystemTime,
    pub end: SystemTime,
    pub attributes: Vec<(&'static str, Value)>,
    pub links: Vec<Context>,
    /// Why it failed, if it did.
    pub failure: Option<Cow<'static, str>>,
}

/// The value of an attribute.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Value {
    Text(String),
    Number(i64),
}

impl Span {
    /// A span under the one with the context `parent`; none where that trace is not recorded.
    pub fn under(parent: Option<&str>, kind: Kind, name: impl FnOnce() -> String) -> Option<Self> {
        if !are_on() {
            return None;
        }
        let parent = Context::parse_sampled(parent?)?;
        Some(Self::new(parent.child(), Some(parent.span), kind, name()))
    }

    pub(crate) fn new(context: Context, parent: Option<u64>, kind: Kind, name: String) -> Self {
        let begin = SystemTime::now();
        let (attributes, links) = (Vec::with_capacity(4), Vec::new());
        let recorded = Recorded { context, parent, kind, name, begin, end: begin, attributes, links, failure: None };
        Self(Some(Box::new(recorded)))
    }

    /// The trace context for what this causes.
    pub fn traceparent(&self) -> String {
        self.context().map(|context| context.to_string()).unwrap_or_default()
    }

    /// Says more about it.
    pub fn text(&mut self, name: &'static str, value: impl Into<String>) {
        self.change(|span| span.attributes.push((name, Value::Text(value.into()))));
    }

    /// Says more about it, in a number.
    pub fn number(&mut self, name: &'static str, value: impl Into<i64>) {
        self.change(|span| span.attributes.push((name, Value::Number(value.into()))));
    }

    /// It has failed, as far as is known. What is said goes to the collector: it must not quote what people have written.
    pub fn fail(&mut self, why: impl Into<Cow<'static, str>>) {
        self.change(|span| span.failure = Some(why.into()));
    }

    /// It has succeeded.
    pub fn succeed(&mut self) {
        self.change(|span| span.failure = None);
    }

    pub(super) fn context(&self) -> Option<Context> {
        self.0.as_ref().map(|span| span.context)
    }

    /// Names what else caused it, or took part.
    pub(super) fn link(&mut self, other: Context) {
        self.change(|span| span.links.push(other));
    }

    #[cfg(test)]
    pub(super) fn links(&self) -> &[Context] {
        self.0.as_ref().map_or(&[], |span| &span.links)
    }

    fn change(&mut self, change: impl FnOnce(&mut Recorded)) {
        if let Some(span) = &mut self.0 {
            change(span);
        }
    }
}

impl Drop for Span {
    fn drop(&mut self) {
        if let Some(mut span) = self.0.take() {
            span.end = SystemTime::now();
            record(*span);
        }
    }
}
