//! The service.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    task::{Context, Poll},
};

use bytes::Bytes;
use hardpoint_core::{Head, Refusals, ResponseBody};
use http::{Request, Response};
use http_body::Body;
use tower_service::Service;

use super::{ResponseFuture, future::Answer};

/// Responds on behalf of an inner service that panicked. See the [module docs](super).
#[derive(Clone, Debug)]
pub struct CatchPanic<S> {
    inner: S,
    refusals: Option<Refusals>,
}

impl<S> CatchPanic<S> {
    pub(super) fn new(inner: S, refusals: Option<Refusals>) -> Self {
        Self { inner, refusals }
    }

    hardpoint_core::inner_accessors!();
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
        let Some(refusals) = self.refusals.clone() else {
            return ResponseFuture::forward(self.inner.call(request), None);
        };
        let facts = refusals.facts(Head::new(&request));
        let answer = Answer { refusals, facts };
        // The module docs describe what a panic leaves behind in the inner service.
        match catch_unwind(AssertUnwindSafe(|| self.inner.call(request))) {
            Ok(future) => ResponseFuture::forward(future, Some(answer)),
            Err(payload) => ResponseFuture::refuse(answer.panicked(payload)),
        }
    }
}
