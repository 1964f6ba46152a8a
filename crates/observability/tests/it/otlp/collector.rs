//! A collector for tests: it decodes with opentelemetry-proto, and misbehaves on request.

#![allow(dead_code, reason = "two test programs use different parts of it")]

use std::{
    collections::VecDeque,
    convert::Infallible,
    io::Read as _,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
};

use bytes::Bytes;
use flate2::read::GzDecoder;
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode};
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody, combinators::BoxBody};
use hyper::{body::Incoming, service::service_fn};
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto,
};
use opentelemetry_proto::tonic::{
    collector::{
        logs::v1::ExportLogsServiceRequest, metrics::v1::ExportMetricsServiceRequest,
        trace::v1::ExportTraceServiceRequest,
    },
    logs::v1::LogRecord,
    metrics::v1::Metric,
    resource::v1::Resource,
    trace::v1::Span,
};
use prost::Message;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpListener,
    runtime::Runtime,
    sync::{Notify, watch},
};
use tokio_rustls::{TlsAcceptor, rustls::ServerConfig};

/// The protocol that a collector is asked in. It speaks both.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Protocol {
    Grpc,
    Http,
}

impl Protocol {
    pub(crate) const BOTH: [Self; 2] = [Self::Grpc, Self::Http];
}

/// What a collector does with a request.
#[derive(Clone, Debug)]
pub(crate) enum Behaviour {
    /// Answers with success.
    Accept,
    /// Answers with success, and says that it rejected so many records.
    Partial(i64),
    /// Answers with this status, and these fields.
    Status(StatusCode, Vec<(&'static str, String)>),
    /// Answers with this gRPC status, and these trailers.
    Grpc(u32, Vec<(&'static str, String)>),
    /// Never answers.
    Hang,
    /// Breaks the connection before it answers.
    Reset,
}

/// What was received.
#[derive(Debug, Default)]
pub(crate) struct Received {
    pub(crate) spans: Vec<Span>,
    pub(crate) logs: Vec<LogRecord>,
    pub(crate) metrics: Vec<Metric>,
    pub(crate) resources: Vec<Resource>,
    pub(crate) headers: Vec<HeaderMap>,
}

struct State {
    protocol: Protocol,
    received: Mutex<Received>,
    /// What to do with the next requests.
    script: Mutex<VecDeque<Behaviour>>,
    /// What to do afterwards.
    then: Mutex<Behaviour>,
    requests: AtomicU64,
    /// Spans in accepted requests.
    accepted: AtomicU64,
    /// Whether received records are kept.
    keep: bool,
    changed: Notify,
}

/// A collector on a runtime of its own, so that no test depends on the runtime it is tested in.
pub(crate) struct Collector {
    address: std::net::SocketAddr,
    is_tls: bool,
    state: Arc<State>,
    stop: watch::Sender<bool>,
    runtime: Option<Runtime>,
}

impl Collector {
    pub(crate) fn start(protocol: Protocol) -> Self {
        Self::with(protocol, Behaviour::Accept, true)
    }

    /// Starts one that does this with all requests. Without `keep`, it only counts.
    pub(crate) fn with(protocol: Protocol, then: Behaviour, keep: bool) -> Self {
        Self::listen(protocol, then, keep, None)
    }

    /// Starts one that speaks TLS.
    pub(crate) fn tls(protocol: Protocol, tls: ServerConfig) -> Self {
        Self::listen(protocol, Behaviour::Accept, true, Some(TlsAcceptor::from(Arc::new(tls))))
    }

    fn listen(protocol: Protocol, then: Behaviour, keep: bool, tls: Option<TlsAcceptor>) -> Self {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
        let runtime = runtime.unwrap();
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        let listener = {
            let _entered = runtime.enter();
            TcpListener::from_std(listener).unwrap()
        };
        let state = Arc::new(State {
            protocol,
            received: Mutex::default(),
            script: Mutex::default(),
            then: Mutex::new(then),
            requests: AtomicU64::new(0),
            accepted: AtomicU64::new(0),
            keep,
            changed: Notify::new(),
        });
        let (stop, stopped) = watch::channel(false);
        let is_tls = tls.is_some();
        runtime.spawn(accept(listener, Arc::clone(&state), stopped, tls));
        Self { address, is_tls, state, stop, runtime: Some(runtime) }
    }

    pub(crate) fn protocol(&self) -> Protocol {
        self.state.protocol
    }

    pub(crate) fn url(&self) -> String {
        if self.is_tls {
            return format!("https://localhost:{}", self.address.port());
        }
        format!("http://{}", self.address)
    }

    /// Does this with the next requests, before what it does with all others.
    pub(crate) fn script(&self, script: impl IntoIterator<Item = Behaviour>) {
        self.state.script.lock().unwrap().extend(script);
    }

    /// Does this with all later requests.
    pub(crate) fn then(&self, then: Behaviour) {
        *self.state.then.lock().unwrap() = then;
    }

    pub(crate) fn requests(&self) -> u64 {
        self.state.requests.load(Ordering::SeqCst)
    }

    /// The number of spans that were accepted.
    pub(crate) fn accepted(&self) -> u64 {
        self.state.accepted.load(Ordering::SeqCst)
    }

    /// What was received and accepted.
    pub(crate) fn received<T>(&self, read: impl FnOnce(&Received) -> T) -> T {
        read(&self.state.received.lock().unwrap())
    }

    /// Waits until so many requests have arrived.
    pub(crate) async fn wait_for_requests(&self, number: u64) {
        let waiting = async {
            loop {
                let changed = self.state.changed.notified();
                if self.requests() >= number {
                    return;
                }
                changed.await;
            }
        };
        tokio::time::timeout(super::PATIENCE, waiting).await.unwrap();
    }
}

impl Drop for Collector {
    fn drop(&mut self) {
        self.stop.send_replace(true);
        self.runtime.take().unwrap().shutdown_background();
    }
}

async fn accept(
    listener: TcpListener,
    state: Arc<State>,
    stop: watch::Receiver<bool>,
    tls: Option<TlsAcceptor>,
) {
    loop {
        let mut stopped = stop.clone();
        let (stream, _) = tokio::select! {
            accepted = listener.accept() => accepted.unwrap(),
            _ = stopped.changed() => return,
        };
        let (state, tls) = (Arc::clone(&state), tls.clone());
        tokio::spawn(async move {
            match tls {
                Some(tls) => {
                    if let Ok(stream) = tls.accept(stream).await {
                        serve(stream, state).await;
                    }
                }
                None => serve(stream, state).await,
            }
        });
    }
}

async fn serve<S>(stream: S, state: Arc<State>)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let reset = Arc::new(Notify::new());
    let own = Arc::clone(&reset);
    let service = service_fn(move |request| answer(request, Arc::clone(&state), Arc::clone(&own)));
    let server = auto::Builder::new(TokioExecutor::new());
    tokio::select! {
        _ = server.serve_connection(TokioIo::new(stream), service) => {}
        () = reset.notified() => {}
    }
}

type Answer = Response<BoxBody<Bytes, Infallible>>;

async fn answer(
    request: Request<Incoming>,
    state: Arc<State>,
    reset: Arc<Notify>,
) -> Result<Answer, hyper::Error> {
    let (head, body) = request.into_parts();
    let body = body.collect().await?.to_bytes();
    let scripted = state.script.lock().unwrap().pop_front();
    let behaviour = scripted.unwrap_or_else(|| state.then.lock().unwrap().clone());
    let accepted = matches!(behaviour, Behaviour::Accept | Behaviour::Partial(_));
    if accepted {
        state.accept(head.uri.path(), &head.headers, &body);
    }
    state.requests.fetch_add(1, Ordering::SeqCst);
    state.changed.notify_waiters();
    let grpc = state.protocol == Protocol::Grpc;
    Ok(match behaviour {
        Behaviour::Accept => success(grpc, &[]),
        Behaviour::Partial(rejected) => success(grpc, &partial(rejected)),
        Behaviour::Status(status, fields) => {
            let mut response = Response::new(chunks(Vec::new()));
            *response.status_mut() = status;
            add(response.headers_mut(), &fields);
            response
        }
        Behaviour::Grpc(code, fields) => {
            let mut trailers = HeaderMap::new();
            trailers.insert("grpc-status", code.to_string().parse().unwrap());
            add(&mut trailers, &fields);
            Response::new(chunks(vec![Frame::trailers(trailers)]))
        }
        Behaviour::Hang => std::future::pending().await,
        Behaviour::Reset => {
            reset.notify_one();
            std::future::pending().await
        }
    })
}

fn add(headers: &mut HeaderMap, fields: &[(&'static str, String)]) {
    for (name, value) in fields {
        headers.insert(*name, value.parse().unwrap());
    }
}

/// `ExportTraceServiceResponse` and its siblings have the same numbers.
fn partial(rejected: i64) -> Vec<u8> {
    use opentelemetry_proto::tonic::collector::trace::v1::{
        ExportTracePartialSuccess, ExportTraceServiceResponse,
    };

    let error_message = "some are too old".to_owned();
    let partial_success =
        Some(ExportTracePartialSuccess { rejected_spans: rejected, error_message });
    ExportTraceServiceResponse { partial_success }.encode_to_vec()
}

fn success(grpc: bool, message: &[u8]) -> Answer {
    if !grpc {
        return Response::new(chunks(vec![Frame::data(Bytes::copy_from_slice(message))]));
    }
    let len = u32::try_from(message.len()).unwrap().to_be_bytes();
    let frame = [&[0], len.as_slice(), message].concat();
    let mut trailers = HeaderMap::new();
    trailers.insert("grpc-status", HeaderValue::from_static("0"));
    let frames = vec![Frame::data(frame.into()), Frame::trailers(trailers)];
    let mut response = Response::new(chunks(frames));
    response.headers_mut().insert("content-type", HeaderValue::from_static("application/grpc"));
    response
}

fn chunks(frames: Vec<Frame<Bytes>>) -> BoxBody<Bytes, Infallible> {
    StreamBody::new(futures_util::stream::iter(frames.into_iter().map(Ok))).boxed()
}

impl State {
    fn accept(&self, path: &str, headers: &HeaderMap, body: &[u8]) {
        let message = match self.protocol {
            Protocol::Http => {
                assert_eq!(headers["content-type"], "application/x-protobuf");
                let gzip = headers.get("content-encoding").is_some_and(|coding| coding == "gzip");
                unpacked(gzip, body)
            }
            Protocol::Grpc => {
                assert_eq!(headers["content-type"], "application/grpc");
                assert_eq!(headers["te"], "trailers");
                let (head, message) = body.split_first_chunk::<5>().unwrap();
                let len = u32::from_be_bytes([head[1], head[2], head[3], head[4]]);
                assert_eq!(len as usize, message.len());
                assert_eq!(head[0] == 1, headers.get("grpc-encoding").is_some());
                unpacked(head[0] == 1, message)
            }
        };
        let mut received = self.received.lock().unwrap();
        let received = &mut *received;
        if self.keep {
            received.headers.push(headers.clone());
        }
        match path {
            "/v1/traces" | "/opentelemetry.proto.collector.trace.v1.TraceService/Export" => {
                for resource in ExportTraceServiceRequest::decode(&*message).unwrap().resource_spans
                {
                    for scope in resource.scope_spans {
                        assert_eq!(scope.scope.unwrap().name, "hardpoint-observability");
                        self.accepted.fetch_add(scope.spans.len() as u64, Ordering::SeqCst);
                        if self.keep {
                            received.spans.extend(scope.spans);
                        }
                    }
                    received.resources.extend(resource.resource.filter(|_| self.keep));
                }
            }
            "/v1/logs" | "/opentelemetry.proto.collector.logs.v1.LogsService/Export" => {
                for resource in ExportLogsServiceRequest::decode(&*message).unwrap().resource_logs {
                    for scope in resource.scope_logs.into_iter().filter(|_| self.keep) {
                        received.logs.extend(scope.log_records);
                    }
                    received.resources.extend(resource.resource.filter(|_| self.keep));
                }
            }
            "/v1/metrics" | "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export" => {
                let request = ExportMetricsServiceRequest::decode(&*message).unwrap();
                for resource in request.resource_metrics {
                    for scope in resource.scope_metrics.into_iter().filter(|_| self.keep) {
                        received.metrics.extend(scope.metrics);
                    }
                    received.resources.extend(resource.resource.filter(|_| self.keep));
                }
            }
            other => panic!("a request to {other}"),
        }
    }
}

fn unpacked(gzip: bool, bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    if gzip {
        GzDecoder::new(bytes).read_to_end(&mut out).unwrap();
    } else {
        out.extend_from_slice(bytes);
    }
    out
}
