//! The data of one request, collected until its access line is written.

mod line;

use std::{fmt, sync::Arc, time::Duration};

use hardpoint_core::{
    Client, Mono, Outcome, Refused, Replacement, RequestContext, Route, Scheme,
    event::{Ending, RequestEnded, RequestStarted},
};
use http::{
    HeaderMap, HeaderValue, Method, Request, Response, StatusCode, Uri,
    header::{CONTENT_TYPE, USER_AGENT},
};
use http_body::Body;
use tracing::Span;

pub(crate) use self::line::TARGET;
use super::{
    facts::{beginning, method, replacement, size},
    grpc::{self, Code, End},
    ids::{self, X_REQUEST_ID},
    layer::Settings,
    query,
    span::{LiveSpan, OpenSpan, SpanStart},
};

/// The route of a request that matched none, or whose service does not provide it.
pub(crate) const UNMATCHED: &str = "unmatched";

/// The longest prefix of an error's text that is logged, in bytes.
const ERROR_MAX: usize = 256;

/// Written on drop, and therefore exactly once, however the request ends.
pub(super) struct Entry {
    settings: Arc<Settings>,
    context: Arc<RequestContext>,
    span: Span,
    /// The span of the application's tracer, if there is one.
    live: Option<Box<dyn LiveSpan>>,
    /// The span to be exported, if the request is sampled.
    exported: Option<OpenSpan>,
    method: &'static str,
    scheme: Scheme,
    head_only: bool,
    route: Option<Route>,
    /// The target of a gRPC call whose method is not known yet.
    unknown: Option<Box<Uri>>,
    /// The end of a gRPC response.
    grpc: Option<End>,
    user_agent: Option<HeaderValue>,
    query: Option<Box<str>>,
    bytes_in: Option<u64>,
    status: Option<StatusCode>,
    refused: Option<Refused>,
    /// Where the server notes that it sends another response.
    replacement: Option<Replacement>,
    first_byte: Option<Mono>,
    bytes_out: u64,
    /// The length of the response body, if known.
    expected: Option<u64>,
    stage: Stage,
    /// The text of the error that the inner service or body returned.
    error: Option<Box<str>>,
    /// Whether the inner service or body is running. If dropped while running, it has panicked.
    running: bool,
}

/// The progress of the response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// The head is not ready.
    Waiting,
    /// The head was passed to the server, the body only in part.
    Sending,
    /// The service or the body returned an error.
    Failed,
    /// Everything was passed to the server.
    Complete,
}

impl Entry {
    /// Opens the record of `request` and sets its context and ids.
    pub(super) fn open<B: Body>(request: &mut Request<B>, settings: &Arc<Settings>) -> Self {
        let context = RequestContext::ensure(request.extensions_mut(), &settings.time);
        let method = method(request.method());
        let live = assign_ids(&context, request, method, settings);
        let live_span = live.as_deref();
        let exported = OpenSpan::open(settings.spans.as_ref(), request, &context, live_span);
        let hex = &mut [0; 32];
        // The last level to be filtered out, so that every line a handler can still write has the
        // ids.
        let entered = live_span.map(LiveSpan::enter);
        let span = tracing::error_span!(
            target: "hardpoint::request",
            "request",
            request_id = context.request_id().map(|id| id.as_str()),
            trace_id = context.trace().map(|trace| trace.trace_id.encode(hex)),
            span_id = context.span_id().map(tracing::field::display),
        );
        drop(entered);
        let scheme = context.client().map_or(Scheme::Http, Client::scheme);
        settings.telemetry.on(&RequestStarted::new(method, scheme).into());
        let route = Route::find(request.extensions());
        let mut unknown = None;
        let route = route.or_else(|| {
            let methods = &settings.methods;
            let path = request.uri().path();
            if let Some(route) = methods.declared(path) {
                // Limits inside find it there: a filter by method agrees with the record.
                context.set_route(route.clone());
                return Some(route.clone());
            }
            // The request's type only decides whether the target is worth a look: what follows
            // concerns only the record.
            if !request.headers().get(CONTENT_TYPE).is_some_and(grpc::is_grpc) {
                return None;
            }
            let learned = methods.learned(path).cloned();
            if learned.is_none() {
                unknown = Some(Box::new(request.uri().clone()));
            }
            learned
        });
        Self {
            settings: Arc::clone(settings),
            span,
            live,
            exported,
            method,
            scheme,
            head_only: request.method() == Method::HEAD,
            route,
            unknown,
            grpc: None,
            user_agent: request.headers().get(USER_AGENT).cloned(),
            query: query::of(request.uri(), settings.query.as_deref()),
            bytes_in: size(request.body(), request.headers()),
            context,
            status: None,
            refused: None,
            replacement: replacement(request),
            first_byte: None,
            bytes_out: 0,
            expected: None,
            stage: Stage::Waiting,
            error: None,
            running: false,
        }
    }

