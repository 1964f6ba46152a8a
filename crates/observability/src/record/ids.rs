//! Decides whether a request keeps the ids it came with or gets new ones.

use std::{borrow::Cow, time::Duration};

use bytes::Bytes;
use hardpoint_core::{
    Baggage, Client, RequestContext, RequestId, SpanId, Time, TraceContext, TraceId, TraceState,
};
use http::{HeaderMap, HeaderName, HeaderValue};
use uuid::{Builder, Uuid, fmt::Hyphenated};

use super::{
    amazon,
    layer::Settings,
    random,
    span::LiveSpan,
    traceparent::{self, RANDOM, SAMPLED},
};

/// The header of the request id, in requests and responses.
pub(crate) static X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// The id of requests that belong together.
pub(crate) static X_CORRELATION_ID: HeaderName = HeaderName::from_static("x-correlation-id");
pub(crate) static TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
/// The vendor's part of a trace (W3C Trace Context), which means nothing without its id.
pub(crate) static TRACESTATE: HeaderName = HeaderName::from_static("tracestate");
/// What a caller hands on beside a trace (W3C Baggage).
pub(crate) static BAGGAGE: HeaderName = HeaderName::from_static("baggage");
/// The trace of AWS's load balancers.
pub(crate) static X_AMZN_TRACE_ID: HeaderName = HeaderName::from_static("x-amzn-trace-id");

/// Whose ids are accepted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Trust {
    /// Ids of every request.
    Everyone,
    /// Ids of no request.
    Nobody,
    /// Ids of requests that came through a trusted proxy.
    #[default]
    Proxies,
}

impl Trust {
    fn holds(self, client: Option<&Client>) -> bool {
        match self {
            Self::Everyone => true,
            Self::Nobody => false,
            Self::Proxies => client.is_some_and(Client::through_proxy),
        }
    }
}

/// Sets the request's ids in its context, and the request id also in its header, where handlers and
/// the services they call read it. Ids that are not accepted are discarded.
///
/// `begin` begins the span of the trace that it is given, if spans begin with their requests.
pub(super) fn assign(
    context: &RequestContext,
    headers: &mut HeaderMap,
    settings: &Settings,
    begin: impl FnOnce(TraceContext) -> Option<Box<dyn LiveSpan>>,
) -> Option<Box<dyn LiveSpan>> {
    let trusted = settings.trust.holds(context.client());
    let sent = accepted(trusted, headers, &TRACEPARENT);
    let sent = sent.and_then(|value| traceparent::parse(value.as_bytes()));
    let state = sent.and_then(|_| TraceState::from_headers(headers.get_all(&TRACESTATE)));
    if sent.is_none() {
        // Services called by the handler would continue the trace that was not accepted.
        headers.remove(&TRACEPARENT);
    }
    match state {
        Some(state) => {
            headers.insert(&TRACESTATE, state.as_header().clone());
            context.set_trace_state(state);
        }
        None => drop(headers.remove(&TRACESTATE)),
    }
    accept_baggage(context, headers, settings.baggage.as_deref().filter(|_| trusted));
    let mut live = None;
    if context.trace().is_none() {
        let amazon = || {
            let value = accepted(trusted, headers, &X_AMZN_TRACE_ID).filter(|_| settings.amazon)?;
            amazon::parse(value.as_bytes())
        };
        let mut trace = sent.or_else(amazon).unwrap_or_else(new_trace);
        live = begin(trace);
        if let Some(live) = &live {
            trace = live.trace();
        } else if let Some(spans) = &settings.spans {
            trace.flags = trace.flags & !SAMPLED | u8::from(spans.samples(trace));
        }
        context.set_trace(trace);
    }
    if context.request_id().is_none() {
        let sent = accepted(trusted, headers, &X_REQUEST_ID).and_then(RequestId::from_header);
        if let Some(id) = sent.or_else(|| new_request_id(&settings.time)) {
            context.set_request_id(id);
        }
    }
    if let Some(id) = context.request_id() {
        headers.insert(&X_REQUEST_ID, id.as_header().clone());
    }
    if settings.correlation {
        correlate(context, headers, trusted);
    }
    live
}

/// Sets the correlation id: the accepted one, or the request's, which begins a correlation.
fn correlate(context: &RequestContext, headers: &mut HeaderMap, trusted: bool) {
    if context.correlation_id().is_none() {
        let sent = accepted(trusted, headers, &X_CORRELATION_ID);
        let sent = sent.and_then(RequestId::from_header);
        if let Some(id) = sent.or_else(|| context.request_id().cloned()) {
            context.set_correlation_id(id);
        }
    }
    match context.correlation_id() {
        Some(id) => drop(headers.insert(&X_CORRELATION_ID, id.as_header().clone())),
        None => drop(headers.remove(&X_CORRELATION_ID)),
    }
}

