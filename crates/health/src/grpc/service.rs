//! The gRPC health service.

use std::{
    convert::Infallible,
    fmt,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use bytes::{Bytes, BytesMut};
use hardpoint_core::{GrpcCode, Readiness};
use http::{
    HeaderName, HeaderValue, Method, Request, Response,
    header::{ALLOW, CONTENT_TYPE},
};
use http_body::Body;
use tower_service::Service;

use super::{
    body::ResponseBody,
    message::{self, ServingStatus},
    watch::{Streams, Watch},
};
use crate::{Lifecycle, board::Board, heartbeat::Pulse};

/// The full name of the service.
const NAME: &str = "grpc.health.v1.Health";

/// The largest request body: a frame with one name.
const MAX_REQUEST: usize = 4 * 1024;

pub(super) const GRPC_STATUS: HeaderName = HeaderName::from_static("grpc-status");

/// The health service of gRPC. See the [module docs](super).
#[derive(Clone, Debug)]
#[must_use = "the service does nothing until a server routes requests to it"]
pub struct GrpcHealth {
    lifecycle: Lifecycle,
    /// Names that have the readiness of the process.
    added: Arc<[Arc<str>]>,
    streams: Streams,
}

/// The probe that a known name selects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Known {
    Liveness,
    Readiness,
    Startup,
}

/// The names that always exist.
const BUILT_IN: [(&str, Known); 4] = [
    ("", Known::Readiness),
    ("liveness", Known::Liveness),
    ("readiness", Known::Readiness),
    ("startup", Known::Startup),
];

impl GrpcHealth {
    /// Creates a service that answers for `lifecycle`.
    pub fn new(lifecycle: &Lifecycle) -> Self {
        Self { lifecycle: lifecycle.clone(), added: Arc::default(), streams: Streams::default() }
    }

    /// Adds a name that has the readiness of the process: the full name of a gRPC service, such as
    /// `routeguide.RouteGuide`.
    pub fn add_service(mut self, name: impl Into<Arc<str>>) -> Self {
        self.added = self.added.iter().cloned().chain([name.into()]).collect();
        self
    }

    fn known(&self, name: &str) -> Option<Known> {
        self.names().find(|(known, _)| *known == name).map(|(_, known)| known)
    }

    fn names(&self) -> impl Iterator<Item = (&str, Known)> {
        BUILT_IN.into_iter().chain(self.added.iter().map(|name| (&**name, Known::Readiness)))
    }

    fn answer(&self, method: Rpc, frame: &[u8]) -> Response<ResponseBody> {
        let board = self.lifecycle.board();
        if method == Rpc::List {
            let statuses = self.names().map(|(name, known)| (name, serving(board, Some(known))));
            return reply(ResponseBody::message(message::list(statuses)));
        }
        let Some(name) = message::requested_service(frame) else {
            return refuse(GrpcCode::InvalidArgument);
        };
        let known = self.known(name);
        if method == Rpc::Check {
            return match known {
                Some(_) => reply(ResponseBody::message(message::response(serving(board, known)))),
                None => refuse(GrpcCode::NotFound),
            };
        }
        match self.streams.enter() {
            Some(place) => {
                reply(ResponseBody::watch(Watch::new(self.lifecycle.clone(), known, place)))
            }
            None => refuse(GrpcCode::ResourceExhausted),
        }
    }
}

