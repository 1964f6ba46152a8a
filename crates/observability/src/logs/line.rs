//! One line of the log, as JSON or for people. Independent of tracing, clocks and writers.

use std::{
    fmt::{self, Write},
    time::Duration,
};

use serde::de::IgnoredAny;

use super::{
    escape::{Cut, Escape, VALUE_MAX, is_plain},
    export::Member,
    names::{self, Mark, Names},
    number,
    timestamp::Timestamp,
    value::{Chain, Value},
};
use crate::redact::{self, Redactor};

/// The format of the lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    /// For people, with the level in colour if requested.
    Human { colours: bool },
    /// One JSON object per line.
    Json,
}

/// What a name gets that the line already has.
const PREFIX: &str = "field_";

/// How to resolve a name that the line already contains.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Clash {
    Rename,
    Skip,
}

/// The buffers in which lines are formatted.
#[derive(Debug, Default)]
pub(super) struct Scratch {
    pub(super) text: String,
    names: Names,
    timestamp: Timestamp,
}

/// A line that is being written. Its names are unique.
pub(super) struct Line<'a> {
    text: &'a mut String,
    names: &'a mut Names,
    format: Format,
    redactor: &'a Redactor,
    /// What follows the message, until the message is written.
    rest: Option<Rest<'a>>,
}

/// The members of every line that follow the message.
#[derive(Clone, Copy)]
struct Rest<'a> {
    target: &'a str,
    /// The [encoded](Resource::encode) resource.
    resource: &'a str,
}

