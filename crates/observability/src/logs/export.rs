//! A second destination of log records: an exporter, which encodes them in its own way.

use std::{fmt, time::Duration};

use tracing::Level;

use super::line::{Line, Value};
use crate::redact::Redactor;

/// Receives the events that the log writes.
pub(crate) trait RecordSink: fmt::Debug + Send + Sync {
    /// Receives an event. `fill` passes its message and fields, which are redacted with `redactor`.
    fn record(&self, head: &Head<'_>, redactor: &Redactor, fill: &mut dyn FnMut(&mut dyn Fields));
}

/// What every event has.
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
    /// The text of the event. Only the first one counts.
    fn message(&mut self, text: &dyn fmt::Debug);

    /// A field of the event.
    fn field(&mut self, name: &'static str, value: Value<'_>);

    /// A field of the event that needs no redaction.
    fn own_field(&mut self, name: &'static str, value: Value<'_>);

    /// A field of an enclosing span, which the event's own fields hide.
    fn inherited(&mut self, name: &'static str, value: Value<'_>);
}

impl Fields for Line<'_> {
    /// A line begins with its message, so it has it already.
    fn message(&mut self, _: &dyn fmt::Debug) {}

    fn field(&mut self, name: &'static str, value: Value<'_>) {
        Line::field(self, name, value);
    }

    fn own_field(&mut self, name: &'static str, value: Value<'_>) {
        Line::own_field(self, name, value);
    }

    fn inherited(&mut self, name: &'static str, value: Value<'_>) {
        Line::inherited(self, name, value);
    }
}
