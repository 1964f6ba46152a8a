//! The service.

use std::{
    error::Error,
    fmt,
    marker::PhantomData,
    task::{Context, Poll},
};

use bytes::Bytes;
use hardpoint_core::{Head, HeadFacts};
use http::{Request, Response, header::CONTENT_LENGTH};
use http_body::Body;
use tower_service::Service;

use super::{
    AsLimited, InnerBody, LimitedBody, ResponseFuture,
    body::Mark,
    future::{Watch, too_large},
};

/// Refuses request bodies over a limit. See the [module docs](super).
pub struct BodyLimit<S, I = AsLimited> {
    inner: S,
    limit: Option<u64>,
    inner_body: PhantomData<fn() -> I>,
}

impl<S, I> BodyLimit<S, I> {
    pub(super) const fn new(inner: S, limit: Option<u64>) -> Self {
        Self { inner, limit, inner_body: PhantomData }
    }

    /// The inner service.
    pub const fn get_ref(&self) -> &S {
        &self.inner
    }

    /// The inner service, to be changed.
    pub const fn get_mut(&mut self) -> &mut S {
        &mut self.inner
    }

    /// The inner service, by value.
    pub fn into_inner(self) -> S {
        self.inner
    }
}

impl<S, I, B, R> Service<Request<B>> for BodyLimit<S, I>
where
    S: Service<Request<I::Body>, Response = Response<R>>,
    I: InnerBody<B>,
    B: Body,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
    R: Body<Data = Bytes>,
{
    type Response = Response<hardpoint_core::ResponseBody<R>>;
    type Error = S::Error;
    type Future = ResponseFuture<S::Future, R>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let Some(limit) = self.limit else {
            let request = request.map(|body| I::inner_body(LimitedBody::unlimited(body)));
            return ResponseFuture::forward(self.inner.call(request), None);
        };
        let size = request.body().size_hint();
        if size.lower() > limit || announced(&request).is_some_and(|length| length > limit) {
            return ResponseFuture::refuse(too_large(&HeadFacts::of(Head::of(&request)), limit));
        }
        let fits = size.upper().is_some_and(|length| length <= limit);
        let watch = (!fits).then(|| Watch {
            mark: Mark::default(),
            facts: HeadFacts::of(Head::of(&request)),
            limit,
        });
        let mark = watch.as_ref().map(|watch| watch.mark.clone());
        let request = request.map(|body| I::inner_body(LimitedBody::new(body, limit, mark)));
        ResponseFuture::forward(self.inner.call(request), watch)
    }
}

/// What `Content-Length` says. One that is no number is the server's to refuse; here the bytes are
/// counted in any case.
fn announced<B>(request: &Request<B>) -> Option<u64> {
    let value = request.headers().get(CONTENT_LENGTH)?;
    value.to_str().ok()?.parse().ok()
}

// Not derived: `I` is a name, no value of it exists.
impl<S: Clone, I> Clone for BodyLimit<S, I> {
    fn clone(&self) -> Self {
        Self::new(self.inner.clone(), self.limit)
    }
}

impl<S: fmt::Debug, I> fmt::Debug for BodyLimit<S, I> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BodyLimit").field("inner", &self.inner).field("limit", &self.limit).finish()
    }
}
