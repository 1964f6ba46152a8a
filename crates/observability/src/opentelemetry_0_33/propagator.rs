use std::borrow::Cow;

use hardpoint_core::{Baggage, TraceState};
use http::HeaderValue;
use opentelemetry::{
    Context,
    propagation::{Extractor, Injector, TextMapPropagator, text_map_propagator::FieldIter},
};

use super::convert;
use crate::record::traceparent;

const TRACEPARENT: &str = "traceparent";
const TRACESTATE: &str = "tracestate";
const BAGGAGE: &str = "baggage";

/// W3C Trace Context level 2, read and written as strictly as
/// [`RecordLayer`](crate::RecordLayer) does, for OpenTelemetry's SDK and the libraries that use its
/// global propagator. See the [module docs](super).
///
/// It trusts its carrier: use it for messages of your own queues and for calls to your own
/// services. `RecordLayer` judges the headers of a client, and [`context_of`](super::context_of)
/// needs no propagator.
///
/// Default: no baggage.
#[derive(Clone, Debug)]
pub struct Propagator {
    keys: Vec<Cow<'static, str>>,
    fields: Vec<String>,
}

impl Propagator {
    /// Reads and writes `traceparent` and `tracestate`.
    #[must_use]
    pub fn new() -> Self {
        Self { keys: Vec::new(), fields: [TRACEPARENT, TRACESTATE].map(str::to_owned).into() }
    }

    /// Also reads and writes the members of `baggage` with these keys. Default: none, because
    /// every service on the path reads them. At most 64 members and 8192 bytes are kept.
    #[must_use]
    pub fn baggage(mut self, keys: impl IntoIterator<Item = impl Into<Cow<'static, str>>>) -> Self {
        self.keys.extend(keys.into_iter().map(Into::into));
        if !self.keys.is_empty() && self.fields.len() == 2 {
            self.fields.push(BAGGAGE.to_owned());
        }
        self
    }
}

impl TextMapPropagator for Propagator {
    fn inject_context(&self, context: &Context, injector: &mut dyn Injector) {
        let mut set = |name: &str, value: &[u8]| {
            injector.set(name, String::from_utf8_lossy(value).into_owned());
        };
        if let Some((trace, span)) = convert::current(context) {
            set(TRACEPARENT, &traceparent::write(trace, span));
            if let Some(state) = convert::state(context, trace.trace_id) {
                set(TRACESTATE, state.as_header().as_bytes());
            }
        }
        if let Some(baggage) = convert::baggage(context, &self.keys) {
            set(BAGGAGE, baggage.as_header().as_bytes());
        }
    }

    fn extract_with_context(&self, context: &Context, extractor: &dyn Extractor) -> Context {
        let mut extracted = context.clone();
        // Two values would be ambiguous.
        if let [value] = *values(extractor, TRACEPARENT)
            && let Some(trace) = traceparent::parse(value.as_bytes())
            && let Some(parent) = trace.parent_id
        {
            let state =
                headers(extractor, TRACESTATE).and_then(|values| TraceState::from_headers(&values));
            extracted = convert::remote(&extracted, trace, parent, state.as_ref());
        }
        let baggage = headers(extractor, BAGGAGE).filter(|_| !self.keys.is_empty());
        if let Some(baggage) = baggage.and_then(|values| Baggage::select(&values, &self.keys)) {
            extracted = convert::with_baggage(&extracted, &baggage);
        }
        extracted
    }

    fn fields(&self) -> FieldIter<'_> {
        FieldIter::new(&self.fields)
    }
}

impl Default for Propagator {
    fn default() -> Self {
        Self::new()
    }
}

fn values<'e>(extractor: &'e dyn Extractor, name: &str) -> Vec<&'e str> {
    extractor.get_all(name).unwrap_or_default()
}

/// The values of a field; `None` if one of them is not a valid header value, because a list is
/// valid only as a whole.
fn headers(extractor: &dyn Extractor, name: &str) -> Option<Vec<HeaderValue>> {
    values(extractor, name).into_iter().map(|value| HeaderValue::from_str(value).ok()).collect()
}
