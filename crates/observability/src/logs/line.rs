//! One line of the log, as JSON or for people. Independent of tracing, clocks and writers.

mod values;

use std::{fmt::Write, ops::Range, time::Duration};

use super::{
    export::Member,
    names::{self, Mark, Names, WrittenName},
    timestamp::Timestamp,
    value::Value,
    visit::MESSAGE,
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

impl Scratch {
    /// Begins a part of a line, which needs no redaction.
    pub(super) fn part(&mut self, format: Format) -> Line<'_> {
        let Self { text, names, .. } = self;
        text.clear();
        names.clear();
        Line { text, names, known: &[], format, redactor: &redact::OFF, rest: None }
    }
}

/// A line that is being written. Its names are unique.
pub(super) struct Line<'a> {
    text: &'a mut String,
    names: &'a mut Names,
    /// The names of the event's fields, by their index.
    known: &'a [WrittenName],
    format: Format,
    redactor: &'a Redactor,
    /// What follows the message, until the message is written.
    rest: Option<Rest<'a>>,
}

/// The members of every line that follow the message.
#[derive(Clone, Copy)]
struct Rest<'a> {
    target: &'a str,
    /// The [encoded](super::resource::Resource::encode) resource.
    resource: &'a str,
}

impl<'a> Line<'a> {
    /// Begins a line with `timestamp` and `level`. The [message](Self::message) follows, or its
    /// absence, then the target and the encoded `resource`.
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
        let mut line = Self { text, names, known: &[], format, redactor, rest };
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

    /// Sets the names of the event's fields.
    pub(super) fn know(&mut self, names: &'a [WrittenName]) {
        self.known = names;
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
        if self.omits(value) {
            return;
        }
        self.without_message();
        if self.name(name, clash).is_some() {
            self.value(value);
        }
    }

    /// Writes the field with this index in the [known](Self::know) names.
    pub(super) fn known_field(&mut self, index: usize, value: Value<'_>) {
        let Some(WrittenName { text, name, mark }) = self.known.get(index) else { return };
        if self.omits(value) {
            return;
        }
        self.without_message();
        let start = self.text.len();
        self.text.push_str(text);
        self.names.add(*mark, start + name.start..start + name.end);
        self.value(value);
    }

    /// Writes that a field has no value, unless a span has a field of its name.
    pub(super) fn absent_field(&mut self, index: usize) {
        let Some(WrittenName { text, name, mark }) = self.known.get(index) else { return };
        let name = text.get(name.clone()).unwrap_or_default();
        if !self.names.contain(*mark, name, self.text) {
            self.known_field(index, Value::Null);
        }
    }

    /// Writes a field that needs no redaction.
    pub(super) fn known_own_field(&mut self, index: usize, value: Value<'_>) {
        let redactor = std::mem::replace(&mut self.redactor, &redact::OFF);
        self.known_field(index, value);
        self.redactor = redactor;
    }

    /// Lines for people contain no fields without a value.
    fn omits(&self, value: Value<'_>) -> bool {
        matches!(value, Value::Null) && matches!(self.format, Format::Human { .. })
    }

    /// Writes the name of a field and what surrounds it. Returns its mark and position, or `None`
    /// if the line has a field of that name.
    fn name(&mut self, name: &str, clash: Clash) -> Option<(Mark, Range<usize>)> {
        let people = matches!(self.format, Format::Human { .. });
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
                let place = start..self.text.len();
                self.names.add(mark, place.clone());
                self.raw(if people { "=" } else { "\":" });
                return Some((mark, place));
            }
            if clash == Clash::Skip && !names::is_reserved(written) {
                self.text.truncate(before);
                return None;
            }
            self.text.insert_str(start, PREFIX);
        }
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

    pub(super) fn raw(&mut self, text: &str) {
        self.text.push_str(text);
    }
}

/// The names of the fields of a place in the code, as its lines show them. They need not be compared
/// with each other again.
pub(super) fn written_names<'a>(
    names: impl Iterator<Item = &'a str>,
    format: Format,
) -> Box<[WrittenName]> {
    let mut scratch = Scratch::default();
    let mut line = scratch.part(format);
    let mut has_message = false;
    let written = |name: &str| {
        let start = line.text.len();
        // The first message is not a field.
        let is_field = name != MESSAGE || std::mem::replace(&mut has_message, true);
        let place = is_field.then(|| line.name(name, Clash::Rename)).flatten();
        let (mark, place) = place.unwrap_or((Mark::of(""), start..start));
        WrittenName {
            text: line.text.get(start..).unwrap_or_default().into(),
            name: place.start - start..place.end - start,
            mark,
        }
    };
    names.map(written).collect()
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
