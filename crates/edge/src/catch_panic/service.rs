//! The service.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    task::{Context, Poll},
};

use bytes::Bytes;
use hardpoint_core::{Head, HeadFacts, ResponseBody};
use http::{Request, Response};
use http_body::Body;
use tower_service::Service;

use super::{ResponseFuture, future::panicked};

/// Answers for an inner service that panicked. See the [module docs](super).
#[derive(Clone, Debug)]
pub struct CatchPanic<S> {
    inner: S,
    on: bool,
}

impl<S> CatchPanic<S> {
    pub(super) const fn new(inner: S, on: bool) -> Self {
        Self { inner, on }
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

impl<S, B, R> Service<Request<B>> for CatchPanic<S>
where
    S: Service<Request<B>, Response = Response<R>>,
    R: Body<Data = Bytes>,
{
    type Response = Response<ResponseBody<R>>;
    type Error = S::Error;
    type Future = ResponseFuture<S::Future, R>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        if !self.on {
            return ResponseFuture::forward(self.inner.call(request), None);
        }
        let facts = HeadFacts::of(Head::of(&request));
        // What a panic leaves behind in the inner service is told in the module docs.
        match catch_unwind(AssertUnwindSafe(|| self.inner.call(request))) {
            Ok(future) => ResponseFuture::forward(future, Some(facts)),
            Err(payload) => ResponseFuture::refuse(panicked(&facts, payload)),
        }
    }
}