    /// Runs the inner service or body inside the request's span.
    pub(super) fn inside<T>(&mut self, run: impl FnOnce() -> T) -> T {
        self.running = true;
        let _entered = self.live.as_deref().map(LiveSpan::enter);
        let output = self.span.in_scope(run);
        self.running = false;
        output
    }

    /// Runs `run` inside the request's span.
    pub(super) fn inside_span(&self, run: impl FnOnce()) {
        let _entered = self.live.as_deref().map(LiveSpan::enter);
        self.span.in_scope(run);
    }

    /// Records the head of the response and adds the request's id to it.
    pub(super) fn answered<B: Body>(&mut self, response: &mut Response<B>) {
        let status = response.status();
        self.first_byte = Some(self.settings.time.now());
        self.status = Some(status);
        self.refused = response.extensions().get().copied();
        // RFC 9110, section 6.4.1: these have no content, regardless of their headers.
        let without = self.head_only
            || status.is_informational()
            || matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
        self.expected = if without { Some(0) } else { size(response.body(), response.headers()) };
        self.stage = Stage::Sending;
        if response.body().is_end_stream() || self.expected == Some(0) {
            self.stage = Stage::Complete;
        }
        self.grpc = End::from_head(response.headers(), self.stage == Stage::Complete);
        self.learn();
        if let Some(id) = self.context.request_id() {
            response.headers_mut().insert(&X_REQUEST_ID, id.as_header().clone());
        }
    }

    /// Records a frame with `bytes` bytes of data.
    pub(super) fn sent(&mut self, bytes: usize) {
        let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
        self.bytes_out = self.bytes_out.saturating_add(bytes);
        // A server that knows the length does not poll for more.
        if self.expected.is_some_and(|all| self.bytes_out >= all) {
            self.stage = Stage::Complete;
        }
    }

    /// Learns the method of the call if the response shows that it exists.
    fn learn(&mut self) {
        let exists = self.refused.is_none() && self.grpc.is_some_and(End::comes_from_a_method);
        if let Some(target) = self.unknown.take_if(|_| exists) {
            self.route = self.settings.methods.learn(target.path()).cloned();
        }
    }

    /// Records that the whole body was passed to the server, with these trailers.
    pub(super) fn complete(&mut self, trailers: Option<&HeaderMap>) {
        self.stage = Stage::Complete;
        self.grpc = self.grpc.map(|end| end.after(trailers));
    }

    /// Records that the inner service or body returned an error.
    pub(super) fn failed(&mut self, error: &dyn fmt::Display) {
        self.stage = Stage::Failed;
        let mut text = error.to_string();
        text.truncate(text.floor_char_boundary(ERROR_MAX));
        self.error = Some(text.into());
    }

