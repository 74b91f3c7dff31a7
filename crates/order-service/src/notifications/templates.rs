//! Turns facts into texts by templates that a shop can replace.
//!
//! Whatever is wrong with a template is found at start, where each is filled in with made-up facts.

mod built_in;
mod facts;

use crate::notifications::config::Config;
use crate::notifications::domain::sms_text::{SEGMENT, fits, places, simplified};
use crate::notifications::domain::texts::{MailText, one_line};
use crate::notifications::domain::{Facts, Kind};
use facts::Context;
pub use facts::samples;
use minijinja::value::Serde;
use minijinja::{AutoEscape, Environment, UndefinedBehavior};
use service_kit::config::ConfigError;
use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

/// Why a template cannot be used; names the file.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct TemplateError(String);

/// All templates; clones share them.
#[derive(Clone, Debug)]
pub struct MessageTemplates {
    environment: Arc<Environment<'static>>,
    shop: String,
}

/// The first line of the plain-text templates begins with it.
const SUBJECT: &str = "Subject:";

/// Characters of the shop's name that an SMS gets.
const LONGEST_SHOP_IN_SMS: usize = 30;

impl MessageTemplates {
    /// Takes the templates that are built in, and those of the folder instead where it has some; tries every one.
    pub fn load(config: &Config) -> Result<Self, ConfigError> {
        let refused = |error: TemplateError| ConfigError { variable: "NOTIFICATION_TEMPLATES", reason: error.0 };
        let mut sources: HashMap<String, String> =
            built_in::TEMPLATES.iter().map(|(name, source)| ((*name).to_owned(), (*source).to_owned())).collect();
        if let Some(folder) = &config.notification_templates {
            read(folder, &mut sources).map_err(refused)?;
        }
        let templates = Self::new(sources, &config.mail.mail_from_name).map_err(refused)?;
        templates.try_all().map_err(refused)?;
        Ok(templates)
    }

    fn new(sources: HashMap<String, String>, shop: &str) -> Result<Self, TemplateError> {
        let mut environment = Environment::new();
        // A value that does not exist is a slip of the pen, not an empty text.
        environment.set_undefined_behavior(UndefinedBehavior::Strict);
        environment.set_auto_escape_callback(
            |name| {
                if name.ends_with(".html") { AutoEscape::Html } else { AutoEscape::None }
            },
        );
        for (name, source) in sources {
            environment.add_template_owned(name, source).map_err(|error| named(&error))?;
        }
        Ok(Self { environment: Arc::new(environment), shop: one_line(shop) })
    }

    /// The e-mail about this.
    pub fn mail(&self, kind: Kind, facts: &Facts) -> Result<MailText, TemplateError> {
        let context = Context::new(facts, &self.shop);
        let file = format!("{kind}.txt");
        let text = self.render(&file, &context)?;
        let (first, text) = text.trim_start().split_once('\n').unwrap_or((&text, ""));
        let subject = first.strip_prefix(SUBJECT).map(one_line).filter(|subject| !subject.is_empty());
        let missing = || TemplateError(format!("{file}, line 1: must begin with \"{SUBJECT}\" and the subject"));
        let subject = subject.ok_or_else(missing)?;
        Ok(MailText { subject, text: tidy(text), html: self.render(&format!("{kind}.html"), &context)? })
    }

    /// The SMS about this, within one segment where it fits: a reason that is too long is cut, or left out.
    pub fn sms(&self, kind: Kind, facts: &Facts) -> Result<String, TemplateError> {
        let shop: String = self.shop.chars().take(LONGEST_SHOP_IN_SMS).collect();
        let mut context = Context::new(facts, shop.trim_end());
        let whole = self.sms_with(kind, &context)?;
        let Some(reason) = context.reason().map(str::to_owned).filter(|_| !fits(&whole)) else { return Ok(whole) };
        context.set_reason(None);
        let without = self.sms_with(kind, &context)?;
        // Not below ten characters: that says nothing any more.
        let longest = reason.chars().count().min(SEGMENT);
        let lengths = if places(&reason).is_some() { 10..longest } else { 0..0 };
        for length in lengths.rev() {
            let cut: String = reason.chars().take(length).collect();
            context.set_reason(Some(format!("{}...", cut.trim_end())));
            let text = self.sms_with(kind, &context)?;
            if fits(&text) {
                return Ok(text);
            }
        }
        Ok(without)
    }

    fn sms_with(&self, kind: Kind, context: &Context) -> Result<String, TemplateError> {
        if !kind.has_sms() {
            return Err(TemplateError(format!("there is no SMS about {kind}")));
        }
        Ok(one_line(&simplified(&self.render(&format!("{kind}.sms.txt"), context)?)))
    }

    fn render(&self, name: &str, context: &Context) -> Result<String, TemplateError> {
        let template = self.environment.get_template(name).map_err(|error| named(&error))?;
        template.render(Serde(context)).map_err(|error| named(&error))
    }

    fn try_all(&self) -> Result<(), TemplateError> {
        for &kind in Kind::ALL {
            for facts in samples(kind) {
                self.mail(kind, &facts)?;
                if kind.has_sms() {
                    self.sms(kind, &facts)?;
                }
            }
        }
        Ok(())
    }
}

/// Takes the files of the folder in; hidden ones, such as mounted folders have, are passed over.
fn read(folder: &Path, sources: &mut HashMap<String, String>) -> Result<(), TemplateError> {
    let unreadable = |path: &Path, error: std::io::Error| TemplateError(format!("{}: {error}", path.display()));
    for entry in std::fs::read_dir(folder).map_err(|error| unreadable(folder, error))? {
        let path = entry.map_err(|error| unreadable(folder, error))?.path();
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        if name.starts_with('.') {
            continue;
        }
        let Some(source) = sources.get_mut(&name) else {
            return Err(TemplateError(format!("{}: there is no template of this name", path.display())));
        };
        *source = std::fs::read_to_string(&path).map_err(|error| unreadable(&path, error))?;
    }
    Ok(())
}

/// The innermost cause: where one template takes in another, that one's file and line.
fn named(error: &minijinja::Error) -> TemplateError {
    let mut cause = error;
    while let Some(inner) = std::error::Error::source(cause).and_then(|source| source.downcast_ref()) {
        cause = inner;
    }
    let place = match (cause.name(), cause.line()) {
        (Some(name), Some(line)) => format!("{name}, line {line}: "),
        (Some(name), None) => format!("{name}: "),
        _ => String::new(),
    };
    let detail = cause.detail().map(|detail| format!(": {detail}")).unwrap_or_default();
    TemplateError(format!("{place}{}{detail}", cause.kind()))
}

/// Without the blank lines that left-out parts leave behind.
fn tidy(text: &str) -> String {
    let mut lines: Vec<&str> = Vec::new();
    for line in text.lines().map(str::trim_end) {
        if !line.is_empty() || lines.last().is_some_and(|last| !last.is_empty()) {
            lines.push(line);
        }
    }
    let text = lines.join("\n");
    format!("{}\n", text.trim_end())
}

#[cfg(test)]
mod tests;
