//! Fields of the log that are plain texts, as those of every request are, written as they are. The
//! formatters of tracing take two to four times as long for them, and every request pays that, with a line or without.

use std::fmt::{self, Debug};
use tracing::field::{Field, Visit};
use tracing_subscriber::field::RecordFields;
use tracing_subscriber::fmt::FormatFields;
use tracing_subscriber::fmt::format::Writer;

/// How fields are written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Form {
    /// `name="text" name="text"`, for people.
    Text,
    /// `{"name":"text","name":"text"}`, for collectors.
    Json,
}

/// Writes fields as `others` does, but quickly where all of them are plain texts.
#[derive(Debug)]
pub(super) struct QuickFields<Others> {
    pub form: Form,
    pub others: Others,
}

impl<'w, Others: FormatFields<'w>> FormatFields<'w> for QuickFields<Others> {
    fn format_fields<R: RecordFields>(&self, writer: Writer<'w>, fields: R) -> fmt::Result {
        let mut plain = Plain(!writer.has_ansi_escapes());
        fields.record(&mut plain);
        if !plain.0 {
            return self.others.format_fields(writer, fields);
        }
        let mut written = Written { writer, form: self.form, count: 0, outcome: Ok(()) };
        fields.record(&mut written);
        written.end()
    }
}

/// Whether all fields are texts that need no escapes.
struct Plain(bool);

impl Visit for Plain {
    fn record_str(&mut self, _: &Field, value: &str) {
        self.0 = self.0 && value.bytes().all(|byte| matches!(byte, b' '..=b'~') && byte != b'"' && byte != b'\\');
    }

    fn record_debug(&mut self, _: &Field, _: &dyn Debug) {
        self.0 = false;
    }
}

struct Written<'w> {
    writer: Writer<'w>,
    form: Form,
    count: usize,
    outcome: fmt::Result,
}

impl Written<'_> {
    fn write(&mut self, texts: &[&str]) {
        for text in texts {
            self.outcome = self.outcome.and_then(|()| self.writer.write_str(text));
        }
    }

    fn end(mut self) -> fmt::Result {
        match (self.form, self.count) {
            (Form::Text, _) => {}
            (Form::Json, 0) => self.write(&["{}"]),
            (Form::Json, _) => self.write(&["}"]),
        }
        self.outcome
    }
}

impl Visit for Written<'_> {
    fn record_str(&mut self, field: &Field, value: &str) {
        let begin = match (self.form, self.count) {
            (Form::Text, 0) => "",
            (Form::Text, _) => " ",
            (Form::Json, 0) => "{\"",
            (Form::Json, _) => ",\"",
        };
        let between = if self.form == Form::Text { "=\"" } else { "\":\"" };
        self.write(&[begin, field.name(), between, value, "\""]);
        self.count += 1;
    }

    fn record_debug(&mut self, _: &Field, _: &dyn Debug) {}
}

#[cfg(test)]
mod tests {
    use super::{Form, QuickFields};
    use std::fmt;
    use std::sync::{Arc, Mutex};
    use tracing::span::{Attributes, Id};
    use tracing_subscriber::Layer;
    use tracing_subscriber::fmt::FormatFields;
    use tracing_subscriber::fmt::format::{DefaultFields, JsonFields, Writer};
    use tracing_subscriber::layer::{Context, SubscriberExt};

    /// The fields of each span, as both write them.
    #[derive(Clone, Default)]
    struct Both(Arc<Mutex<Vec<[String; 2]>>>);

    fn write(of: impl FnOnce(Writer<'_>) -> fmt::Result) -> String {
        let mut text = String::new();
        of(Writer::new(&mut text)).unwrap();
        text
    }

    impl<S: tracing::Subscriber> Layer<S> for Both {
        fn on_new_span(&self, fields: &Attributes<'_>, _: &Id, _: Context<'_, S>) {
            let (text, json) = (DefaultFields::new(), JsonFields::new());
            let quick = QuickFields { form: Form::Text, others: DefaultFields::new() };
            let in_text = [write(|it| text.format_fields(it, fields)), write(|it| quick.format_fields(it, fields))];
            let quick = QuickFields { form: Form::Json, others: JsonFields::new() };
            let in_json = [write(|it| json.format_fields(it, fields)), write(|it| quick.format_fields(it, fields))];
            self.0.lock().unwrap().extend([in_text, in_json]);
        }
    }

    #[test]
    fn what_is_written_quickly_is_the_same() {
        let both = Both::default();
        tracing::subscriber::with_default(tracing_subscriber::registry().with(both.clone()), || {
            tracing::info_span!("none");
            tracing::info_span!("one", method = "POST");
            tracing::info_span!("more", method = "POST", route = "/api/{id}", trace_id = "4bf9", z = "", a = "~ !");
            tracing::info_span!("quoted", a = "\"", z = "plain");
            tracing::info_span!("escaped", a = "\\n\n\u{fc}\u{7f}");
            tracing::info_span!("number", a = "1", number = 7, debug = ?"x");
        });
        let written = both.0.lock().unwrap();
        assert_eq!(written.len(), 12);
        for [slowly, quickly] in written.iter() {
            // The order of members says nothing.
            match (
                serde_json::from_str::<serde_json::Value>(slowly),
                serde_json::from_str::<serde_json::Value>(quickly),
            ) {
                (Ok(slowly), Ok(quickly)) => assert_eq!(slowly, quickly),
                _ => assert_eq!(slowly, quickly),
            }
        }
    }
}