    /// Records what the server sends in place of the response, if it does. A request whose service
    /// was dropped before it responded gets nothing.
    fn replace(&mut self) {
        let replacement = self.replacement.as_ref().filter(|_| self.stage != Stage::Waiting);
        let Some(refused) = replacement.and_then(Replacement::refused) else { return };
        self.bytes_out = replacement.and_then(Replacement::bytes).unwrap_or(0);
        self.refused = Some(refused);
        self.status = Some(refused.status());
        self.grpc = None;
    }

    fn ending(&self) -> Ending {
        let refusal = self.refused.map(Refused::outcome);
        let server_error = self.status.is_some_and(|status| status.is_server_error());
        match (refusal.or_else(|| self.context.body_outcome()), self.stage) {
            // Checked first: the panic came after any outcome stored earlier.
            _ if self.running => Ending::Known(Outcome::Panicked),
            (Some(outcome), _) => Ending::Known(outcome),
            (None, Stage::Failed) => Ending::Known(Outcome::Failed),
            (None, Stage::Waiting) => Ending::Cancelled,
            (None, _) if server_error => Ending::Known(Outcome::Failed),
            (None, _) if self.grpc.is_some() => self.grpc_ending(),
            (None, Stage::Sending) => Ending::Aborted,
            (None, Stage::Complete) => Ending::Ok,
        }
    }

    fn grpc_ending(&self) -> Ending {
        match self.grpc.and_then(End::code) {
            Some(code) => code.outcome().map_or(Ending::Ok, Ending::Known),
            None => Ending::Aborted,
        }
    }

    /// Returns the status of a rejection or of a gRPC code, even where gRPC sends 200.
    fn status(&self) -> Option<StatusCode> {
        let http = self.status.filter(|status| *status != StatusCode::OK);
        let grpc = || self.grpc.and_then(End::code).map(Code::status);
        self.refused.map(Refused::status).or(http).or_else(grpc).or(self.status)
    }

    /// Returns the template, never the requested path, which the client chooses.
    fn route(&self) -> Option<&str> {
        self.route.as_ref().or_else(|| self.context.route()).map(Route::as_str)
    }

    fn since_received(&self, at: Mono) -> Duration {
        at.saturating_since(self.context.received())
    }

    fn report(&self, ending: Ending, duration: Duration) {
        let mut event = RequestEnded::new(self.method, self.scheme, ending, duration);
        event.route = self.route();
        event.status = self.status().map(|status| status.as_u16());
        event.bytes_in = self.bytes_in;
        event.bytes_out = self.bytes_out;
        event.trace = self.context.trace();
        if let Some(span) = &self.exported {
            let user_agent = self.user_agent.as_ref().map(beginning);
            let live = self.live.as_deref();
            span.end(live, &event, &self.context, user_agent.as_deref(), self.settings.time.unix());
        }
        self.settings.telemetry.on(&event.into());
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        self.replace();
        let ending = self.ending();
        let now = self.settings.time.now();
        let duration = self.since_received(now);
        self.report(ending, duration);
        if let Some(unlogged) = self.unlogged(ending, now, duration) {
            self.write_line(ending, duration, unlogged);
        }
    }
}

impl fmt::Debug for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Entry")
            .field("status", &self.status)
            .field("stage", &self.stage)
            .field("bytes_out", &self.bytes_out)
            .finish_non_exhaustive()
    }
}

/// Assigns the request's ids, and begins its span if spans begin with their requests.
fn assign_ids<B>(
    context: &RequestContext,
    request: &mut Request<B>,
    method: &'static str,
    settings: &Settings,
) -> Option<Box<dyn LiveSpan>> {
    let sink = settings.spans.as_deref().filter(|sink| sink.begins());
    let uri = sink.map(|_| request.uri().clone());
    ids::assign(context, request.headers_mut(), settings, |trace| {
        let sink = sink?;
        let since = settings.time.now().saturating_since(context.received());
        sink.begin(&SpanStart {
            trace,
            state: context.trace_state(),
            baggage: context.baggage(),
            method,
            path: uri.as_ref()?.path(),
            start: settings.time.unix().saturating_sub(since),
        })
    })
}
