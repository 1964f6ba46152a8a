//! A log record, as `LogRecord` of opentelemetry-proto.

use std::{
    fmt::{self, Write as _},
    mem,
};

use hardpoint_core::{SpanId, TraceId};
use tracing::Level;

use super::{
    resource::RECORDS,
    wire::{self, Any},
};
use crate::{
    logs::{
        escape::Cut,
        export::{Fields, Head},
        line::{Chain, Value},
    },
    redact::{self, HIDDEN, Redactor},
};

/// The field numbers of `LogRecord`.
const TIME: u32 = 1;
const SEVERITY_NUMBER: u32 = 2;
const SEVERITY_TEXT: u32 = 3;
const BODY: u32 = 5;
const ATTRIBUTES: u32 = 6;
const FLAGS: u32 = 8;
const TRACE_ID: u32 = 9;
const SPAN_ID: u32 = 10;
const OBSERVED_TIME: u32 = 11;

/// The buffers in which a record is encoded.
#[derive(Debug, Default)]
pub(super) struct Scratch {
    pub(super) record: Vec<u8>,
    text: String,
    names: Vec<&'static str>,
}

/// Encodes a record of a batch into the scratch.
pub(super) fn encode(
    scratch: &mut Scratch,
    head: &Head<'_>,
    redactor: &Redactor,
    fill: &mut dyn FnMut(&mut dyn Fields),
) {
    let mut record = mem::take(&mut scratch.record);
    record.clear();
    scratch.names.clear();
    wire::message::<2>(&mut record, RECORDS, |out| {
        wire::fixed64(out, TIME, wire::nanos(head.unix));
        wire::fixed64(out, OBSERVED_TIME, wire::nanos(head.unix));
        wire::uint(out, SEVERITY_NUMBER, severity(head.level));
        wire::text(out, SEVERITY_TEXT, head.level.as_str());
        wire::attribute(out, ATTRIBUTES, "target", Any::Text(head.target));
        let (text, names) = (&mut scratch.text, &mut scratch.names);
        let mut encoder =
            Encoder { out, text, names, redactor, has_message: false, trace: None, span: None };
        fill(&mut encoder);
        encoder.end();
    });
    scratch.record = record;
}

/// The numbers of OpenTelemetry's severities.
const fn severity(level: Level) -> u64 {
    match level {
        Level::TRACE => 1,
        Level::DEBUG => 5,
        Level::INFO => 9,
        Level::WARN => 13,
        Level::ERROR => 17,
    }
}

struct Encoder<'a> {
    out: &'a mut Vec<u8>,
    text: &'a mut String,
    /// The names that the record has.
    names: &'a mut Vec<&'static str>,
    redactor: &'a Redactor,
    has_message: bool,
    trace: Option<TraceId>,
    span: Option<SpanId>,
}

impl Encoder<'_> {
    fn end(self) {
        if let Some(trace) = self.trace {
            wire::bytes(self.out, TRACE_ID, &trace.to_bytes());
        }
        if let Some(span) = self.span {
            wire::bytes(self.out, SPAN_ID, &span.to_bytes());
            // Only a sampled request has a span.
            wire::fixed32(self.out, FLAGS, 1);
        }
    }

    /// Formats a text once, cut and redacted like that of a line.
    fn format(&mut self, text: fmt::Arguments<'_>, redactor: &Redactor) {
        self.text.clear();
        // Fails if the caller's `Debug` fails. The record has the text written so far.
        let _ = Cut::new(&mut *self.text).write_fmt(text);
        redactor.redact_from(self.text, 0);
    }

    fn add(&mut self, name: &'static str, value: Value<'_>, redactor: &Redactor) {
        let name = name.strip_prefix("r#").unwrap_or(name);
        if self.names.contains(&name) {
            // The nearest value counts: keys of attributes are unique.
            return;
        }
        self.names.push(name);
        let hidden = match value {
            Value::I64(number) => redactor.hides_number(number.unsigned_abs().into()),
            Value::I128(number) => redactor.hides_number(number.unsigned_abs()),
            Value::U64(number) => redactor.hides_number(number.into()),
            Value::U128(number) => redactor.hides_number(number),
            _ => false,
        };
        let value = if hidden { Value::Clean(HIDDEN) } else { value };
        let simple = match value {
            Value::Bool(bool) => Some(Any::Bool(bool)),
            Value::F64(number) => Some(Any::Double(number)),
            Value::I64(number) => Some(Any::Int(number)),
            Value::I128(number) => i64::try_from(number).ok().map(Any::Int),
            Value::U64(number) => i64::try_from(number).ok().map(Any::Int),
            Value::U128(number) => i64::try_from(number).ok().map(Any::Int),
            Value::Null => return,
            _ => None,
        };
        if let Some(value) = simple {
            return wire::attribute(self.out, ATTRIBUTES, name, value);
        }
        match value {
            Value::Clean(text) => self.format(format_args!("{text}"), &redact::OFF),
            Value::Debug(value) => self.format(format_args!("{value:?}"), redactor),
            Value::Error(error) => self.format(format_args!("{}", Chain(error)), redactor),
            Value::Json(text) | Value::Text(text) => self.format(format_args!("{text}"), redactor),
            Value::I128(number) => self.format(format_args!("{number}"), &redact::OFF),
            Value::U64(number) => self.format(format_args!("{number}"), &redact::OFF),
            Value::U128(number) => self.format(format_args!("{number}"), &redact::OFF),
            Value::Bool(_) | Value::F64(_) | Value::I64(_) | Value::Null => return,
        }
        match name {
            "trace_id" if let Some(id) = hex(self.text).and_then(TraceId::from_bytes) => {
                self.trace = Some(id);
            }
            "span_id" if let Some(id) = hex(self.text).and_then(SpanId::from_bytes) => {
                self.span = Some(id);
            }
            _ => wire::attribute(self.out, ATTRIBUTES, name, Any::Text(self.text)),
        }
    }
}

impl Fields for Encoder<'_> {
    fn message(&mut self, text: &dyn fmt::Debug) {
        if !mem::replace(&mut self.has_message, true) {
            self.format(format_args!("{text:?}"), self.redactor);
            wire::message::<1>(self.out, BODY, |out| wire::any(out, Any::Text(self.text)));
        }
    }

    fn field(&mut self, name: &'static str, value: Value<'_>) {
        self.add(name, value, self.redactor);
    }

    fn own_field(&mut self, name: &'static str, value: Value<'_>) {
        self.add(name, value, &redact::OFF);
    }

    fn inherited(&mut self, name: &'static str, value: Value<'_>) {
        // Redacted when the span was made.
        self.add(name, value, &redact::OFF);
    }
}

/// Reads exactly `2 * N` hexadecimal digits.
fn hex<const N: usize>(digits: &str) -> Option<[u8; N]> {
    let mut bytes = [0; N];
    let (pairs, rest) = digits.as_bytes().as_chunks::<2>();
    if pairs.len() != N || !rest.is_empty() {
        return None;
    }
    for (byte, pair) in bytes.iter_mut().zip(pairs) {
        let [high, low] = pair.map(|digit| char::from(digit).to_digit(16));
        *byte = u8::try_from(high? << 4 | low?).ok()?;
    }
    Some(bytes)
}