impl<'a> Line<'a> {
    /// Begins a line with `timestamp` and `level`. The [message](Self::message) follows, or its
    /// absence, then the target and the [encoded](Resource::encode) `resource`.
    pub(super) fn begin(
        scratch: &'a mut Scratch,
        format: Format,
        redactor: &'a Redactor,
        (unix, level, target): (Duration, &str, &'a str),
        resource: &'a str,
    ) -> Self {
        let Scratch { text, names, timestamp } = scratch;
        text.clear();
        names.clear();
        let rest = Some(Rest { target, resource });
        let mut line = Self { text, names, format, redactor, rest };
        match format {
            Format::Json => {
                line.raw("{\"timestamp\":\"");
                timestamp.write(unix, line.text);
                line.raw("\",\"level\":\"");
                line.raw(level);
                line.raw("\",\"message\":");
            }
            Format::Human { colours } => {
                timestamp.write(unix, line.text);
                let (on, off) = if colours { (colour(level), "\x1b[0m") } else { ("", "") };
                // Writing to a `String` cannot fail, here and below.
                let _ = write!(line.text, " {on}{level:>5}{off} ");
                line.escaped(false, format_args!("{target}"));
                line.raw(": ");
            }
        }
        line
    }

    /// Writes the message. Only the first one counts, and only before all fields.
    pub(super) fn message(&mut self, message: Value<'_>) {
        let Some(rest) = self.rest.take() else { return };
        match self.format {
            Format::Json => {
                match message {
                    Value::Clean(_) | Value::Text(_) => self.value(message),
                    // Written as a string even if it is a number.
                    other => self.value(Value::Debug(&other)),
                }
                self.rest(rest);
            }
            Format::Human { .. } => {
                let start = self.text.len();
                self.escaped(false, format_args!("{message:?}"));
                self.redactor.redact_from(self.text, start);
            }
        }
    }

    /// Writes a field. If its name is taken, it gets a prefix, so that nothing is lost.
    pub(super) fn field(&mut self, name: &str, value: Value<'_>) {
        self.pair(name, value, Clash::Rename);
    }

    /// Writes a field that needs no redaction.
    pub(super) fn own_field(&mut self, name: &str, value: Value<'_>) {
        let redactor = std::mem::replace(&mut self.redactor, &redact::OFF);
        self.field(name, value);
        self.redactor = redactor;
    }

    /// Writes a field of an enclosing span, unless the line has a field of that name.
    pub(super) fn inherited(&mut self, name: &str, value: Value<'_>) {
        self.pair(name, value, Clash::Skip);
    }

    /// Writes a field of an enclosing span that is already encoded.
    pub(super) fn inherited_member(&mut self, member: Member<'_>) {
        let Member { name, member: encoded } = member;
        let mark = Mark::of(name);
        if self.format != Format::Json || self.names.contain(mark, name, self.text) {
            return self.inherited(name, Value::Clean(member.text()));
        }
        self.without_message();
        let start = self.text.len() + ",\"".len();
        self.text.push_str(encoded);
        self.names.add(mark, start..start + name.len());
    }

    /// Ends the line.
    pub(super) fn end(mut self) {
        self.without_message();
        self.text.push_str(match self.format {
            Format::Json => "}\n",
            Format::Human { .. } => "\n",
        });
    }

    fn pair(&mut self, name: &str, value: Value<'_>, clash: Clash) {
        let people = matches!(self.format, Format::Human { .. });
        if people && matches!(value, Value::Null) {
            return;
        }
        self.without_message();
        // `r#` is not part of a field's name.
        let name = name.strip_prefix("r#").unwrap_or(name);
        let before = self.text.len();
        self.raw(if people { " " } else { ",\"" });
        let start = self.text.len();
        self.escaped_text(name);
        loop {
            let written = self.text.get(start..).unwrap_or_default();
            let mark = Mark::of(written);
            if !self.names.contain(mark, written, self.text) {
                self.names.add(mark, start..self.text.len());
                break;
            }
            if clash == Clash::Skip && !names::is_reserved(written) {
                self.text.truncate(before);
                return;
            }
            self.text.insert_str(start, PREFIX);
        }
        self.raw(if people { "=" } else { "\":" });
        self.value(value);
    }

    /// Writes `null` for the message unless the line has one.
    #[inline]
    fn without_message(&mut self) {
        if self.rest.is_some() {
            self.write_without_message();
        }
    }

    #[cold]
    fn write_without_message(&mut self) {
        if let Some(rest) = self.rest.take()
            && self.format == Format::Json
        {
            self.value(Value::Null);
            self.rest(rest);
        }
    }

    fn rest(&mut self, rest: Rest<'_>) {
        self.raw(",\"target\":");
        self.value(Value::Clean(rest.target));
        self.raw(rest.resource);
    }

    fn value(&mut self, value: Value<'_>) {
        let number = match value {
            Value::I64(number) => u128::from(number.unsigned_abs()),
            Value::I128(number) => number.unsigned_abs(),
            Value::U64(number) => u128::from(number),
            Value::U128(number) => number,
            _ => 0,
        };
        let hidden = self.redactor.hides_number(number);
        let value = if hidden { Value::Clean(redact::HIDDEN) } else { value };
        let json = self.format == Format::Json;
        let _ = match value {
            Value::Bool(bool) => self.text.write_str(if bool { "true" } else { "false" }),
            Value::I64(number) => {
                number::write_i64(number, self.text);
                Ok(())
            }
            Value::I128(number) => write!(self.text, "{number}"),
            Value::U64(number) => {
                number::write_u64(number, self.text);
                Ok(())
            }
            Value::U128(number) => write!(self.text, "{number}"),
            // JSON has neither infinities nor NaN.
            Value::F64(number) if json && !number.is_finite() => self.text.write_str("null"),
            Value::F64(number) => {
                number::write_f64(number, self.text);
                Ok(())
            }
            // Within JSON, what `Escape` escapes can only be in a string.
            Value::Json(json) => {
                let start = self.text.len();
                let written = Escape { to: self.text, quoted: false }.write_str(json);
                self.redactor.redact_from(self.text, start);
                // A number or a list was replaced by a word: the object becomes a text.
                let all = self.text.get(start..).unwrap_or_default();
                if serde_json::from_str::<IgnoredAny>(all).is_err() {
                    self.text.truncate(start);
                    self.quoted(format_args!("{json}"));
                }
                written
            }
            Value::Null => self.text.write_str("null"),
            Value::Clean(text) if json => {
                self.raw("\"");
                self.escaped_text(text);
                self.text.write_str("\"")
            }
            Value::Clean(text) => {
                let redactor = std::mem::replace(&mut self.redactor, &redact::OFF);
                self.quoted_if_needed(format_args!("{text}"));
                self.redactor = redactor;
                Ok(())
            }
            Value::Text(text) if json => {
                self.raw("\"");
                let start = self.text.len();
                self.escaped_text(text);
                self.redactor.redact_from(self.text, start);
                self.text.write_str("\"")
            }
            Value::Text(text) => {
                self.quoted_if_needed(format_args!("{text}"));
                Ok(())
            }
            Value::Debug(value) if json => {
                self.quoted(format_args!("{value:?}"));
                Ok(())
            }
            Value::Debug(value) => {
                self.quoted_if_needed(format_args!("{value:?}"));
                Ok(())
            }
            Value::Error(error) => {
                self.quoted(format_args!("{}", Chain(error)));
                Ok(())
            }
        };
    }

    /// Writes a text between quotes, redacted. It is escaped first, since it is formatted only once.
    fn quoted(&mut self, text: fmt::Arguments<'_>) {
        self.raw("\"");
        let start = self.text.len();
        self.escaped(true, text);
        self.redactor.redact_from(self.text, start);
        self.raw("\"");
    }

    /// Writes `text` in quotes unless it is a single word: a value that contains a space or `=`
    /// could pass for several fields.
    fn quoted_if_needed(&mut self, text: fmt::Arguments<'_>) {
        let start = self.text.len();
        // Formatted once, and quoted first: the caller's text may differ the next time.
        self.quoted(text);
        let inner = self.text.get(start..).and_then(|all| all.strip_prefix('"')?.strip_suffix('"'));
        // By now, quotes and control characters are preceded by a backslash.
        let ambiguous = |char: char| char.is_whitespace() || matches!(char, '=' | '\\');
        if inner.is_some_and(|inner| !inner.is_empty() && !inner.contains(ambiguous)) {
            self.text.pop();
            self.text.remove(start);
        }
    }

    /// Writes a text that goes between quotes.
    fn escaped_text(&mut self, text: &str) {
        if text.len() <= VALUE_MAX && is_plain(text.as_bytes()) {
            self.raw(text);
        } else {
            self.escaped(true, format_args!("{text}"));
        }
    }

    fn escaped(&mut self, quoted: bool, text: fmt::Arguments<'_>) {
        let to = &mut *self.text;
        // Fails if the caller's `Debug` fails. The line continues after the text written so far.
        let _ = Cut::new(Escape { to, quoted }).write_fmt(text);
    }

    fn raw(&mut self, text: &str) {
        self.text.push_str(text);
    }
}

/// The service that writes the log.
#[derive(Clone, Debug)]
pub(super) struct Resource {
    pub(super) service: String,
    pub(super) version: Option<String>,
    pub(super) environment: Option<String>,
}

impl Resource {
    /// Its attributes, named by the semantic conventions.
    #[cfg(feature = "opentelemetry_0_33")]
    pub(super) fn attributes(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let optional = [
            ("service.version", &self.version),
            ("deployment.environment.name", &self.environment),
        ];
        let optional =
            optional.into_iter().filter_map(|(key, value)| Some((key, value.as_deref()?)));
        std::iter::once(("service.name", self.service.as_str())).chain(optional)
    }

    /// Encodes the part of a JSON line that names the service: `,"service":"orders",...`.
    pub(super) fn encode(&self) -> String {
        let mut text = String::new();
        for (name, value) in [
            (",\"service\":", Some(&self.service)),
            (",\"version\":", self.version.as_ref()),
            (",\"environment\":", self.environment.as_ref()),
        ] {
            let mut names = Names::default();
            let redactor = &redact::OFF;
            let format = Format::Json;
            let mut line =
                Line { text: &mut text, names: &mut names, format, redactor, rest: None };
            line.raw(name);
            line.value(value.map_or(Value::Null, |value| Value::Text(value)));
        }
        text
    }
}

fn colour(level: &str) -> &'static str {
    match level {
        "ERROR" => "\x1b[31m",
        "WARN" => "\x1b[33m",
        "INFO" => "\x1b[32m",
        "DEBUG" => "\x1b[34m",
        _ => "\x1b[35m",
    }
}
