//! One line of the log, as JSON or for people. Independent of tracing, clocks and writers.

use std::{
    error::Error,
    fmt::{self, Write},
    ops::Range,
    time::Duration,
};

use serde::de::IgnoredAny;
use time::OffsetDateTime;

use super::escape::{Cut, Escape};
use crate::redact::{self, Redactor};

/// The format of the lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    /// For people, with the level in colour if requested.
    Human { colours: bool },
    /// One JSON object per line.
    Json,
}

/// The names reserved by every line. A field of the same name gets a prefix.
const RESERVED: [&str; 7] =
    ["timestamp", "level", "message", "target", "service", "version", "environment"];
const PREFIX: &str = "field_";

/// The maximum number of causes that are written of an error.
const CAUSES_MAX: usize = 16;

/// A value of a field.
#[derive(Clone, Copy)]
pub(crate) enum Value<'a> {
    Bool(bool),
    /// A text that is redacted, or is what the line is about.
    Clean(&'a str),
    Debug(&'a dyn fmt::Debug),
    Error(&'a (dyn Error + 'static)),
    F64(f64),
    I64(i64),
    I128(i128),
    /// Already encoded.
    Json(&'a str),
    Null,
    Text(&'a str),
    U64(u64),
    U128(u128),
}

/// How to resolve a name that the line already contains.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Clash {
    Rename,
    Skip,
}

/// A line that is being written. Its names are unique.
pub(super) struct Line<'a> {
    text: &'a mut String,
    /// The positions of the escaped names in `text`.
    names: &'a mut Vec<Range<usize>>,
    format: Format,
    redactor: &'a Redactor,
}

impl<'a> Line<'a> {
    /// Begins a line with `timestamp`, `level`, `message` (written by the closure), `target` and
    /// the [encoded](Resource::encode) `resource`.
    pub(super) fn begin(
        text: &'a mut String,
        names: &'a mut Vec<Range<usize>>,
        format: Format,
        redactor: &'a Redactor,
        (unix, level, target): (Duration, &str, &str),
        message: impl FnOnce(&mut dyn FnMut(&dyn fmt::Debug)),
        resource: &str,
    ) -> Self {
        text.clear();
        names.clear();
        let mut line = Self { text, names, format, redactor };
        match format {
            Format::Json => {
                line.raw("{\"timestamp\":\"");
                line.timestamp(unix);
                line.raw("\",\"level\":\"");
                line.raw(level);
                line.raw("\",\"message\":");
                line.message(message);
                line.raw(",\"target\":");
                line.value(Value::Clean(target));
                line.raw(resource);
            }
            Format::Human { colours } => {
                line.timestamp(unix);
                let (on, off) = if colours { (colour(level), "\x1b[0m") } else { ("", "") };
                // Writing to a `String` cannot fail, here and below.
                let _ = write!(line.text, " {on}{level:>5}{off} ");
                line.escaped(false, format_args!("{target}"));
                line.raw(": ");
                line.message(message);
            }
        }
        line
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

    /// Ends the line.
    pub(super) fn end(self) {
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
        let before = self.text.len();
        self.raw(if people { " " } else { ",\"" });
        let start = self.text.len();
        // `r#` is not part of a field's name.
        let name = name.strip_prefix("r#").unwrap_or(name);
        self.escaped(true, format_args!("{name}"));
        loop {
            let written = self.text.get(start..).unwrap_or_default();
            if !RESERVED.contains(&written) {
                let taken = |range: &Range<usize>| self.text.get(range.clone()) == Some(written);
                if !self.names.iter().any(taken) {
                    break;
                }
                if clash == Clash::Skip {
                    self.text.truncate(before);
                    return;
                }
            }
            self.text.insert_str(start, PREFIX);
        }
        self.names.push(start..self.text.len());
        self.raw(if people { "=" } else { "\":" });
        self.value(value);
    }

    /// Writes the first text recorded as the message, if any.
    fn message(&mut self, message: impl FnOnce(&mut dyn FnMut(&dyn fmt::Debug))) {
        let mut written = false;
        message(&mut |text| {
            if !std::mem::replace(&mut written, true) {
                match self.format {
                    Format::Json => self.value(Value::Debug(text)),
                    Format::Human { .. } => {
                        let start = self.text.len();
                        self.escaped(false, format_args!("{text:?}"));
                        self.redactor.redact_from(self.text, start);
                    }
                }
            }
        });
        if !written && self.format == Format::Json {
            self.value(Value::Null);
        }
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
            Value::Bool(bool) => write!(self.text, "{bool}"),
            Value::I64(number) => write!(self.text, "{number}"),
            Value::I128(number) => write!(self.text, "{number}"),
            Value::U64(number) => write!(self.text, "{number}"),
            Value::U128(number) => write!(self.text, "{number}"),
            // JSON has neither infinities nor NaN.
            Value::F64(number) if json && !number.is_finite() => self.text.write_str("null"),
            Value::F64(number) => write!(self.text, "{number:?}"),
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
            Value::Clean(text) => {
                self.raw("\"");
                self.escaped(true, format_args!("{text}"));
                self.text.write_str("\"")
            }
            Value::Text(text) => {
                self.quoted(format_args!("{text}"));
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

    fn escaped(&mut self, quoted: bool, text: fmt::Arguments<'_>) {
        let to = &mut *self.text;
        // Fails if the caller's `Debug` fails. The line continues after the text written so far.
        let _ = Cut::new(Escape { to, quoted }).write_fmt(text);
    }

    fn raw(&mut self, text: &str) {
        self.text.push_str(text);
    }

    /// Writes the time in RFC 3339, UTC, with microseconds. All timestamps have the same width.
    fn timestamp(&mut self, unix: Duration) {
        let date = time::Duration::try_from(unix)
            .ok()
            .and_then(|since| OffsetDateTime::UNIX_EPOCH.checked_add(since));
        let Some(date) = date else {
            return self.raw("9999-12-31T23:59:59.999999Z");
        };
        let (year, month, day) = date.to_calendar_date();
        let (hour, minute, second, micro) = date.time().as_hms_micro();
        let _ = write!(
            self.text,
            "{year:04}-{:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{micro:06}Z",
            u8::from(month),
        );
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
    /// Encodes the part of a JSON line that names the service: `,"service":"orders",...`.
    pub(super) fn encode(&self) -> String {
        let mut text = String::new();
        for (name, value) in [
            (",\"service\":", Some(&self.service)),
            (",\"version\":", self.version.as_ref()),
            (",\"environment\":", self.environment.as_ref()),
        ] {
            let mut names = Vec::new();
            let redactor = &redact::OFF;
            let format = Format::Json;
            let mut line = Line { text: &mut text, names: &mut names, format, redactor };
            line.raw(name);
            line.value(value.map_or(Value::Null, |value| Value::Text(value)));
        }
        text
    }
}

/// An error and its causes: `cannot save: disk full`.
pub(crate) struct Chain<'a>(pub(crate) &'a (dyn Error + 'static));

impl fmt::Display for Chain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)?;
        let causes = std::iter::successors(self.0.source(), |&error| error.source());
        for cause in causes.take(CAUSES_MAX) {
            write!(f, ": {cause}")?;
        }
        Ok(())
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
