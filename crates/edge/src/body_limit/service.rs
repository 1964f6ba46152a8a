//! The service.

use std::{
    error::Error,
    task::{Context, Poll},
};

use bytes::Bytes;
use hardpoint_core::{Head, Refusals, ResponseBody};
use http::{Request, Response, header::CONTENT_LENGTH};
use http_body::Body;
use tower_service::Service;

use super::{
    LimitedBody, ResponseFuture,
    body::Mark,
    future::{Watch, too_large},
};

/// Rejects request bodies over a limit. See the [module docs](super).
#[derive(Clone, Debug)]
pub struct BodyLimit<S> {
    inner: S,
    limit: Option<u64>,
    refusals: Refusals,
}

impl<S> BodyLimit<S> {
    pub(super) fn new(inner: S, limit: Option<u64>, refusals: Refusals) -> Self {
        Self { inner, limit, refusals }
    }

    hardpoint_core::inner_accessors!();
}

impl<S, B, R> Service<Request<B>> for BodyLimit<S>
where
    S: Service<Request<LimitedBody<B>>, Response = Response<R>>,
    B: Body,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
    R: Body<Data = Bytes>,
{
    type Response = Response<ResponseBody<R>>;
    type Error = S::Error;
    type Future = ResponseFuture<S::Future, R>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let Some(limit) = self.limit else {
            return ResponseFuture::forward(
                self.inner.call(request.map(LimitedBody::unlimited)),
                None,
            );
        };
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

/// Returns the length in `Content-Length`. Rejecting a value that is not a number is up to the
/// server; this layer counts the bytes in any case.
fn announced<B>(request: &Request<B>) -> Option<u64> {
    let value = request.headers().get(CONTENT_LENGTH)?;
    value.to_str().ok()?.parse().ok()
}
