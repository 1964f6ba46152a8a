//! The service.

use std::{
    error::Error,
    task::{Context, Poll},
};

use bytes::Bytes;
use hardpoint_core::{Head, Refusals};
use http::{
    HeaderName, Request, Response,
    header::{CONTENT_ENCODING, CONTENT_LENGTH},
};
use http_body::Body;
use tower_service::Service;

use super::{
    BodyEncoded, LimitedBody, ResponseBody, ResponseFuture,
    future::{Watch, too_large},
    layer::Limits,
    mark::Mark,
};

/// Rejects request bodies over a limit. See the [module docs](super).
#[derive(Clone, Debug)]
pub struct BodyLimit<S> {
    inner: S,
    limits: Option<Limits>,
    refusals: Refusals,
}

impl<S> BodyLimit<S> {
    pub(super) fn new(inner: S, limits: Option<Limits>, refusals: Refusals) -> Self {
        Self { inner, limits, refusals }
    }

    hardpoint_core::inner_accessors!();
}

impl<S, B, R> Service<Request<B>> for BodyLimit<S>
where
    S: Service<Request<LimitedBody<B>>, Response = Response<R>>,
    B: Body,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
    R: Body<Data = Bytes>,
    R::Error: Into<Box<dyn Error + Send + Sync>>,
{
    type Response = Response<ResponseBody<R>>;
    type Error = S::Error;
    type Future = ResponseFuture<S::Future, R>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let Some(limits) = self.limits else {
            return ResponseFuture::forward(
                self.inner.call(request.map(LimitedBody::unlimited)),
                None,
            );
        };
        if !limits.encoded && is_encoded(&request) {
            tracing::debug!(target: "hardpoint::edge::body_limit", "request body encoded");
            let facts = self.refusals.facts(Head::new(&request));
            return ResponseFuture::refuse(self.refusals.refuse(&facts, &BodyEncoded));
        }
        if let Some(limit) = limits.message {
            let facts = self.refusals.facts(Head::new(&request));
            if facts.is_grpc() {
                let mark = Mark::new(facts);
                let watch = Watch { mark: mark.clone(), refusals: self.refusals.clone(), limit };
                let request = request.map(|body| LimitedBody::of_messages(body, limit, mark));
                return ResponseFuture::forward(self.inner.call(request), Some(watch));
            }
        }
        let limit = limits.body;
        let size = request.body().size_hint();
        if size.lower() > limit || announced(&request).is_some_and(|length| length > limit) {
            let facts = self.refusals.facts(Head::new(&request));
            return ResponseFuture::refuse(too_large(&self.refusals, &facts, limit));
        }
        let fits = size.upper().is_some_and(|length| length <= limit);
        let watch = (!fits).then(|| Watch {
            mark: Mark::new(self.refusals.facts(Head::new(&request))),
            refusals: self.refusals.clone(),
            limit,
        });
        let mark = watch.as_ref().map(|watch| watch.mark.clone());
        let request = request.map(|body| LimitedBody::new(body, limit, mark));
        ResponseFuture::forward(self.inner.call(request), watch)
    }
}

/// Whether the body, or each message in it, is encoded. An empty body is not.
fn is_encoded<B: Body>(request: &Request<B>) -> bool {
    static GRPC_ENCODING: HeaderName = HeaderName::from_static("grpc-encoding");

    let headers = request.headers();
    let lines = headers.get_all(CONTENT_ENCODING).iter().chain(headers.get_all(&GRPC_ENCODING));
    let mut encodings = lines.flat_map(|line| line.as_bytes().split(|&byte| byte == b','));
    let is_identity = |encoding: &[u8]| {
        encoding.trim_ascii().is_empty() || encoding.trim_ascii().eq_ignore_ascii_case(b"identity")
    };
    !request.body().is_end_stream() && !encodings.all(is_identity)
}

/// Returns the length in `Content-Length`. Rejecting a value that is not a number is up to the
/// server; this layer counts the bytes in any case.
fn announced<B>(request: &Request<B>) -> Option<u64> {
    let value = request.headers().get(CONTENT_LENGTH)?;
    value.to_str().ok()?.parse().ok()
}
