//! The record of a request, beside tower-http's request ids and traces; a log line, beside the JSON
//! of tracing-subscriber and json-subscriber. All write to a sink.

use std::{convert::Infallible, io, time::Duration};

use bytes::Bytes;
use hardpoint::observability::{Logs, RecordLayer};
use hardpoint_bench_harness::{
    exchange::{Pong, exchange},
    measure::{Contender, Plan},
    report::{Contest, Goal},
};
use http::{HeaderValue, Request, Response, StatusCode, header::USER_AGENT};
use http_body_util::Full;
use tower_http::{
    classify::{ServerErrorsAsFailures, SharedClassifier},
    request_id::{
        MakeRequestUuid, PropagateRequestId, PropagateRequestIdLayer, SetRequestId,
        SetRequestIdLayer,
    },
    trace::{DefaultMakeSpan, DefaultOnResponse, Trace, TraceLayer},
};
use tower_layer::Layer;
use tower_service::Service;
use tracing::{Dispatch, Level, Span, dispatcher};
use tracing_subscriber::{Registry, layer::SubscriberExt};

use crate::{Named, spans};

pub(crate) fn contests() -> Vec<Named> {
    let mut all: Vec<Named> = vec![
        ("request with id and access line", record),
        ("log event in the span of a request", event_in_span),
        ("log event in a span, beside json-subscriber", event_beside_json_subscriber),
        ("log event outside a span", event_alone),
        ("log event to a thread of its own", event_queued),
    ];
    all.extend(spans::contests());
    all
}

/// What the [guard](crate::guard) measures.
pub(crate) fn guarded() -> Vec<Named> {
    vec![
        ("request record / tower-http", record),
        ("request record, 2 threads / tower-http", record_on_two),
        ("log event in a span / tracing-subscriber", event_in_span),
        ("log event in a span, 2 threads / tracing-subscriber", event_in_span_on_two),
    ]
}

fn our_log() -> Dispatch {
    let logs = Logs::json("orders")
        .version("1.4.2")
        .environment("bench")
        .layer(io::sink)
        .expect("the filter is `info`");
    Dispatch::new(Registry::default().with(logs))
}

fn peer_log() -> Dispatch {
    let subscriber = tracing_subscriber::fmt().json().with_max_level(Level::INFO);
    Dispatch::new(subscriber.with_writer(io::sink).finish())
}

fn request() -> Request<Full<Bytes>> {
    let mut request = Request::get("/api/v1/notes?limit=20").body(Full::default()).expect("a path");
    request.headers_mut().insert(USER_AGENT, HeaderValue::from_static("curl/8.5.0"));
    request
}

fn through<S, B>(mut service: S, log: Dispatch) -> Contender<'static>
where
    S: Service<Request<Full<Bytes>>, Response = Response<B>, Error = Infallible> + 'static,
    B: http_body::Body,
{
    Contender::prepared(request, move |request| {
        assert_eq!(exchange(&mut service, request), StatusCode::OK);
    })
    .within(move |run| dispatcher::with_default(&log, run))
}

/// The same on several threads, each with a clone of the service.
fn through_on<S, B>(threads: usize, service: S, log: Dispatch) -> Contender<'static>
where
    S: Service<Request<Full<Bytes>>, Response = Response<B>, Error = Infallible>,
    S: Clone + Sync + 'static,
    B: http_body::Body,
{
    Contender::prepared_on(threads, request, move || {
        let log = dispatcher::set_default(&log);
        let mut service = service.clone();
        move |request| {
            let _log = &log;
            assert_eq!(exchange(&mut service, request), StatusCode::OK);
        }
    })
}

fn record_on_two() -> Contest<'static> {
    let plan = Plan { rounds: 101, most: 8192, ..Plan::prepared() };
    let plan = Plan { sample: Duration::from_millis(4), ..plan };
    Contest::new(
        through_on(2, RecordLayer::new().layer(Pong), our_log()),
        through_on(2, tower_http(Pong), peer_log()),
    )
    .plan(plan)
}

