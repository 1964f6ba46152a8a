//! A second destination of log records: an exporter, which encodes them in its own way.

use std::{fmt, time::Duration};

use hardpoint_core::{SpanId, TraceId};
use tracing::{Level, field::Field};

use super::{line::Line, value::Value};
use crate::redact::Redactor;

/// Receives the events that the log writes.
pub(crate) trait RecordSink: fmt::Debug + Send + Sync {
    /// Receives an event. `fill` passes its message and its fields, redacted with `redactor`.
    fn record(&self, head: &Head<'_>, redactor: &Redactor, fill: &mut dyn FnMut(&mut dyn Fields));

    /// Whether spans of this target are exported, inside a request that is sampled.
    fn exports_spans_of(&self, target: &str) -> bool;

    /// Returns an id for a span that is exported.
    fn new_span_id(&self) -> SpanId;

    /// Receives a span that was closed. `fill` passes its fields, which are redacted.
    fn span(&self, span: &InnerSpan<'_>, fill: &mut dyn FnMut(&mut dyn Fields));
}

/// A span inside the span of a request.
#[cfg_attr(not(feature = "otlp"), expect(dead_code, reason = "only an exporter reads it"))]
#[derive(Clone, Copy, Debug)]
pub(crate) struct InnerSpan<'a> {
    pub(crate) place: Place,
    pub(crate) parent: SpanId,
    pub(crate) name: &'a str,
    pub(crate) target: &'a str,
    /// When it was opened, since 1970.
    pub(crate) start: Duration,
    pub(crate) took: Duration,
    /// Whether an error was logged in it.
    pub(crate) failed: bool,
}

/// The place of a span in its trace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) trace: TraceId,
    pub(crate) id: SpanId,
}

/// The properties that every event has.
#[cfg_attr(not(feature = "otlp"), expect(dead_code, reason = "only an exporter reads it"))]
#[derive(Clone, Copy, Debug)]
pub(crate) struct Head<'a> {
    /// The time since 1970.
    pub(crate) unix: Duration,
    pub(crate) level: Level,
    pub(crate) target: &'a str,
}

/// Receives the fields of an event.
pub(crate) trait Fields {
    /// The message of the event, a value of any type, before the fields. Only the first one counts.
    fn message(&mut self, text: Value<'_>);

    /// A field of the event.
    fn field(&mut self, field: &Field, value: Value<'_>);

    /// A field of the event that needs no redaction.
    fn own_field(&mut self, field: &Field, value: Value<'_>);

    /// The place of an enclosing span in its trace. Only the first one counts.
    fn place(&mut self, place: Place);

    /// A field of an enclosing span, which the event's own fields hide.
    fn inherited(&mut self, name: &'static str, value: Value<'_>);

    /// A field of an enclosing span, already encoded for JSON.
    fn inherited_member(&mut self, member: Member<'_>) {
        self.inherited(member.name, Value::Clean(member.text()));
    }
}

/// A field that is encoded as a member of a JSON object, with the comma before it. Neither its name
/// nor its text needed escaping.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Member<'a> {
    pub(super) name: &'static str,
    /// `,"name":"text"`.
    pub(super) member: &'a str,
}

impl<'a> Member<'a> {
    pub(super) fn text(self) -> &'a str {
        let begin = self.name.len() + r#","":""#.len();
        self.member.get(begin..self.member.len() - 1).unwrap_or_default()
    }
}

impl Fields for Line<'_> {
    fn message(&mut self, text: Value<'_>) {
        Line::message(self, text);
    }

    fn field(&mut self, field: &Field, value: Value<'_>) {
        self.known_field(field.index(), value);
    }

    fn own_field(&mut self, field: &Field, value: Value<'_>) {
        self.known_own_field(field.index(), value);
    }

    /// A line has the ids of its request among the fields.
    fn place(&mut self, _: Place) {}

    fn inherited(&mut self, name: &'static str, value: Value<'_>) {
        Line::inherited(self, name, value);
    }

    fn inherited_member(&mut self, member: Member<'_>) {
        Line::inherited_member(self, member);
    }
}