/// The status of a known or unknown name.
pub(super) fn serving(board: &Board, known: Option<Known>) -> ServingStatus {
    let Some(known) = known else { return ServingStatus::ServiceUnknown };
    ServingStatus::when(match known {
        Known::Liveness => board.pulse() != Pulse::Stalled,
        Known::Readiness => board.verdict().readiness() == Readiness::Ready,
        Known::Startup => board.is_started(),
    })
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Rpc {
    Check,
    List,
    Watch,
}

/// Whether a content type is that of gRPC, with or without a message format. `application/grpc-web`
/// has another framing.
fn is_grpc(content_type: &[u8]) -> bool {
    let rest = content_type.strip_prefix(b"application/grpc");
    rest.is_some_and(|rest| matches!(rest.first(), None | Some(b'+' | b';')))
}

/// The method that a request calls.
fn rpc(path: &str) -> Option<Rpc> {
    let method = path.strip_prefix('/')?.strip_prefix(NAME)?.strip_prefix('/')?;
    match method {
        "Check" => Some(Rpc::Check),
        "List" => Some(Rpc::List),
        "Watch" => Some(Rpc::Watch),
        _ => None,
    }
}

impl<B> Service<Request<B>> for GrpcHealth
where
    B: Body<Data = Bytes> + Send + 'static,
{
    type Response = Response<ResponseBody>;
    type Error = Infallible;
    type Future = ResponseFuture;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> ResponseFuture {
        let health = self.clone();
        ResponseFuture {
            inner: Box::pin(async move {
                // https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md: other methods and
                // content types get an answer of HTTP.
                if request.method() != Method::POST {
                    return plain(http::StatusCode::METHOD_NOT_ALLOWED);
                }
                let content_type = request.headers().get(CONTENT_TYPE);
                if !content_type.is_some_and(|kind| is_grpc(kind.as_bytes())) {
                    return plain(http::StatusCode::UNSUPPORTED_MEDIA_TYPE);
                }
                let Some(method) = rpc(request.uri().path()) else {
                    return refuse(GrpcCode::Unimplemented);
                };
                match collect(request.into_body()).await {
                    Some(frame) => health.answer(method, &frame),
                    None => refuse(GrpcCode::InvalidArgument),
                }
            }),
        }
    }
}

#[cfg(feature = "tonic")]
impl tonic::server::NamedService for GrpcHealth {
    const NAME: &'static str = NAME;
}

/// The future of a [`GrpcHealth`] response.
pub struct ResponseFuture {
    /// Boxed, because the type of the request's body would be a parameter otherwise. Health is
    /// asked for a few times a second.
    inner: Pin<Box<dyn Future<Output = Response<ResponseBody>> + Send>>,
}

impl Future for ResponseFuture {
    type Output = Result<Response<ResponseBody>, Infallible>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.inner.as_mut().poll(cx).map(Ok)
    }
}

impl fmt::Debug for ResponseFuture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").finish_non_exhaustive()
    }
}

/// Collects a body of at most [`MAX_REQUEST`] bytes. A client that is slow holds up only itself.
async fn collect<B: Body<Data = Bytes>>(body: B) -> Option<Bytes> {
    let mut body = std::pin::pin!(body);
    let mut collected = BytesMut::new();
    while let Some(frame) = std::future::poll_fn(|cx| body.as_mut().poll_frame(cx)).await {
        if let Ok(data) = frame.ok()?.into_data() {
            if data.len() > MAX_REQUEST - collected.len() {
                return None;
            }
            collected.extend_from_slice(&data);
        }
    }
    Some(collected.freeze())
}

fn reply(body: ResponseBody) -> Response<ResponseBody> {
    let mut response = Response::new(body);
    let kind = HeaderValue::from_static("application/grpc");
    response.headers_mut().insert(CONTENT_TYPE, kind);
    response
}

/// A response that has its status in the head.
fn refuse(code: GrpcCode) -> Response<ResponseBody> {
    let mut response = reply(ResponseBody::empty());
    response.headers_mut().insert(GRPC_STATUS, (code as u16).into());
    response
}

fn plain(status: http::StatusCode) -> Response<ResponseBody> {
    let mut response = Response::new(ResponseBody::empty());
    *response.status_mut() = status;
    if status == http::StatusCode::METHOD_NOT_ALLOWED {
        response.headers_mut().insert(ALLOW, HeaderValue::from_static("POST"));
    }
    response
}
