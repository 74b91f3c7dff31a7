//! One piece of work for many: a span in each trace that is recorded, and links between them.

use super::are_on;
use super::context::Context;
use super::span::{Kind, Span};
use std::borrow::Cow;

/// Most links of a span, as `OTEL_SPAN_LINK_COUNT_LIMIT` has it by default.
const LINKS: usize = 128;

/// What a batch does, as each of its traces has it. Empty where none of them is recorded, which costs nothing.
///
/// The span in the first trace has links to what caused the batch in the others; theirs have a link to it. So each trace is
/// whole on its own, and leads to those that shared its work.
#[derive(Debug, Default)]
pub struct Shared(Vec<Span>);

impl Shared {
    /// Spans under those with the contexts `parents`, one for each trace.
    pub fn under<'a>(
        parents: impl IntoIterator<Item = Option<&'a str>>,
        kind: Kind,
        name: impl Fn() -> String,
    ) -> Self {
        if !are_on() {
            return Self::default();
        }
        let sampled = parents.into_iter().filter_map(|parent| Context::parse_sampled(parent?));
        Self::of(sampled, kind, name)
    }

    fn of(parents: impl Iterator<Item = Context>, kind: Kind, name: impl Fn() -> String) -> Self {
        let mut shared = Self::default();
        for parent in parents {
            if shared.of_trace(parent.trace).is_some() {
                continue;
            }
            let mut span = Span::new(parent.child(), Some(parent.span), kind, name());
            let others = shared.0.len();
            if let Some(first) = shared.0.first_mut() {
                first.context().into_iter().for_each(|first| span.link(first));
                if others <= LINKS {
                    first.link(parent);
                }
            }
            shared.0.push(span);
        }
        shared
    }

    fn of_trace(&self, trace: u128) -> Option<&Span> {
        self.0.iter().find(|span| span.context().is_some_and(|context| context.trace == trace))
    }

    /// The trace context for what the work as a whole causes; none where nothing is recorded.
    pub fn traceparent(&self) -> Option<String> {
        self.0.first().map(Span::traceparent)
    }

    /// The trace context for what the work causes in the trace of `parent`, where that is recorded.
    pub fn traceparent_under(&self, parent: Option<&str>) -> Option<String> {
        if self.0.is_empty() {
            return None;
        }
        self.of_trace(Context::parse_sampled(parent?)?.trace).map(Span::traceparent)
    }

    /// Says more about it.
    pub fn text(&mut self, name: &'static str, value: &str) {
        self.0.iter_mut().for_each(|span| span.text(name, value));
    }

    /// Says more about it, in a number.
    pub fn number(&mut self, name: &'static str, value: i64) {
        self.0.iter_mut().for_each(|span| span.number(name, value));
    }

    /// It has failed, as far as is known; see [`Span::fail`].
    pub fn fail(&mut self, why: impl FnOnce() -> Cow<'static, str>) {
        if !self.0.is_empty() {
            let why = why();
            self.0.iter_mut().for_each(|span| span.fail(why.clone()));
        }
    }

    /// It has succeeded.
    pub fn succeed(&mut self) {
        self.0.iter_mut().for_each(Span::succeed);
    }
}

#[cfg(test)]
mod tests {
    use super::{Context, Kind, LINKS, Shared};

    fn context(trace: u128) -> Context {
        Context { trace, span: 7, flags: 1 }
    }

    #[test]
    fn each_trace_has_a_span_and_they_lead_to_each_other() {
        let shared = Shared::of([1, 2, 1, 3].map(context).into_iter(), Kind::Consumer, || "process q".to_owned());
        let spans: Vec<Context> = shared.0.iter().filter_map(|span| span.context()).collect();
        assert_eq!(spans.iter().map(|span| span.trace).collect::<Vec<_>>(), [1, 2, 3]);
        assert!(spans.iter().all(|span| span.span != 7 && span.is_sampled()));
        assert_eq!(shared.0[0].links(), [context(2), context(3)], "what caused it in the other traces");
        assert_eq!((shared.0[1].links(), shared.0[2].links()), (&spans[..1], &spans[..1]));
        assert_eq!(shared.traceparent(), Some(spans[0].to_string()));
        let under = |trace| shared.traceparent_under(Some(&context(trace).to_string()));
        assert_eq!((under(3), under(4)), (Some(spans[2].to_string()), None));
    }

    #[test]
    fn a_span_has_no_more_links_than_collectors_take() {
        let shared = Shared::of((1..400).map(context), Kind::Consumer, || "process q".to_owned());
        assert_eq!((shared.0.len(), shared.0[0].links().len()), (399, LINKS));
    }

    #[test]
    fn without_a_collector_there_is_nothing() {
        let parent = context(1).to_string();
        let name = || -> String { unreachable!("no name is made") };
        let shared = Shared::under([Some(&*parent)], Kind::Client, name);
        assert!(shared.0.is_empty() && shared.0.capacity() == 0 && shared.traceparent().is_none());
    }
}
