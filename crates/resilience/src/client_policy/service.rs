//! The service.

use std::task::{Context, Poll};

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use tower_service::Service;

use super::{ResponseBody, ResponseFuture};
use crate::{
    BoxError,
    bulkhead::Bulkhead,
    circuit_breaker::CircuitBreaker,
    hedge::Hedging,
    retry::{ReplayBody, Retry},
    timeout::Timeout,
};

/// What makes one attempt.
pub(super) type Attempt<S> = CircuitBreaker<Bulkhead<Timeout<S>>>;

/// The service that makes one attempt, or two at the same time.
pub(super) type Attempts<S> = Hedging<Attempt<S>>;

/// Guards calls to a destination. See the [module docs](super).
#[derive(Clone, Debug)]
pub struct GuardedClient<S> {
    inner: Timeout<Retry<Attempts<S>>>,
}

impl<S> GuardedClient<S> {
    pub(super) const fn new(inner: Timeout<Retry<Attempts<S>>>) -> Self {
        Self { inner }
    }

    /// A reference to the client.
    #[must_use]
    pub fn get_ref(&self) -> &S {
        self.inner.get_ref().get_ref().get_ref().get_ref().get_ref().get_ref()
    }

    /// A mutable reference to the client.
    pub fn get_mut(&mut self) -> &mut S {
        self.inner.get_mut().get_mut().get_mut().get_mut().get_mut().get_mut()
    }

    /// Unwraps the client.
    #[must_use]
    pub fn into_inner(self) -> S {
        self.inner.into_inner().into_inner().into_inner().into_inner().into_inner().into_inner()
    }
}

impl<S, B, R> Service<Request<B>> for GuardedClient<S>
where
    S: Service<Request<ReplayBody<B>>, Response = Response<R>> + Clone,
    S::Error: Into<BoxError>,
    B: Body<Data = Bytes> + Unpin,
    B::Error: Into<BoxError>,
    R: Body<Data = Bytes> + Unpin,
{
    type Response = Response<ResponseBody<R>>;
    type Error = BoxError;
    type Future = ResponseFuture<S, B, R>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        ResponseFuture::new(self.inner.call(request))
    }
}
