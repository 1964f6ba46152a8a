//! The layer of a tracing subscriber that writes the log lines.

use std::{cell::RefCell, sync::Arc};

use hardpoint_core::Time;
use tracing::{
    Event, Level, Subscriber,
    span::{Attributes, Id, Record},
};
use tracing_log::NormalizeEvent;
use tracing_subscriber::{Layer, fmt::MakeWriter, layer::Context, registry::LookupSpan};

use super::{
    export::{Head, RecordSink},
    filter, inner,
    line::{Format, Line, Scratch},
    roles::{Places, Roles},
    sink::Sink,
    stored::SpanFields,
    visit::{self, MESSAGE},
};
use crate::redact::{self, Redactor};

/// Buffers that grow beyond this are not reused for the next line.
const KEPT_MAX: usize = 64 * 1024;

pub(super) struct LogLayer<W> {
    pub(super) time: Time,
    pub(super) format: Format,
    pub(super) resource: String,
    pub(super) redactor: Redactor,
    pub(super) places: Places,
    pub(super) sink: Sink<W>,
    /// The second destination of the records.
    pub(super) export: Option<Arc<dyn RecordSink>>,
}

thread_local! {
    static SCRATCH: RefCell<Scratch> = RefCell::default();
}

impl<S, W> Layer<S> for LogLayer<W>
where
    S: Subscriber + for<'s> LookupSpan<'s>,
    W: for<'w> MakeWriter<'w> + 'static,
{
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let Some(span) = context.span(id) else { return };
        // Runs the caller's `Debug`, which may log, so it must happen before the lock is taken.
        let mut fields = SpanFields::default();
        let metadata = attributes.metadata();
        let roles = self.places.decided(metadata, &self.redactor).roles;
        // The request's own span holds its ids only.
        let own = metadata.target() == filter::SPAN;
        let redactor = if own { &redact::OFF } else { &self.redactor };
        attributes.record(&mut fields.visitor(redactor, roles));
        let mut extensions = span.extensions_mut();
        // A second layer of this type on the same subscriber has recorded the same fields.
        if extensions.get_mut::<SpanFields>().is_none() {
            extensions.insert(fields);
        }
        drop(extensions);
        if let Some(export) = &self.export {
            inner::open(&span, &**export, &self.time);
        }
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        let Some(span) = context.span(id) else { return };
        let mut later = SpanFields::default();
        let roles = self.places.decided(span.metadata(), &self.redactor).roles;
        values.record(&mut later.visitor(&self.redactor, roles));
        if let Some(fields) = span.extensions_mut().get_mut::<SpanFields>() {
            fields.extend(&later);
        }
    }

    fn on_close(&self, id: Id, context: Context<'_, S>) {
        if let Some(export) = &self.export
            && let Some(span) = context.span(&id)
        {
            inner::close(&span, &**export, &self.time);
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        // The buffer is in use if a value's `Debug` logs, and gone if the thread is ending.
        let written = SCRATCH.try_with(|scratch| {
            let mut scratch = scratch.try_borrow_mut().ok()?;
            self.write(event, &context, &mut scratch);
            if scratch.text.capacity() > KEPT_MAX {
                *scratch = Scratch::default();
            }
            Some(())
        });
        if !matches!(written, Ok(Some(()))) {
            self.write(event, &context, &mut Scratch::default());
        }
    }
}

impl<W> LogLayer<W> {
    fn write<S>(&self, event: &Event<'_>, context: &Context<'_, S>, scratch: &mut Scratch)
    where
        S: Subscriber + for<'s> LookupSpan<'s>,
        W: for<'w> MakeWriter<'w>,
    {
        // That of a record of the `log` crate, if it is one.
        let of_log = event.normalized_metadata();
        let metadata = of_log.as_ref().unwrap_or_else(|| event.metadata());
        let unix = self.time.unix();
        let place = self.places.decided(event.metadata(), &self.redactor);
        let roles = place.roles;
        let mut line = Line::begin(
            scratch,
            self.format,
            &self.redactor,
            (unix, metadata.level().as_str(), metadata.target()),
            &self.resource,
        );
        line.know(place.names(event.metadata(), self.format));
        let visited = visit::write(event, &mut line, roles, &self.redactor);
        // Innermost span first: the nearest value wins.
        for span in context.event_scope(event).into_iter().flatten() {
            if let Some(fields) = span.extensions().get::<SpanFields>() {
                fields.write(&mut line);
            }
        }
        // A field without a value is written too, for programs that parse the line.
        for field in metadata.fields() {
            let written = visited.contains(&field) || roles.is_optional(&field);
            if !written && field.name() != MESSAGE && of_log.is_none() {
                line.absent_field(field.index());
            }
        }
        line.end();
        self.sink.write(metadata, scratch.text.as_bytes());
        if let Some(export) = &self.export {
            let head = Head { unix, level: *metadata.level(), target: metadata.target() };
            self.export(&**export, &head, event, context, roles);
        }
    }

    /// Passes the event on as its line shows it: redacted alike, with the fields of its spans.
    fn export<S>(
        &self,
        to: &dyn RecordSink,
        head: &Head<'_>,
        event: &Event<'_>,
        context: &Context<'_, S>,
        roles: Roles,
    ) where
        S: Subscriber + for<'s> LookupSpan<'s>,
    {
        to.record(head, &self.redactor, &mut |fields| {
            visit::write(event, fields, roles, &self.redactor);
            for span in context.event_scope(event).into_iter().flatten() {
                // Before the fields: the ids of the request's span are among them.
                if let Some(place) = inner::place(&span) {
                    fields.place(place);
                }
                if let Some(own) = span.extensions().get::<SpanFields>() {
                    own.write(fields);
                }
            }
        });
        if head.level == Level::ERROR {
            let mut spans = context.event_scope(event).into_iter().flatten();
            spans.find(inner::fail);
        }
    }
}
