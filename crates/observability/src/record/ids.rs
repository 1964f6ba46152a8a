//! Whose ids a request carries on: those it came with, or new ones.

use bytes::Bytes;
use hardpoint_core::{Client, Clock, RequestContext, RequestId, TraceId};
use http::{HeaderMap, HeaderName, HeaderValue};

use super::{random, traceparent, uuid7};

/// The header of the request id, in requests and responses.
pub(super) static X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
static TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
/// What goes with a trace (W3C Trace Context and Baggage), and is worth no more than its id.
static BESIDE_THE_TRACE: [HeaderName; 2] =
    [HeaderName::from_static("tracestate"), HeaderName::from_static("baggage")];

/// Whose ids are taken over.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Trust {
    /// Everybody's.
    Everyone,
    /// Nobody's.
    Nobody,
    /// Those of requests that came through a trusted proxy.
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

/// Gives the request its ids: in the context, and the request id in its header too, where a handler
/// and whatever it calls read it. An id that was not taken over is gone.
pub(super) fn assign(
    context: &RequestContext,
    headers: &mut HeaderMap,
    trust: Trust,
    clock: &impl Clock,
) {
    let trusted = trust.holds(context.client());
    if context.trace_id().is_none() {
        let sent = single(headers, &TRACEPARENT)
            .filter(|_| trusted)
            .and_then(|value| traceparent::parse(value.as_bytes()));
        context.set_trace_id(sent.unwrap_or_else(new_trace_id));
    }
    if !trusted {
        // Whatever the handler calls would carry on the trace that was not taken over.
        headers.remove(&TRACEPARENT);
        for name in &BESIDE_THE_TRACE {
            headers.remove(name);
        }
    }
    if context.request_id().is_none() {
        let sent =
            single(headers, &X_REQUEST_ID).filter(|_| trusted).and_then(RequestId::from_header);
        if let Some(id) = sent.or_else(|| new_request_id(clock)) {
            context.set_request_id(id);
        }
    }
    if let Some(id) = context.request_id() {
        headers.insert(&X_REQUEST_ID, id.as_header().clone());
    }
}

/// The value of a header that is there once. Of two, nobody can say which one is meant.
fn single<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a HeaderValue> {
    let mut lines = headers.get_all(name).iter();
    let value = lines.next()?;
    lines.next().is_none().then_some(value)
}

/// One allocation, shared by the context and the headers of request and response.
fn new_request_id(clock: &impl Clock) -> Option<RequestId> {
    let text = Bytes::from_owner(uuid7::text(clock.unix(), random::bytes()));
    let value = HeaderValue::from_maybe_shared(text).ok()?;
    RequestId::from_header(&value)
}

fn new_trace_id() -> TraceId {
    // Sixteen zero bytes in a row are all but impossible: then draw again.
    loop {
        if let Some(id) = TraceId::from_bytes(random::bytes()) {
            return id;
        }
    }
}

#[cfg(test)]
mod tests {
    use hardpoint_core::ManualClock;

    use super::*;

    #[test]
    fn a_new_id_is_a_valid_one_and_never_the_same_twice() {
        let clock = ManualClock::default();
        let first = new_request_id(&clock).unwrap();
        let second = new_request_id(&clock).unwrap();
        assert_ne!(first, second);
        assert!(first.as_str().starts_with("01a3185c-5000-7000-"), "{first}");
        assert_ne!(new_trace_id(), new_trace_id());
    }
}