/// One request, with an id in its log line and in its answer.
fn record() -> Contest<'static> {
    let ours = through(RecordLayer::new().layer(Pong), our_log());
    Contest::new(ours, through(tower_http(Pong), peer_log())).plan(Plan::prepared()).floor(
        "added by the layers",
        through(Pong, Dispatch::none()),
        None,
    )
}

type TowerHttp<S> = SetRequestId<
    Trace<PropagateRequestId<S>, SharedClassifier<ServerErrorsAsFailures>>,
    MakeRequestUuid,
>;

/// As its documentation says: the id is set outermost and handed on innermost. One line a request,
/// which unlike ours has neither id nor route, since the default span has none.
fn tower_http<S>(service: S) -> TowerHttp<S> {
    let trace = TraceLayer::new_for_http()
        .make_span_with(DefaultMakeSpan::new().level(Level::INFO))
        .on_response(DefaultOnResponse::new().level(Level::INFO));
    let peer = PropagateRequestIdLayer::x_request_id().layer(service);
    SetRequestIdLayer::x_request_id(MakeRequestUuid).layer(trace.layer(peer))
}

/// A line inside the span of a request.
fn event_in_span() -> Contest<'static> {
    Contest::new(line_in_span(our_log()), line_in_span(peer_log())).goal(Goal::Ratio(0.15))
}

/// The same line, beside the peer that also encodes the fields of a span once.
fn event_beside_json_subscriber() -> Contest<'static> {
    let peer = json_subscriber::fmt().with_max_level(Level::INFO).with_writer(io::sink).finish();
    let peer = line_in_span(Dispatch::new(peer));
    Contest::new(line_in_span(our_log()), peer).goal(Goal::Ratio(0.5))
}

fn line_in_span(log: Dispatch) -> Contender<'static> {
    let span = dispatcher::with_default(&log, request_span);
    event(log, span)
}

fn request_span() -> Span {
    tracing::info_span!(
        "request",
        request_id = "0190b5a2-7c3e-7d44-9d1b-6a1f0c2e8b57",
        trace_id = "4bf92f3577b34da6a3ce929d0e0e4736",
    )
}

/// The same on two threads at once, each in a span of its own.
fn event_in_span_on_two() -> Contest<'static> {
    let lines = |log: Dispatch| {
        Contender::prepared_on(
            2,
            || (),
            move || {
                let log = dispatcher::set_default(&log);
                let span = request_span().entered();
                move |()| {
                    let _within = (&log, &span);
                    order_shipped();
                }
            },
        )
    };
    let plan = Plan { sample: Duration::from_millis(4), ..Plan::default() };
    Contest::new(lines(our_log()), lines(peer_log())).plan(plan)
}

/// The same line with no span around it.
fn event_alone() -> Contest<'static> {
    Contest::new(event(our_log(), Span::none()), event(peer_log(), Span::none()))
}

/// The same line, encoded alike, on its way to a thread that writes it: what the queue adds.
fn event_queued() -> Contest<'static> {
    let logs = || Logs::json("orders").version("1.4.2").environment("bench");
    let queued = logs().queue_bytes(64 << 20).queued_layer(io::sink()).expect("a thread");
    let queued = Dispatch::new(Registry::default().with(queued));
    let (appender, guard) = tracing_appender::non_blocking(io::sink());
    // The thread lives as long as the process, as ours does.
    std::mem::forget(guard);
    let peer = Registry::default().with(logs().layer(appender).expect("the filter is `info`"));
    Contest::new(event(queued, Span::none()), event(Dispatch::new(peer), Span::none())).floor(
        "added by the queue",
        event(our_log(), Span::none()),
        Some(Goal::Ratio(0.5)),
    )
}

fn order_shipped() {
    tracing::info!(order = 7, total = 12.5, "order shipped");
}

fn event(log: Dispatch, span: Span) -> Contender<'static> {
    Contender::new(order_shipped)
        .within(move |run| dispatcher::with_default(&log, || span.in_scope(&mut *run)))
}
