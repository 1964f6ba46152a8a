//! The values of a line.

use std::fmt::{self, Write};

use serde::de::IgnoredAny;

use super::{Format, Line};
use crate::{
    logs::{
        escape::{Cut, Escape, VALUE_MAX, is_plain},
        number,
        value::{Chain, Value},
    },
    redact::{self, Redactor},
};

impl Line<'_> {
    pub(in crate::logs) fn value(&mut self, value: Value<'_>) {
        let json = self.format == Format::Json;
        // Writing to a `String` cannot fail.
        match value {
            // First what most fields are.
            Value::Text(text) if json => self.quoted_text(text, self.redactor),
            Value::Clean(text) if json => self.quoted_text(text, &redact::OFF),
            _ if self.redactor.hides_number(magnitude(value)) => {
                self.value(Value::Clean(redact::HIDDEN));
            }
            Value::U64(number) => number::write_u64(number, self.text),
            Value::I64(number) => number::write_i64(number, self.text),
            Value::U128(number) => drop(write!(self.text, "{number}")),
            Value::I128(number) => drop(write!(self.text, "{number}")),
            // JSON has neither infinities nor NaN.
            Value::F64(number) if json && !number.is_finite() => self.raw("null"),
            Value::F64(number) => number::write_f64(number, self.text),
            Value::Bool(bool) => self.raw(if bool { "true" } else { "false" }),
            Value::Null => self.raw("null"),
            Value::Json(text) => self.object(text),
            Value::Text(text) => self.quoted_if_needed(format_args!("{text}")),
            Value::Clean(text) => {
                let redactor = std::mem::replace(&mut self.redactor, &redact::OFF);
                self.quoted_if_needed(format_args!("{text}"));
                self.redactor = redactor;
            }
            Value::Debug(value) if json => self.quoted(format_args!("{value:?}")),
            Value::Debug(value) => self.quoted_if_needed(format_args!("{value:?}")),
            Value::Error(error) => self.quoted(format_args!("{}", Chain(error))),
        }
    }

    /// Writes a text that is JSON already. Within JSON, what `Escape` escapes can only be in a
    /// string.
    fn object(&mut self, json: &str) {
        let start = self.text.len();
        let _ = Escape { to: self.text, quoted: false }.write_str(json);
        self.redactor.redact_from(self.text, start);
        // A number or a list was replaced by a word: the object becomes a text.
        let all = self.text.get(start..).unwrap_or_default();
        if serde_json::from_str::<IgnoredAny>(all).is_err() {
            self.text.truncate(start);
            self.quoted(format_args!("{json}"));
        }
    }

    fn quoted_text(&mut self, text: &str, redactor: &Redactor) {
        self.text.push('"');
        let start = self.text.len();
        self.escaped_text(text);
        redactor.redact_from(self.text, start);
        self.text.push('"');
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
    pub(super) fn escaped_text(&mut self, text: &str) {
        if text.len() <= VALUE_MAX && is_plain(text.as_bytes()) {
            self.raw(text);
        } else {
            self.escaped(true, format_args!("{text}"));
        }
    }

    pub(super) fn escaped(&mut self, quoted: bool, text: fmt::Arguments<'_>) {
        let to = &mut *self.text;
        // Fails if the caller's `Debug` fails. The line continues after the text written so far.
        let _ = Cut::new(Escape { to, quoted }).write_fmt(text);
    }
}

/// The number that a value is, without its sign; 0 if it is none.
fn magnitude(value: Value<'_>) -> u128 {
    match value {
        Value::I64(number) => u128::from(number.unsigned_abs()),
        Value::I128(number) => number.unsigned_abs(),
        Value::U64(number) => u128::from(number),
        Value::U128(number) => number,
        _ => 0,
    }
}