/// Keeps the members of the baggage that have one of these keys.
fn accept_baggage(
    context: &RequestContext,
    headers: &mut HeaderMap,
    keys: Option<&[Cow<'static, str>]>,
) {
    let kept = keys.and_then(|keys| Baggage::select(headers.get_all(&BAGGAGE), keys));
    match kept {
        Some(baggage) => {
            headers.insert(&BAGGAGE, baggage.as_header().clone());
            context.set_baggage(baggage);
        }
        None => drop(headers.remove(&BAGGAGE)),
    }
}

/// Makes `span` the parent of what continues the request's trace.
pub(super) fn continue_from(headers: &mut HeaderMap, trace: TraceContext, span: SpanId) {
    let text = traceparent::write(trace, span);
    if let Ok(value) = HeaderValue::from_maybe_shared(Bytes::from_owner(text)) {
        headers.insert(&TRACEPARENT, value);
    }
}

/// Returns the value of a trusted caller's header if it appears exactly once. Two values would be
/// ambiguous.
fn accepted<'a>(
    trusted: bool,
    headers: &'a HeaderMap,
    name: &HeaderName,
) -> Option<&'a HeaderValue> {
    if !trusted {
        return None;
    }
    let mut lines = headers.get_all(name).iter();
    let value = lines.next()?;
    lines.next().is_none().then_some(value)
}

/// Generates a version 7 UUID in one allocation, shared by the context and the headers of request
/// and response.
fn new_request_id(time: &Time) -> Option<RequestId> {
    let id = uuid7(time.unix(), random::bytes());
    let mut text = [0; Hyphenated::LENGTH];
    id.hyphenated().encode_lower(&mut text);
    let value = HeaderValue::from_maybe_shared(Bytes::from_owner(text)).ok()?;
    RequestId::from_header(&value)
}

/// Builds a UUID whose first 12 bits after the milliseconds are their fraction (RFC 9562 §6.2,
/// method 3), so that the ids of one process also sort within a millisecond.
fn uuid7(unix: Duration, random: [u8; 8]) -> Uuid {
    // 48 bits of milliseconds last until the year 10889.
    let millis = u64::try_from(unix.as_millis()).unwrap_or(u64::MAX);
    let fraction = (u64::from(unix.subsec_nanos() % 1_000_000) << 12) / 1_000_000;
    let [.., high, low] = fraction.to_be_bytes();
    let [a, b, c, d, e, f, g, h] = random;
    let rest = [high, low, a, b, c, d, e, f, g, h];
    Builder::from_unix_timestamp_millis(millis, &rest).into_uuid()
}

/// Starts a new trace, sampled, whose id is random.
fn new_trace() -> TraceContext {
    // Sixteen zero bytes are practically impossible; if they occur, draw again.
    loop {
        if let Some(id) = TraceId::from_bytes(random::bytes()) {
            return TraceContext::new(id, None, SAMPLED | RANDOM);
        }
    }
}

#[cfg(test)]
mod tests {
    use hardpoint_core::ManualClock;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_new_id_is_a_valid_one_and_never_the_same_twice() {
        let time = Time::manual(&ManualClock::default());
        let first = new_request_id(&time).unwrap();
        let second = new_request_id(&time).unwrap();
        assert_ne!(first, second);
        assert!(first.as_str().starts_with("01a3185c-5000-7000-"), "{first}");
        assert_ne!(new_trace(), new_trace());
    }

    #[test]
    fn the_example_of_the_standard_comes_out() {
        // RFC 9562, appendix A.6: 2022-02-22T19:22:22Z, rand_a 0xCC3, rand_b 0x18C4DC0C0C07398F.
        let unix = Duration::from_millis(0x017F_22E2_79B0);
        let fraction = Duration::from_nanos((0xCC3 * 1_000_000_u64).div_ceil(4096));
        let id = uuid7(unix + fraction, 0x18C4_DC0C_0C07_398F_u64.to_be_bytes());
        assert_eq!(id.to_string(), "017f22e2-79b0-7cc3-98c4-dc0c0c07398f");
    }

    proptest! {
        #[test]
        fn later_ids_sort_after_earlier_ones(
            nanos in 0..u64::MAX / 2,
            step in 245..1_000_000_000_u64,
            first: [u8; 8],
            second: [u8; 8],
        ) {
            let earlier = uuid7(Duration::from_nanos(nanos), first);
            let later = uuid7(Duration::from_nanos(nanos + step), second);
            prop_assert!(earlier < later, "{earlier} {later}");
        }
    }
}
