//! The service: a thin shell around a concurrency limit.

use std::{
    mem,
    task::{Context, Poll},
};

use hardpoint_core::Head;
use http::{Request, Response};
use http_body::Body;
use tower_service::Service;

use super::{
    ResponseBody, ResponseFuture,
    layer::Limits,
    limit::{Answer, Queued},
};
use crate::BoxError;

/// Bounds the calls in flight. See the [module docs](super).
#[derive(Clone, Debug)]
pub struct Bulkhead<S> {
    // A clone asks its own inner service for readiness: this service holds none.
    inner: S,
    limits: Limits,
}

impl<S> Bulkhead<S> {
    pub(super) const fn new(inner: S, limits: Limits) -> Self {
        Self { inner, limits }
    }

    hardpoint_core::inner_accessors!();
}

impl<S, ReqB, ResB> Service<Request<ReqB>> for Bulkhead<S>
where
    // Clone: while a call waits, its future keeps the instance that is ready.
    S: Service<Request<ReqB>, Response = Response<ResB>> + Clone,
    S::Error: Into<BoxError>,
    ResB: Body,
{
    type Response = Response<ResponseBody<ResB>>;
    type Error = BoxError;
    type Future = ResponseFuture<S, Request<ReqB>>;

    /// Forwards the inner service's readiness. The permit is taken in `call`, where the key is known:
    /// a service that is ready and never called keeps none from the others.
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(cx).map_err(Into::into)
    }

    // No arm borrows the request: the compiler copies a request that is both borrowed and moved
    // here.
    #[inline]
    fn call(&mut self, request: Request<ReqB>) -> Self::Future {
        match &self.limits {
            Limits::One(limit) => match limit.enter() {
                Answer::Permit(permit) => {
                    ResponseFuture::call(self.inner.call(request), Some(permit))
                }
                Answer::Full(full) => ResponseFuture::refuse(full),
                Answer::Wait(queued) => self.wait(queued, request),
            },
            Limits::Keyed(_) => self.call_by_key(request),
            Limits::Off => ResponseFuture::call(self.inner.call(request), None),
        }
    }
}

impl<S: Clone> Bulkhead<S> {
    #[inline(never)]
    fn call_by_key<B>(&mut self, request: Request<B>) -> ResponseFuture<S, Request<B>>
    where
        S: Service<Request<B>>,
    {
        match self.limits.enter(Head::new(&request)) {
            None => ResponseFuture::call(self.inner.call(request), None),
            Some(Answer::Permit(permit)) => {
                ResponseFuture::call(self.inner.call(request), Some(permit))
            }
            Some(Answer::Full(full)) => ResponseFuture::refuse(full),
            Some(Answer::Wait(queued)) => self.wait(queued, request),
        }
    }
}

impl<S: Clone> Bulkhead<S> {
    /// Lets the instance that is ready wait with the request.
    #[cold]
    fn wait<Req>(&mut self, queued: Queued, request: Req) -> ResponseFuture<S, Req>
    where
        S: Service<Req>,
    {
        let clone = self.inner.clone();
        let ready = mem::replace(&mut self.inner, clone);
        ResponseFuture::wait(queued, ready, request)
    }
}
