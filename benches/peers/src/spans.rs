//! The span of a request on its way to a collector, beside tracing-opentelemetry with the batch
//! processor of OpenTelemetry's SDK, and beside messages of opentelemetry-proto.

use std::{
    convert::Infallible,
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    sync::{Arc, Mutex},
    thread,
    time::Duration,
};

use bytes::Bytes;
use hardpoint::{
    core::Route,
    observability::{
        RecordLayer,
        otlp::{Otlp, OtlpBuilder},
    },
};
use hardpoint_bench_harness::{
    exchange::{Pong, exchange},
    measure::{Contender, Plan},
    report::{Contest, Goal},
};
use http::{HeaderValue, Request, Response, StatusCode, header::USER_AGENT};
use http_body_util::Full;
use opentelemetry::trace::TracerProvider as _;
use opentelemetry_proto::tonic::{
    common::v1::{AnyValue, KeyValue, any_value::Value},
    trace::v1::Span,
};
use opentelemetry_sdk::{
    error::OTelSdkResult,
    trace::{BatchConfigBuilder, BatchSpanProcessor, SdkTracerProvider, SpanData, SpanExporter},
};
use prost::Message as _;
use tower_layer::Layer as _;
use tower_service::Service;
use tracing::{Dispatch, dispatcher};
use tracing_subscriber::{Layer as _, Registry, filter::filter_fn, layer::SubscriberExt as _};

use crate::Named;

/// Nothing is dropped while it is measured: a drop is cheaper than a span that is kept.
const QUEUE_BYTES: usize = 1 << 30;
const QUEUE_SPANS: usize = 1 << 22;

pub(crate) fn contests() -> Vec<Named> {
    vec![
        ("sampled request span to the OTLP queue", queued),
        ("span encoded by hand / by opentelemetry-proto", encoded),
    ]
}

/// A collector that accepts everything and reads nothing of it.
fn collector() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("it is bound"));
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            thread::spawn(move || swallow(stream));
        }
    });
    url
}

fn swallow(stream: TcpStream) -> Option<()> {
    let mut answers = stream.try_clone().ok()?;
    let mut reader = BufReader::with_capacity(1 << 20, stream);
    let (mut line, mut body) = (String::new(), 0);
    loop {
        line.clear();
        if reader.read_line(&mut line).ok()? == 0 {
            return None;
        }
        if let Some(length) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            body = length.trim().parse().ok()?;
        }
        if line == "\r\n" {
            std::io::copy(&mut reader.by_ref().take(body), &mut std::io::sink()).ok()?;
            answers.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").ok()?;
        }
    }
}

fn otlp() -> Otlp {
    let endpoint = format!("{}/v1/traces", collector());
    let builder =
        OtlpBuilder::from_variables([("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", endpoint.as_str())]);
    let builder = builder.expect("an endpoint").service("orders").queue_bytes(QUEUE_BYTES);
    builder.start().expect("a thread")
}

fn request() -> Request<Full<Bytes>> {
    let mut request =
        Request::get("/api/v1/notes/7?limit=20").body(Full::default()).expect("a path");
    request.headers_mut().insert(USER_AGENT, HeaderValue::from_static("curl/8.5.0"));
    request.extensions_mut().insert(Route::from_static("/api/v1/notes/{id}"));
    request
}

/// With spans of tracing that are made, as any subscriber does.
fn through<S, B>(mut service: S, subscriber: Dispatch) -> Contender<'static>
where
    S: Service<Request<Full<Bytes>>, Response = Response<B>, Error = Infallible> + 'static,
    B: http_body::Body,
{
    Contender::prepared(request, move |request| {
        assert_eq!(exchange(&mut service, request), StatusCode::OK);
    })
    .within(move |run| dispatcher::with_default(&subscriber, run))
}

/// Takes spans and drops them.
#[derive(Debug)]
struct Nowhere;

impl SpanExporter for Nowhere {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        drop(batch);
        Ok(())
    }
}

/// What a span adds to a request that is recorded anyway. The peer's span is written by hand, with the
/// same attributes, but without the request's id and the header that continues the trace.
fn queued() -> Contest<'static> {
    let config = BatchConfigBuilder::default().with_max_queue_size(QUEUE_SPANS);
    let config = config.with_scheduled_delay(Duration::from_millis(100)).build();
    let processor = BatchSpanProcessor::builder(Nowhere).with_batch_config(config).build();
    let provider = SdkTracerProvider::builder().with_span_processor(processor).build();
    let layer = tracing_opentelemetry::layer().with_tracer(provider.tracer("bench"));
    // Not the span of the record as well.
    let layer = layer.with_filter(filter_fn(|place| place.target() != "hardpoint::request"));
    let peer = Dispatch::new(Registry::default().with(layer));
    // Its thread lives as long as the process, as ours does.
    std::mem::forget(provider);
    let plain = || Dispatch::new(Registry::default());
    let ours = through(RecordLayer::new().otlp(&otlp()).layer(Pong), plain());
    let peer = through(RecordLayer::new().layer(WithSpan(Pong)), peer);
    let floor = through(RecordLayer::new().layer(Pong), plain());
    let goal = Some(Goal::Ratio(0.3));
    Contest::new(ours, peer).plan(Plan::prepared()).floor("added by the span", floor, goal)
}

