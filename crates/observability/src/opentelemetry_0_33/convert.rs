//! The types of a trace, in hardpoint's form and in that of OpenTelemetry.

use std::str::FromStr as _;

use hardpoint_core::{Baggage, SpanId, TraceContext, TraceId, TraceState};
use http::HeaderValue;
use opentelemetry::{
    Context,
    baggage::{Baggage as OtelBaggage, BaggageExt as _, KeyValueMetadata},
    trace::{self as otel, SpanContext, TraceContextExt as _, TraceFlags},
};

use crate::{
    pairs,
    record::traceparent::{KNOWN_FLAGS, RANDOM},
};

/// The parts of a received trace that OpenTelemetry's types cannot hold. They are a value of the
/// [`Context`], so inner spans inherit them.
struct Sent {
    trace: TraceId,
    /// The SDK clears the flag *random* of a trace that is not sampled, but the flag describes the
    /// id.
    is_random: bool,
    /// A list of level 2 that OpenTelemetry's type cannot hold, such as one with the key `a@@b`.
    state: Option<TraceState>,
}

/// A context in which the span `parent` of another process is the current one.
pub(super) fn remote(
    within: &Context,
    trace: TraceContext,
    parent: SpanId,
    state: Option<&TraceState>,
) -> Context {
    let list = state.and_then(|state| state.as_header().to_str().ok());
    let list = list.and_then(|list| otel::TraceState::from_str(list).ok());
    // A list that is held is kept once only: a sampler that removes it must not find it restored.
    let unheld = state.filter(|_| list.is_none()).cloned();
    let span = SpanContext::new(
        otel::TraceId::from_bytes(trace.trace_id.to_bytes()),
        otel::SpanId::from_bytes(parent.to_bytes()),
        TraceFlags::new(trace.flags & KNOWN_FLAGS),
        true,
        list.unwrap_or_default(),
    );
    let sent = Sent { trace: trace.trace_id, is_random: trace.flags & RANDOM != 0, state: unheld };
    within.with_value(sent).with_remote_span_context(span)
}

/// The trace of the current span and its id, if it is valid.
pub(super) fn current(context: &Context) -> Option<(TraceContext, SpanId)> {
    let span = context.span();
    let span = span.span_context();
    let trace = TraceId::from_bytes(span.trace_id().to_bytes())?;
    let id = SpanId::from_bytes(span.span_id().to_bytes())?;
    let is_random = sent(context, trace).is_some_and(|sent| sent.is_random);
    let flags = span.trace_flags().to_u8() | if is_random { RANDOM } else { 0 };
    Some((TraceContext::new(trace, None, flags & KNOWN_FLAGS), id))
}

/// The entries of the current span's trace: those of the span, which a sampler may have changed, or
/// those that came with the trace.
pub(super) fn state(context: &Context, trace: TraceId) -> Option<TraceState> {
    let list = context.span().span_context().trace_state().header();
    let list = HeaderValue::try_from(list).ok();
    let own = list.and_then(|list| TraceState::from_headers([&list]));
    own.or_else(|| sent(context, trace)?.state.clone())
}

/// The [`Sent`] parts of this trace, if it was received.
fn sent(context: &Context, trace: TraceId) -> Option<&Sent> {
    context.get::<Sent>().filter(|sent| sent.trace == trace)
}

/// Adds the members of a baggage, decoded.
pub(super) fn with_baggage(context: &Context, baggage: &Baggage) -> Context {
    let list = baggage.as_header().to_str().unwrap_or_default();
    let members = list.split(',').filter_map(|member| {
        let (pair, properties) = member.split_once(';').unwrap_or((member, ""));
        let (key, value) = pair.split_once('=')?;
        // A value that is not percent-encoded UTF-8 stays as it is.
        let value = pairs::decoded(value.trim()).unwrap_or_else(|| value.trim().to_owned());
        Some(KeyValueMetadata::new(key.trim().to_owned(), value, properties))
    });
    context.with_baggage(members.collect::<OtelBaggage>())
}

/// The members of the context's baggage with these keys, in this order.
pub(super) fn baggage<K: AsRef<str>>(context: &Context, keys: &[K]) -> Option<Baggage> {
    let members = keys.iter().filter_map(|key| {
        let key = key.as_ref();
        let (value, properties) = context.baggage().get_with_metadata(key)?;
        let value = encode(value.as_str());
        Some(match properties.as_str() {
            "" => format!("{key}={value}"),
            properties => format!("{key}={value};{properties}"),
        })
    });
    let list = members.collect::<Vec<_>>().join(",");
    // Properties are free text, so the list is validated like a caller's.
    Baggage::select([&HeaderValue::try_from(list).ok()?], keys)
}

/// Percent-encodes the value of a baggage member: every byte that is not an unreserved character of
/// a URI.
fn encode(value: &str) -> String {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";

    let mut text = String::with_capacity(value.len());
    for byte in value.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            text.push(char::from(byte));
        } else {
            let digits = [byte >> 4, byte & 15];
            text.push('%');
            text.extend(digits.map(|digit| char::from(DIGITS[usize::from(digit)])));
        }
    }
    text
}
