//! A log record, as `LogRecord` of opentelemetry-proto.

use std::{
    fmt::{self, Write as _},
    mem,
};

use hardpoint_core::{SpanId, TraceId};
use tracing::{Level, field::Field};

use super::{
    resource::RECORDS,
    wire::{self, Any},
};
use crate::{
    logs::{
        escape::Cut,
        export::{Fields, Head, InnerSpan, Place},
        inner::hex,
        value::{Chain, Value},
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
        let mut encoder = Encoder::new(out, ATTRIBUTES, redactor, text, names);
        fill(&mut encoder);
        encoder.end();
    });
    scratch.record = record;
}

/// Encodes a span inside a request's, as `Span` of opentelemetry-proto, into the scratch.
pub(super) fn encode_span(
    scratch: &mut Scratch,
    span: &InnerSpan<'_>,
    fill: &mut dyn FnMut(&mut dyn Fields),
) {
    /// `SPAN_KIND_INTERNAL`, and `STATUS_CODE_ERROR`.
    const INTERNAL: u64 = 1;
    const ERROR: u64 = 2;
    /// A parent in this process, of a trace that is sampled.
    const LOCAL: u32 = 0x101;

    let mut record = mem::take(&mut scratch.record);
    record.clear();
    scratch.names.clear();
    wire::message::<2>(&mut record, RECORDS, |out| {
        wire::bytes(out, 1, &span.place.trace.to_bytes());
        wire::bytes(out, 2, &span.place.id.to_bytes());
        wire::bytes(out, 4, &span.parent.to_bytes());
        wire::text(out, 5, span.name);
        wire::uint(out, 6, INTERNAL);
        wire::fixed64(out, 7, wire::nanos(span.start));
        wire::fixed64(out, 8, wire::nanos(span.start.saturating_add(span.took)));
        wire::attribute(out, 9, "target", Any::Text(span.target));
        let (text, names) = (&mut scratch.text, &mut scratch.names);
        let mut encoder = Encoder::new(out, 9, &redact::OFF, text, names);
        fill(&mut encoder);
        if span.failed {
            wire::message::<1>(out, 15, |out| wire::uint(out, 3, ERROR));
        }
        wire::fixed32(out, 16, LOCAL);
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
    /// The number of the field that has the attributes.
    attributes: u32,
    text: &'a mut String,
    /// The names that the record has.
    names: &'a mut Vec<&'static str>,
    redactor: &'a Redactor,
    has_message: bool,
    trace: Option<TraceId>,
    span: Option<SpanId>,
}

impl<'a> Encoder<'a> {
    const fn new(
        out: &'a mut Vec<u8>,
        attributes: u32,
        redactor: &'a Redactor,
        text: &'a mut String,
        names: &'a mut Vec<&'static str>,
    ) -> Self {
        let (trace, span) = (None, None);
        Self { out, attributes, text, names, redactor, has_message: false, trace, span }
    }

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
            return wire::attribute(self.out, self.attributes, name, value);
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
                self.trace.get_or_insert(id);
            }
            "span_id" if let Some(id) = hex(self.text).and_then(SpanId::from_bytes) => {
                self.span.get_or_insert(id);
            }
            _ => wire::attribute(self.out, self.attributes, name, Any::Text(self.text)),
        }
    }
}

impl Fields for Encoder<'_> {
    fn message(&mut self, text: Value<'_>) {
        if !mem::replace(&mut self.has_message, true) {
            self.format(format_args!("{text:?}"), self.redactor);
            wire::message::<1>(self.out, BODY, |out| wire::any(out, Any::Text(self.text)));
        }
    }

    fn field(&mut self, field: &Field, value: Value<'_>) {
        self.add(field.name(), value, self.redactor);
    }

    fn own_field(&mut self, field: &Field, value: Value<'_>) {
        self.add(field.name(), value, &redact::OFF);
    }

    fn place(&mut self, place: Place) {
        if self.span.is_none() {
            self.trace = Some(place.trace);
            self.span = Some(place.id);
        }
    }

    fn inherited(&mut self, name: &'static str, value: Value<'_>) {
        // Redacted when the span was made.
        self.add(name, value, &redact::OFF);
    }
}