/// What a handwritten middleware does.
struct WithSpan<S>(S);

impl<S> Service<Request<Full<Bytes>>> for WithSpan<S>
where
    S: Service<Request<Full<Bytes>>, Response = Response<Full<Bytes>>, Error = Infallible>,
    S::Future: Unpin,
{
    type Response = Response<Full<Bytes>>;
    type Error = Infallible;
    type Future = std::future::Ready<Result<Self::Response, Infallible>>;

    fn poll_ready(
        &mut self,
        context: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Result<(), Infallible>> {
        self.0.poll_ready(context)
    }

    fn call(&mut self, request: Request<Full<Bytes>>) -> Self::Future {
        let agent = request.headers().get(USER_AGENT).and_then(|agent| agent.to_str().ok());
        let span = tracing::info_span!(
            "request",
            otel.name = "GET /api/v1/notes/{id}",
            otel.kind = "server",
            http.request.method = request.method().as_str(),
            url.scheme = "http",
            url.path = request.uri().path(),
            http.route = request.extensions().get::<Route>().map(Route::as_str),
            network.protocol.version = "1.1",
            user_agent.original = agent,
            http.request.body.size = 0,
            http.response.status_code = tracing::field::Empty,
            http.response.body.size = tracing::field::Empty,
        );
        let answer = span.in_scope(|| hardpoint_bench_harness::exchange::now(self.0.call(request)));
        let Ok(response) = answer;
        span.record("http.response.status_code", response.status().as_u16());
        span.record("http.response.body.size", 4);
        std::future::ready(Ok(response))
    }
}

/// What the encoding adds to a request that is recorded anyway.
fn encoded() -> Contest<'static> {
    let plain = || Dispatch::new(Registry::default());
    let ours = RecordLayer::new().otlp(&otlp()).layer(Pong);
    let mut recorded = RecordLayer::new().layer(Pong);
    let queue = Arc::new(Mutex::new(Vec::new()));
    let peer = Contender::prepared(request, move |request| {
        let (path, agent) =
            (request.uri().path().to_owned(), request.headers()[USER_AGENT].clone());
        assert_eq!(exchange(&mut recorded, request), StatusCode::OK);
        let mut queue = queue.lock().expect("not poisoned");
        if queue.len() > 8 << 20 {
            queue.clear();
        }
        message(path, agent.to_str().expect("text")).encode(&mut *queue).expect("room");
    })
    .within({
        let plain = plain();
        move |run| dispatcher::with_default(&plain, run)
    });
    let floor = through(RecordLayer::new().layer(Pong), plain());
    Contest::new(through(ours, plain()), peer).plan(Plan::prepared()).floor(
        "added by the span",
        floor,
        None,
    )
}

fn message(path: String, agent: &str) -> Span {
    let text = |key: &str, value: String| KeyValue {
        key: key.to_owned(),
        value: Some(AnyValue { value: Some(Value::StringValue(value)) }),
        ..KeyValue::default()
    };
    let number = |key: &str, value: i64| KeyValue {
        key: key.to_owned(),
        value: Some(AnyValue { value: Some(Value::IntValue(value)) }),
        ..KeyValue::default()
    };
    Span {
        trace_id: vec![7; 16],
        span_id: vec![3; 8],
        name: "GET /api/v1/notes/{id}".to_owned(),
        kind: 2,
        start_time_unix_nano: 1_800_000_000_000_000_000,
        end_time_unix_nano: 1_800_000_000_000_000_100,
        attributes: vec![
            text("http.request.method", "GET".to_owned()),
            text("url.scheme", "http".to_owned()),
            text("url.path", path),
            text("http.route", "/api/v1/notes/{id}".to_owned()),
            number("http.response.status_code", 200),
            text("network.protocol.version", "1.1".to_owned()),
            text("user_agent.original", agent.to_owned()),
            number("http.request.body.size", 0),
            number("http.response.body.size", 4),
            text("hardpoint.request_id", "0190b5a2-7c3e-7d44-9d1b-6a1f0c2e8b57".to_owned()),
        ],
        flags: 0x101,
        ..Span::default()
    }
}
