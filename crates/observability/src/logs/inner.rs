//! The spans inside a request that are exported, and where they are in their trace.

use std::time::Duration;

use hardpoint_core::{Mono, SpanId, Time, TraceId};
use tracing_subscriber::registry::{LookupSpan, SpanRef};

use super::{
    export::{InnerSpan, Place, RecordSink},
    filter,
    stored::SpanFields,
};

/// Kept with an exported span until it is closed.
#[derive(Debug)]
pub(super) struct Inner {
    pub(super) place: Place,
    parent: SpanId,
    start: Duration,
    opened: Mono,
    failed: bool,
}

/// Kept with the span of a sampled request, the root of the spans in it.
#[derive(Clone, Copy, Debug)]
struct Root(Place);

/// Remembers a new span if it, or spans inside it, are exported.
pub(super) fn open<S>(span: &SpanRef<'_, S>, to: &dyn RecordSink, time: &Time)
where
    S: for<'s> LookupSpan<'s>,
{
    let target = span.metadata().target();
    if target == filter::SPAN {
        let root = span.extensions().get::<SpanFields>().and_then(place_of_request);
        if let Some(root) = root {
            span.extensions_mut().replace(Root(root));
        }
        return;
    }
    if !to.exports_spans_of(target) {
        return;
    }
    let Some(outer) = span.scope().skip(1).find_map(|span| place(&span)) else { return };
    let inner = Inner {
        place: Place { trace: outer.trace, id: to.new_span_id() },
        parent: outer.id,
        start: time.unix(),
        opened: time.now(),
        failed: false,
    };
    span.extensions_mut().replace(inner);
}

/// The place of a span in its trace, if it has one.
pub(super) fn place<S>(span: &SpanRef<'_, S>) -> Option<Place>
where
    S: for<'s> LookupSpan<'s>,
{
    let extensions = span.extensions();
    let inner = extensions.get().map(|inner: &Inner| inner.place);
    inner.or_else(|| extensions.get().map(|root: &Root| root.0))
}

/// Marks the nearest exported span as failed.
pub(super) fn fail<S>(span: &SpanRef<'_, S>) -> bool
where
    S: for<'s> LookupSpan<'s>,
{
    let mut extensions = span.extensions_mut();
    let inner = extensions.get_mut().map(|inner: &mut Inner| inner.failed = true);
    inner.is_some() || extensions.get_mut::<Root>().is_some()
}

/// Passes a closed span on.
pub(super) fn close<S>(span: &SpanRef<'_, S>, to: &dyn RecordSink, time: &Time)
where
    S: for<'s> LookupSpan<'s>,
{
    let extensions = span.extensions();
    let Some(inner) = extensions.get::<Inner>() else { return };
    let metadata = span.metadata();
    let closed = InnerSpan {
        place: inner.place,
        parent: inner.parent,
        name: metadata.name(),
        target: metadata.target(),
        start: inner.start,
        took: time.now().saturating_since(inner.opened),
        failed: inner.failed,
    };
    to.span(&closed, &mut |fields| {
        if let Some(own) = extensions.get::<SpanFields>() {
            own.write(fields);
        }
    });
}

fn place_of_request(fields: &SpanFields) -> Option<Place> {
    let trace = TraceId::from_bytes(hex(fields.text("trace_id")?)?)?;
    let id = SpanId::from_bytes(hex(fields.text("span_id")?)?)?;
    Some(Place { trace, id })
}

/// Reads exactly `2 * N` hexadecimal digits.
pub(crate) fn hex<const N: usize>(digits: &str) -> Option<[u8; N]> {
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
